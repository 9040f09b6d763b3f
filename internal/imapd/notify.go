package imapd

import (
	"context"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// notification is what a client wants to hear of at any time, not only while a
// command runs (RFC 5465). A session that has never asked has none.
type notification struct {
	selected imapwire.NotifyEvents // for the selected mailbox
	delayed  bool                  // there, what is gone is told when a command allows it
	plan     *fetchPlan            // there, what is told of new messages; nil: that they are there
	newFrom  store.UID             // there, where those begin that this has not been told of; 0: nowhere
	own      []store.UID           // there, what the client has put there itself, ascending

	groups []imapwire.NotifyGroup // for all other mailboxes
	known  *overview              // what the client knows of those; nil without groups

	neighbours []*neighbour // accounts of others in which mailboxes are watched
}

// notifiable are the events that can be told of.
const notifiable = imapwire.EventMessageNew | imapwire.EventMessageExpunge | imapwire.EventFlagChange |
	imapwire.EventMailboxName | imapwire.EventSubscriptionChange |
	imapwire.EventMailboxMetadataChange | imapwire.EventServerMetadataChange

// setNotify is NOTIFY (RFC 5465 §3.1). What has happened in the selected mailbox is
// told with the reply, as after every command.
func (s *session) setNotify(ctx context.Context, _ *command) error {
	var o imapwire.NotifyOptions
	if !s.dec.SP() || !s.dec.Notify(&o, s.mailboxName) || !s.dec.End() {
		return s.syntax()
	}
	n, err := s.newNotification(o.Groups)
	if err != nil {
		return err
	}
	if len(n.groups) > 0 {
		s.watchAround()
		s.elsewhere.Store(false)
		if n.known, err = s.overview(ctx, n); err != nil {
			return err
		}
		if len(n.known.mailboxes) > maxWatched {
			return no("NOTIFICATIONOVERFLOW", "There are too many mailboxes to watch them all")
		}
		err = s.meetNeighbours(ctx, n)
		if err == nil && o.Status {
			err = s.tellStanding(ctx, n)
		}
		if err != nil {
			n.leaveNeighbours()
			return err
		}
	}
	s.notify.leaveNeighbours()
	s.notify = n
	s.setWake()
	s.readErr = s.tellUntold()
	return s.readErr
}

// newNotification checks what a client wants.
func (s *session) newNotification(groups []imapwire.NotifyGroup) (*notification, error) {
	n := &notification{}
	var all imapwire.NotifyEvents
	for i := range groups {
		all |= groups[i].Events
	}
	if all&^notifiable != 0 { // RFC 5465 §3.1: NO, not BAD
		return nil, errBadEvent()
	}
	chosen := false
	for i := range groups {
		g := &groups[i]
		const both = imapwire.EventMessageNew | imapwire.EventMessageExpunge
		if g.Events&imapwire.MessageEvents != 0 && g.Events&both != both { // RFC 5465 §5
			return nil, bad("MessageNew and MessageExpunge go together, and with FlagChange")
		}
		if g.Filter > imapwire.NotifySelectedDelayed {
			if g.Fetch != nil {
				return nil, bad("Only new messages of the selected mailbox can be fetched")
			}
			n.groups = append(n.groups, *g)
			continue
		}
		switch { // RFC 5465 §6.1
		case g.Events&^imapwire.MessageEvents != 0:
			return nil, bad("SELECTED is about messages only")
		case chosen:
			return nil, bad("SELECTED or SELECTED-DELAYED can be there once")
		}
		chosen = true
		n.selected, n.delayed = g.Events, g.Filter == imapwire.NotifySelectedDelayed
		if err := s.planNew(n, g.Fetch); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// planNew prepares what is told of new messages. It never sets \Seen.
func (s *session) planNew(n *notification, items []imapwire.FetchItem) error {
	if items == nil {
		return nil
	}
	o := imapwire.FetchOptions{Items: items}
	if s.enabled.has(condStore) { // RFC 7162 §3.2.4
		o.Items = append(o.Items, imapwire.FetchItem{Attr: imapwire.FetchModSeq})
	}
	plan, err := newFetchPlan(&o, !s.enabled.has(uidOnly))
	if err == nil {
		plan.seen = false
		n.plan = plan
	}
	return err
}

// errBadEvent names the events that there are (RFC 5465 §3.1).
func errBadEvent() error {
	names := ""
	notifiable.Each(func(_ imapwire.NotifyEvents, name string) { names += " " + name })
	return no("BADEVENT ("+names[1:]+")", "That cannot be told of")
}

// setWake decides whether changes wake the connection while it waits for a command.
func (s *session) setWake() {
	n := s.notify
	s.wake.Store(s.idler != nil && s.box != nil || n != nil && (n.selected != 0 || len(n.groups) > 0))
}

// deaf reports that the client does not want to hear of its selected mailbox.
func (s *session) deaf() bool { return s.notify != nil && s.notify.selected == 0 }

// tellsFlags reports whether the client is told of flags that others have changed.
func (s *session) tellsFlags() bool {
	return s.notify == nil || s.notify.selected&imapwire.EventFlagChange != 0
}

// woken tells what has happened while no command runs.
func (s *session) woken(ctx context.Context) error {
	if err := s.renewRights(ctx); err != nil {
		return err
	}
	if s.box != nil && (s.idler != nil || s.notify != nil) {
		expunge := s.idler != nil || !s.notify.delayed
		if err := s.catchUp(ctx, telling{expunge: expunge}); err != nil {
			return err
		}
	}
	return s.tellAround(ctx)
}

// tellAround tells what NOTIFY asks for besides the changes of the selected mailbox.
func (s *session) tellAround(ctx context.Context) error {
	if s.notify == nil {
		return nil
	}
	if err := s.tellNew(ctx); err != nil {
		return err
	}
	return s.tellElsewhere(ctx)
}

// tellNew tells of new messages in the selected mailbox what the client wants to know,
// after their EXISTS (RFC 5465 §5.2). Its own it knows.
func (s *session) tellNew(ctx context.Context) error {
	n := s.notify
	if s.box == nil || n.newFrom == 0 {
		return nil
	}
	var fresh collector
	own := n.own
	s.box.view.EachUID([]store.UIDRange{{First: n.newFrom, Last: nothingRecent}}, func(seq int, e store.Entry) bool {
		for len(own) > 0 && own[0] < e.UID {
			own = own[1:]
		}
		if len(own) == 0 || own[0] != e.UID {
			fresh.add(seq, e.UID)
		}
		return true
	})
	n.newFrom, n.own = 0, nil
	f := &fetcher{session: s, ctx: ctx, plan: n.plan, output: s.newOutput()}
	if err := f.run(fresh.uids); err != nil {
		s.conn.Log().Warn("telling of new messages failed", "error", err)
	}
	return s.closeOutput(f.output)
}

// appended notes that messages have come to a snapshot of the selected mailbox.
func (n *notification) appended(before *store.Snapshot) {
	if n != nil && n.plan != nil && n.newFrom == 0 {
		n.newFrom = before.UIDNext()
	}
}

// noteOwn notes messages that the client itself has put into a mailbox.
func (s *session) noteOwn(account *store.Account, id store.MailboxID, uids []store.UID) {
	if s.notify != nil && s.notify.plan != nil && s.isSelected(account, id) {
		s.notify.own = append(s.notify.own, uids...)
	}
}

// isSelected reports whether a mailbox is the selected one.
func (s *session) isSelected(account *store.Account, id store.MailboxID) bool {
	return s.box != nil && s.box.id == id && s.box.account.ID() == account.ID()
}

// watchAround asks to be told of changes in the user's own account, whosever mailbox
// is selected.
func (s *session) watchAround() {
	if s.stopAround == nil {
		s.stopAround = s.account.Watch(func() {
			s.elsewhere.Store(true)
			if s.wake.Load() {
				s.conn.Wake()
			}
		})
	}
}
