package imapd

import (
	"context"
	"slices"
	"strings"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// maxWatched is how many mailboxes a session watches at the most: it remembers a
// little of each.
const maxWatched = 20_000

// overview is the mailboxes of an account at one moment.
type overview struct {
	mailboxes  []store.Mailbox // by name
	byID       map[store.MailboxID]int
	subscribed []string // sorted; nil if nobody wants to know

	modSeq   store.ModSeq           // metadata is known up to here
	metadata []store.MetadataChange // what has changed of it since the overview before
}

// overview looks at all mailboxes.
func (s *session) overview(ctx context.Context, n *notification) (*overview, error) {
	mailboxes, err := s.account.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	o := &overview{mailboxes: mailboxes, byID: make(map[store.MailboxID]int, len(mailboxes))}
	for i := range mailboxes {
		o.byID[mailboxes[i].ID] = i
	}
	if n.needsSubscriptions() {
		o.subscribed, err = s.account.Subscriptions(ctx)
	}
	if err == nil && n.asksFor(metadataEvents) {
		after := ^store.ModSeq(0) >> 1 // at first, only where to begin
		if n.known != nil {
			after = n.known.modSeq
		}
		o.metadata, o.modSeq, err = s.account.MetadataChanges(ctx, after)
	}
	return o, err
}

const metadataEvents = imapwire.EventMailboxMetadataChange | imapwire.EventServerMetadataChange

// asksFor reports whether the client wants to hear of any of these, of any mailbox.
func (n *notification) asksFor(events imapwire.NotifyEvents) bool {
	return slices.ContainsFunc(n.groups, func(g imapwire.NotifyGroup) bool { return g.Events&events != 0 })
}

func (o *overview) mailbox(id store.MailboxID) *store.Mailbox {
	if i, ok := o.byID[id]; ok {
		return &o.mailboxes[i]
	}
	return nil
}

// find looks a name up: where it is among the mailboxes, or would be.
func (o *overview) find(name string) (i int, exists bool) {
	return slices.BinarySearchFunc(o.mailboxes, name, func(m store.Mailbox, name string) int { return strings.Compare(m.Name, name) })
}

func (o *overview) isSubscribed(name string) bool {
	_, ok := slices.BinarySearch(o.subscribed, name)
	return ok
}

func (n *notification) needsSubscriptions() bool {
	return slices.ContainsFunc(n.groups, func(g imapwire.NotifyGroup) bool {
		const names = imapwire.EventMailboxName | imapwire.EventSubscriptionChange
		return g.Filter == imapwire.NotifySubscribed || g.Events&names != 0
	})
}

// wants is the events that the client wants to hear of for a name (RFC 5465 §6).
func (n *notification) wants(name string, o *overview) (events imapwire.NotifyEvents) {
	for i := range n.groups {
		if g := &n.groups[i]; covers(g, name, o) {
			events |= g.Events
		}
	}
	return events
}

// covers: RFC 5465 §6.3: mail may be delivered to any mailbox, so INBOXES is PERSONAL.
func covers(g *imapwire.NotifyGroup, name string, o *overview) bool {
	switch g.Filter {
	case imapwire.NotifySubscribed:
		return o.isSubscribed(name)
	case imapwire.NotifyMailboxes:
		return slices.Contains(g.Mailboxes, name)
	case imapwire.NotifySubtree, imapwire.NotifySubtreeOne:
		return isBelow(name, g)
	}
	return true
}

// tellElsewhere tells what has happened in other mailboxes, and to mailboxes
// themselves. However long the client did not read, it is told how things stand, and
// nothing is kept for it.
func (s *session) tellElsewhere(ctx context.Context) error {
	n := s.notify
	if len(n.groups) == 0 || !s.elsewhere.Swap(false) {
		return nil
	}
	now, err := s.overview(ctx, n)
	if err != nil {
		s.conn.Log().Warn("looking for changes of mailboxes failed", "error", err)
		s.elsewhere.Store(true)
		return nil
	}
	if len(now.mailboxes) > maxWatched { // RFC 5465 §5.8
		s.line("* OK [NOTIFICATIONOVERFLOW] There are too many mailboxes to watch them all")
		n.leaveNeighbours()
		s.notify = &notification{}
		s.setWake()
		return nil
	}
	before := n.known
	n.known = now
	out := s.newOutput()
	n.tellNames(out, before, now)
	s.tellMetadata(out, n)
	for i := range now.mailboxes {
		m := &now.mailboxes[i]
		if items := s.changedItems(n, before, m); items != 0 {
			out.b, err = s.appendStatus(ctx, out.b, &counters{s.account, m, m.Name}, items)
			out.writeIfFull()
		}
	}
	if err == nil {
		if err = s.tellNeighbours(ctx, out, n); err != nil {
			s.elsewhere.Store(true)
		}
	}
	if writeErr := s.closeOutput(out); writeErr != nil {
		return writeErr
	}
	if err != nil {
		s.conn.Log().Warn("telling how a mailbox stands failed", "error", err)
	}
	return nil
}

// changedItems is what a STATUS tells of a mailbox since it was looked at; nothing if
// that does not concern the client.
func (s *session) changedItems(n *notification, before *overview, m *store.Mailbox) imapwire.StatusItems {
	if s.isSelected(s.account, m.ID) {
		return 0
	}
	events := n.wants(m.Name, n.known)
	was := before.mailbox(m.ID)
	if was == nil {
		if _, replaced := before.find(m.Name); events&imapwire.MessageEvents == 0 || !replaced && m.Messages == 0 {
			return 0
		}
	}
	return s.itemsSince(events, was, m)
}

// itemsSince is what a STATUS tells of a mailbox that was like this, or, if that is nil,
// was not there.
func (s *session) itemsSince(events imapwire.NotifyEvents, was, m *store.Mailbox) (items imapwire.StatusItems) {
	if was == nil {
		was = &store.Mailbox{}
		items |= imapwire.StatusUIDValidity
	}
	if was.HighestModSeq == m.HighestModSeq {
		return 0
	}
	// RFC 5465 §5.2, §5.3
	if events&imapwire.EventMessageNew != 0 && (was.UIDNext != m.UIDNext || was.Messages != m.Messages) {
		items |= imapwire.StatusMessages | imapwire.StatusUIDNext
	}
	if events&imapwire.EventFlagChange != 0 { // §5.1
		if was.Unseen != m.Unseen {
			items |= imapwire.StatusUIDValidity | imapwire.StatusUnseen
		} else if items == 0 && s.enabled.has(condStore) {
			items |= imapwire.StatusUIDValidity
		}
	}
	if items != 0 && s.enabled.has(condStore) {
		items |= imapwire.StatusHighestModSeq
	}
	return items
}

// tellStanding tells how the mailboxes stand that are watched (RFC 5465 §3.1).
func (s *session) tellStanding(ctx context.Context, n *notification) (err error) {
	out := s.newOutput()
	for i := range n.known.mailboxes {
		m := &n.known.mailboxes[i]
		items := standing(n.wants(m.Name, n.known))
		if items == 0 || s.isSelected(s.account, m.ID) {
			continue
		}
		if out.b, err = s.appendStatus(ctx, out.b, &counters{s.account, m, m.Name}, items); err != nil {
			break
		}
		out.writeIfFull()
	}
	if err == nil {
		err = s.tellNeighboursStanding(ctx, out, n)
	}
	if s.readErr = s.closeOutput(out); s.readErr != nil {
		return s.readErr
	}
	return err
}

// standing is what is told of a mailbox in which a client wants to hear of events.
func standing(events imapwire.NotifyEvents) imapwire.StatusItems {
	if events&imapwire.EventMessageNew == 0 {
		return 0
	}
	items := imapwire.StatusMessages | imapwire.StatusUIDNext | imapwire.StatusUIDValidity
	if events&imapwire.EventFlagChange != 0 {
		items |= imapwire.StatusHighestModSeq
	}
	return items
}
