package imapd

import (
	"context"
	"slices"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// multiSearch is ESEARCH (RFC 7377 §2): UID SEARCH in any mailboxes. Those in which
// nothing is found are not mentioned.
func (s *session) multiSearch(ctx context.Context, c *command) error {
	var in []imapwire.NotifyGroup
	var o imapwire.SearchOptions
	if !s.dec.SP() || !s.dec.MultiSearch(&in, &o, s.mailboxName) || !s.dec.End() {
		return s.syntax()
	}
	if !o.Extended {
		o.Extended, o.Return = true, imapwire.ReturnAll
	}
	if in == nil {
		in = []imapwire.NotifyGroup{{Filter: imapwire.NotifySelected}}
	}
	isSelected := func(g imapwire.NotifyGroup) bool { return g.Filter == imapwire.NotifySelected }
	alone := !slices.ContainsFunc(in, func(g imapwire.NotifyGroup) bool { return !isSelected(g) })
	switch { // RFC 7377 §2.2
	case s.box == nil && (slices.ContainsFunc(in, isSelected) || o.Return&imapwire.ReturnUpdate != 0):
		return bad("Select a mailbox first")
	case !alone && o.Return&(imapwire.ReturnSave|imapwire.ReturnUpdate) != 0:
		return bad("SAVE and UPDATE are for the selected mailbox alone")
	}
	c.uid = true // RFC 7377 §2.1
	if alone {
		return s.searchSelected(ctx, c, &o)
	}
	if err := s.replaceFilters(ctx, &o); err != nil {
		return err
	}
	if !knownCharset(o.Charset) {
		return errCharset
	}
	if s.box != nil {
		if s.readErr = s.catchUp(ctx, telling{uid: true}); s.readErr != nil {
			return s.readErr
		}
	}
	return s.searchPlaces(ctx, c, in, &o)
}

// searchSelected is an ESEARCH in the selected mailbox.
func (s *session) searchSelected(ctx context.Context, c *command, o *imapwire.SearchOptions) error {
	q, hits, err := s.find(ctx, c, o)
	if err != nil {
		return s.savingNothing(o, err)
	}
	a := answer{box: s.box, command: c, options: o, query: q, hits: hits, named: true}
	if err := s.tellESearch(&a); err != nil {
		return err
	}
	s.keepUpdated(&a, nil)
	return nil
}

// maxSearched is how many mailboxes one command may search.
const maxSearched = 10_000

// searchPlaces searches mailboxes one after the other. One that is gone, or that may not
// be read, is as if it had not been asked for (RFC 7377 §2.2).
func (s *session) searchPlaces(ctx context.Context, c *command, in []imapwire.NotifyGroup, o *imapwire.SearchOptions) error {
	places, err := s.searchable(ctx, in)
	if err != nil {
		return err
	}
	if len(places) > maxSearched {
		return no("LIMIT", "That is too many mailboxes to search at once")
	}
	for i := range places {
		m, err := s.lookInto(ctx, &places[i])
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err == nil {
			err = s.searchIn(ctx, c, m, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lookInto opens a mailbox for a search, without selecting it.
func (s *session) lookInto(ctx context.Context, p *place) (*mailbox, error) {
	found, err := p.account.Open(ctx, p.name)
	if err != nil {
		return nil, err
	}
	if s.isSelected(p.account, found.ID) {
		return s.box, nil
	}
	m := &mailbox{place: *p, id: found.ID, recentFrom: found.RecentFrom}
	m.view.Snapshot = found.Snapshot
	return m, nil
}

// searchIn searches one mailbox and tells what was found.
func (s *session) searchIn(ctx context.Context, c *command, m *mailbox, o *imapwire.SearchOptions) error {
	q, hits, err := s.findIn(ctx, c, m, o)
	if err != nil || len(hits) == 0 {
		return err
	}
	return s.tellESearch(&answer{box: m, command: c, options: o, query: q, hits: hits, named: true})
}

// searchable gives the mailboxes that are meant, each once.
func (s *session) searchable(ctx context.Context, in []imapwire.NotifyGroup) ([]place, error) {
	all, err := s.account.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	subscribed, err := s.account.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	var places []place
	seen := map[string]bool{}
	add := func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		if p, err := s.place(ctx, name, store.RightRead); err == nil {
			places = append(places, p)
		}
	}
	for i := range in {
		switch g := &in[i]; g.Filter {
		case imapwire.NotifySelected:
			add(s.box.shown)
		case imapwire.NotifyMailboxes:
			for _, name := range g.Mailboxes {
				add(name)
			}
		case imapwire.NotifySubscribed:
			for _, name := range subscribed {
				add(name)
			}
		default: // RFC 5465 §6.3: mail may be delivered to any mailbox, so INBOXES is PERSONAL
			for j := range all {
				if name := all[j].Name; len(g.Mailboxes) == 0 || isBelow(name, g) {
					add(name)
				}
			}
			if err := s.eachSharedBelow(ctx, g, func(p place) { add(p.shown) }); err != nil {
				return nil, err
			}
		}
	}
	return places, nil
}

// eachSharedBelow calls fn with those mailboxes of other users that a SUBTREE has. They are
// not PERSONAL (RFC 5465 §6.2).
func (s *session) eachSharedBelow(ctx context.Context, g *imapwire.NotifyGroup, fn func(place)) error {
	if !slices.ContainsFunc(g.Mailboxes, func(top string) bool { _, _, others := othersMailbox(top); return others }) {
		return nil
	}
	return s.eachShared(ctx, func(p place, _ *store.Mailbox) {
		if isBelow(p.shown, g) {
			fn(p)
		}
	})
}

// isBelow reports whether a mailbox is one of those of SUBTREE or SUBTREE-ONE.
func isBelow(name string, g *imapwire.NotifyGroup) bool {
	return slices.ContainsFunc(g.Mailboxes, func(top string) bool {
		rest, below := strings.CutPrefix(name, top+store.Separator)
		deep := strings.Contains(rest, store.Separator)
		return name == top || below && (!deep || g.Filter == imapwire.NotifySubtree)
	})
}
