package imapd

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// neighbour is another user's account in which a client watches mailboxes. What is told of
// them is how they stand: what comes, goes and changes in them. Their names are told when
// somebody looks.
type neighbour struct {
	account   *store.Account
	owner     string
	mailboxes map[store.MailboxID]shared
	changed   *atomic.Bool // something has happened in the account
	stop      func()
}

// shared is a mailbox of a neighbour that may be read.
type shared struct {
	place
	store.Mailbox
}

// maxNeighbours is how many accounts of others a session watches at the most.
const maxNeighbours = 100

// meetNeighbours watches the accounts of others that NOTIFY names mailboxes of: by name,
// by what is above them, or by subscriptions.
func (s *session) meetNeighbours(ctx context.Context, n *notification) error {
	wanted := slices.ContainsFunc(n.groups, func(g imapwire.NotifyGroup) bool {
		isOther := func(name string) bool { _, _, others := othersMailbox(name); return others }
		return g.Filter == imapwire.NotifySubscribed && slices.ContainsFunc(n.known.subscribed, isOther) ||
			slices.ContainsFunc(g.Mailboxes, isOther)
	})
	if !wanted {
		return nil
	}
	byOwner := map[string]*neighbour{}
	err := s.eachShared(ctx, func(p place, m *store.Mailbox) {
		if !p.rights.Has(store.RightRead) || n.wantsShared(p.shown) == 0 {
			return
		}
		nb := byOwner[p.owner]
		if nb == nil {
			nb = &neighbour{account: p.account, owner: p.owner, mailboxes: map[store.MailboxID]shared{}, changed: new(atomic.Bool)}
			byOwner[p.owner] = nb
			n.neighbours = append(n.neighbours, nb)
		}
		nb.mailboxes[m.ID] = shared{p, *m}
	})
	if err != nil {
		return err
	}
	if len(n.neighbours) > maxNeighbours {
		return no("NOTIFICATIONOVERFLOW", "There are too many mailboxes to watch them all")
	}
	for _, nb := range n.neighbours {
		nb.stop = nb.account.Watch(func() {
			nb.changed.Store(true)
			s.elsewhere.Store(true)
			if s.wake.Load() {
				s.conn.Wake()
			}
		})
	}
	return nil
}

// leaveNeighbours ends what a notification watches.
func (n *notification) leaveNeighbours() {
	if n == nil {
		return
	}
	for _, nb := range n.neighbours {
		if nb.stop != nil {
			nb.stop()
		}
	}
	n.neighbours = nil
}

// wantsShared is the events that the client wants to hear of for a mailbox of somebody
// else, which is not PERSONAL (RFC 5465 §6.2).
func (n *notification) wantsShared(name string) (events imapwire.NotifyEvents) {
	for i := range n.groups {
		g := &n.groups[i]
		if g.Filter == imapwire.NotifySubscribed || len(g.Mailboxes) > 0 {
			if covers(g, name, n.known) {
				events |= g.Events
			}
		}
	}
	return events & imapwire.MessageEvents
}

// tellNeighbours tells how mailboxes of others stand in which something has happened.
func (s *session) tellNeighbours(ctx context.Context, out *output, n *notification) (err error) {
	for _, nb := range n.neighbours {
		if !nb.changed.Swap(false) {
			continue
		}
		now := map[store.MailboxID]shared{}
		lookErr := s.eachSharedBy(ctx, nb.account, nb.owner, func(p place, m *store.Mailbox) {
			if p.rights.Has(store.RightRead) && n.wantsShared(p.shown) != 0 {
				now[m.ID] = shared{p, *m}
			}
		})
		if lookErr != nil {
			nb.changed.Store(true)
			err = lookErr
			continue
		}
		before := nb.mailboxes
		nb.mailboxes = now
		for _, m := range byName(now) {
			var was *store.Mailbox
			if old, known := before[m.ID]; known {
				was = &old.Mailbox
			}
			items := s.itemsSince(n.wantsShared(m.shown), was, &m.Mailbox)
			if items == 0 || was == nil && m.Messages == 0 || s.isSelected(nb.account, m.ID) {
				continue
			}
			if out.b, err = s.appendStatus(ctx, out.b, &counters{nb.account, &m.Mailbox, m.shown}, items); err != nil {
				return err
			}
			out.writeIfFull()
		}
	}
	return err
}

// tellNeighboursStanding tells how they stand that are watched (RFC 5465 §3.1).
func (s *session) tellNeighboursStanding(ctx context.Context, out *output, n *notification) (err error) {
	for _, nb := range n.neighbours {
		for _, m := range byName(nb.mailboxes) {
			items := standing(n.wantsShared(m.shown))
			if items == 0 || s.isSelected(nb.account, m.ID) {
				continue
			}
			if out.b, err = s.appendStatus(ctx, out.b, &counters{nb.account, &m.Mailbox, m.shown}, items); err != nil {
				return err
			}
			out.writeIfFull()
		}
	}
	return nil
}

func byName(mailboxes map[store.MailboxID]shared) []shared {
	list := make([]shared, 0, len(mailboxes))
	for _, m := range mailboxes {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b shared) int { return strings.Compare(a.shown, b.shown) })
	return list
}
