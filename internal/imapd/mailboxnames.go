package imapd

import (
	"slices"
	"strings"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// affected is a name that something has happened to.
type affected struct {
	name, old string // old: another name that it had before, or empty
	event     imapwire.NotifyEvents
}

// tellNames tells which names of mailboxes have come, gone and changed, and which
// subscriptions (RFC 5465 §5.4, §5.5): one LIST for each.
func (n *notification) tellNames(out *output, before, now *overview) {
	var all []affected
	all = appendCreated(all, before, now)
	for i := range before.mailboxes {
		m := &before.mailboxes[i]
		if _, taken := now.find(m.Name); now.mailbox(m.ID) == nil && !taken {
			all = appendWithParent(all, m.Name)
		}
	}
	all = appendSubscriptions(all, before.subscribed, now.subscribed)
	all = appendSubscriptions(all, now.subscribed, before.subscribed)
	told := map[string]bool{}
	for _, a := range all {
		wanted := n.wants(a.name, now)
		if a.old != "" {
			wanted |= n.wants(a.old, now)
		}
		if wanted&a.event != 0 && !told[a.name] {
			told[a.name] = true
			out.listEntry("LIST", now.entry(a))
		}
	}
}

// appendCreated adds what is new, and what has another name now. Mailboxes below one
// that was renamed go along without a word.
func appendCreated(all []affected, before, now *overview) []affected {
	for i := range now.mailboxes {
		m := &now.mailboxes[i]
		was := before.mailbox(m.ID)
		switch {
		case was == nil:
			all = appendWithParent(all, m.Name)
		case was.Name != m.Name && !movedAlong(was.Name, m.Name, before, now):
			all = append(all, affected{m.Name, was.Name, imapwire.EventMailboxName})
		}
	}
	return all
}

// appendWithParent adds a name that has come or gone, and the one above it.
func appendWithParent(all []affected, name string) []affected {
	all = append(all, affected{name, "", imapwire.EventMailboxName})
	if above, ok := parent(name); ok {
		all = append(all, affected{above, "", imapwire.EventMailboxName})
	}
	return all
}

// movedAlong reports that a mailbox has another name because one above it has.
func movedAlong(old, name string, before, now *overview) bool {
	for {
		i, j := strings.LastIndex(old, store.Separator), strings.LastIndex(name, store.Separator)
		if i < 0 || j < 0 || old[i:] != name[j:] {
			return false
		}
		old, name = old[:i], name[:j]
		if at, ok := before.find(old); ok {
			above := now.mailbox(before.mailboxes[at].ID)
			return above != nil && above.Name == name
		}
	}
}

// appendSubscriptions adds the names that are in one list and not in the other.
func appendSubscriptions(all []affected, in, notIn []string) []affected {
	for _, name := range in {
		if _, ok := slices.BinarySearch(notIn, name); !ok {
			all = append(all, affected{name, "", imapwire.EventSubscriptionChange})
		}
	}
	return all
}

// entry is how a name is listed now.
func (o *overview) entry(a affected) *imapwire.ListEntry {
	e := &imapwire.ListEntry{Name: a.name, OldName: a.old}
	i, exists := o.find(a.name)
	if !exists {
		e.Attributes = append(e.Attributes, `\NonExistent`)
	}
	if o.isSubscribed(a.name) {
		e.Attributes = append(e.Attributes, `\Subscribed`)
	}
	// What is below a name follows it, but for names that sort between, as "a-b" does.
	below, _ := o.find(a.name + store.Separator)
	if below < len(o.mailboxes) && strings.HasPrefix(o.mailboxes[below].Name, a.name+store.Separator) {
		e.Attributes = append(e.Attributes, `\HasChildren`)
	} else {
		e.Attributes = append(e.Attributes, `\HasNoChildren`)
	}
	if exists && o.mailboxes[i].SpecialUse != "" {
		e.Attributes = append(e.Attributes, o.mailboxes[i].SpecialUse)
	}
	return e
}

// tellMetadata tells which entries have changed that this user sees, by their names
// (RFC 5465 §5.6, §5.7; RFC 5464 §4.4.2).
func (s *session) tellMetadata(out *output, n *notification) {
	told := map[store.MetadataChange]bool{}
	for _, ch := range n.known.metadata {
		if told[ch] || ch.Who != store.EveryoneShares && ch.Who != s.account.ID() {
			continue
		}
		told[ch] = true
		name, wanted := "", n.asksFor(imapwire.EventServerMetadataChange)
		if ch.Mailbox != store.ServerMetadata {
			m := n.known.mailbox(ch.Mailbox)
			if m == nil {
				continue
			}
			name, wanted = m.Name, n.wants(m.Name, n.known)&imapwire.EventMailboxMetadataChange != 0
		}
		if wanted {
			out.b = s.appendMailbox(append(out.b, "* METADATA "...), name)
			out.b = append(imapwire.AppendAString(append(out.b, ' '), ch.Entry), "\r\n"...)
			out.writeIfFull()
		}
	}
	n.known.metadata = nil
}
