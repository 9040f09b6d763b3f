package imapd

import (
	"context"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// list is LIST (RFC 3501 §6.3.8), extended by RFC 5258, with what is returned beside
// the names by RFC 5819 and RFC 6154.
func (s *session) list(ctx context.Context, _ *command) error {
	var o imapwire.ListOptions
	if !s.dec.SP() || !s.dec.ListCommand(&o) || !s.dec.End() {
		return s.syntax()
	}
	if !o.Extended && o.Patterns[0] == "" { // RFC 3501 §6.3.8: asks for the separator and the root
		s.line(`* LIST (\Noselect) "/" ""`)
		return nil
	}
	if o.Status&imapwire.StatusHighestModSeq != 0 { // RFC 7162 §3.1
		s.enableCondStore()
	}
	l := &listing{session: s, ctx: ctx, ListOptions: o, output: s.newOutput()}
	err := l.run()
	if s.readErr = s.closeOutput(l.output); s.readErr != nil {
		return s.readErr
	}
	return err
}

// criteria are the options by which mailboxes are selected; the others say how.
const criteria = imapwire.ListSubscribed | imapwire.ListSpecialUse

// listing answers one LIST.
type listing struct {
	*session
	*output
	imapwire.ListOptions
	ctx      context.Context
	patterns []pattern
}

func (l *listing) run() error {
	for _, p := range l.Patterns {
		if p != "" { // RFC 5258 §3: it means nothing in the extended form
			l.patterns = append(l.patterns, l.pattern(l.Reference, p))
		}
	}
	tree, err := l.tree()
	if err != nil {
		return err
	}
	if l.Select&imapwire.ListRecursiveMatch != 0 {
		l.look(tree)
	}
	for _, n := range tree.nodes {
		if !l.matches(n.shown) {
			continue
		}
		meets := l.meets(n)
		// RFC 5258 §3.5: a name that is not selected itself stands for what is below it
		// and not shown.
		if meets || n.hides {
			l.entry(n)
		}
		if meets && n.mailbox != nil {
			if err := l.beside(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// beside writes what was asked for besides the names.
func (l *listing) beside(n *node) error {
	if l.Return&imapwire.ReturnMyRights != 0 { // RFC 8440 §3
		l.b = l.appendMyRights(l.b, n.shown, n.rights)
	}
	if l.Return&imapwire.ReturnStatus != 0 && n.rights.Has(store.RightRead) { // RFC 5819 §2
		b, err := l.appendStatus(l.ctx, l.b, &counters{n.account, n.mailbox, n.shown}, l.Status)
		if l.b = b; err != nil {
			return err
		}
	}
	if l.Return&imapwire.ReturnMetadata != 0 && n.rights.Any(annotates) { // RFC 9590 §3
		q := metadataQuery{GetMetadata: imapwire.GetMetadata{Entries: l.Metadata}}
		found, err := l.findMetadata(l.ctx, &annotated{n.place, n.mailbox}, &q)
		if err != nil {
			return err
		}
		l.b = l.appendMetadata(l.b, n.shown, found)
	}
	l.writeIfFull()
	return nil
}

// tree gives all names that may be shown.
func (l *listing) tree() (*tree, error) {
	mailboxes, err := l.account.Mailboxes(l.ctx)
	if err != nil {
		return nil, err
	}
	t := newTree(len(mailboxes))
	for i := range mailboxes {
		m := &mailboxes[i]
		t.add(place{l.account, l.user, m.Name, m.Name, store.AllRights}, m)
	}
	if err := l.addOthers(t); err != nil {
		return nil, err
	}
	if l.wantsSubscriptions() {
		names, err := l.account.Subscriptions(l.ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			t.subscribe(name)
		}
	}
	t.sort()
	return t, nil
}

// wantsSubscriptions: RFC 5258 §3.1: who selects by them wants to see them, too.
func (l *listing) wantsSubscriptions() bool {
	return l.Select&imapwire.ListSubscribed != 0 || l.Return&imapwire.ReturnSubscribed != 0
}

func (l *listing) matches(name string) bool {
	for _, p := range l.patterns {
		if p.matches(name) {
			return true
		}
	}
	return false
}

// meets reports whether a name is selected by all options that select.
func (l *listing) meets(n *node) bool {
	if l.Select&criteria == 0 {
		return n.mailbox != nil || n.children
	}
	return (l.Select&imapwire.ListSubscribed == 0 || n.subscribed) &&
		(l.Select&imapwire.ListSpecialUse == 0 || n.mailbox != nil && n.mailbox.SpecialUse != "")
}

// look finds out above which names something is selected (RFC 5258 §3.5).
func (l *listing) look(t *tree) {
	for _, n := range t.nodes {
		if !l.meets(n) {
			continue
		}
		hidden := !l.matches(n.shown)
		for above := n.parent; above != nil; above = above.parent {
			above.childInfo = true
			above.hides = above.hides || hidden
		}
	}
}

// entry writes the LIST response for a name.
func (l *listing) entry(n *node) {
	e := imapwire.ListEntry{Name: n.shown}
	if n.childInfo {
		e.ChildInfo = l.Select & criteria
	}
	if n.mailbox == nil {
		// RFC 5258 §3: whoever knows the extended form knows the better word. \Noselect is
		// for all others, among whom are some who use the extended form.
		if l.Extended || l.enabled.has(rev2) {
			e.Attributes = append(e.Attributes, `\NonExistent`)
		}
		e.Attributes = append(e.Attributes, `\Noselect`)
	}
	if n.subscribed && l.wantsSubscriptions() {
		e.Attributes = append(e.Attributes, `\Subscribed`)
	}
	if n.children {
		e.Attributes = append(e.Attributes, `\HasChildren`)
	} else {
		e.Attributes = append(e.Attributes, `\HasNoChildren`)
	}
	if n.mailbox != nil && n.mailbox.SpecialUse != "" { // one or more
		e.Attributes = append(e.Attributes, n.mailbox.SpecialUse)
	}
	l.listEntry("LIST", &e)
}

// listEntry writes a LIST or LSUB response.
func (o *output) listEntry(response string, e *imapwire.ListEntry) {
	e.Separator, e.UTF8 = store.Separator[0], o.reader.has(utf8Accept|rev2)
	o.b = append(append(append(o.b, "* "...), response...), ' ')
	o.b = append(imapwire.AppendListEntry(o.b, e), "\r\n"...)
	o.writeIfFull()
}
