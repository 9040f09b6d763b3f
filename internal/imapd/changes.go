package imapd

import (
	"context"
	"slices"
	"strconv"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// telling says how a client may be told of changes in its mailbox.
type telling struct {
	expunge bool       // with EXPUNGE; without, what is gone becomes a ghost
	uid     bool       // a UID command is under way: each FETCH has the UID (RFC 3501 §6.4.8)
	own     *ownChange // what the client has just done itself, or nil
}

// ownChange is the client's own change of flags.
type ownChange struct {
	uids   []store.UIDRange // ascending
	silent bool
	result func(store.Flags) store.Flags // what it makes of a message's flags
}

// catchUp tells the client what has changed in its mailbox. The store is only asked
// if anything has happened in the account. Its error ends the session.
func (s *session) catchUp(ctx context.Context, t telling) error {
	if !s.stale.Swap(false) {
		return s.tell(s.box.view.Snapshot, t)
	}
	snap, err := s.account.Snapshot(ctx, s.box.id)
	switch {
	case fault.Is(err, fault.NotFound):
		return errMailboxGone
	case err != nil:
		s.conn.Log().Warn("looking for changes failed", "error", err)
		s.stale.Store(true)
		return nil
	}
	return s.tell(snap, t)
}

// tell brings the client from its view to a newer snapshot. This is the only place
// that changes the view of a selected mailbox, and that writes EXISTS, RECENT and
// EXPUNGE, and FETCH for anything that was not asked for.
func (s *session) tell(after *store.Snapshot, t telling) error {
	m := s.box
	before := m.view.Snapshot
	if after == before && t.own == nil && (!t.expunge || len(m.view.ghosts) == 0) {
		return nil
	}
	out := s.newOutput()
	changes := store.Diff(before, after)
	if t.expunge {
		for i, number := range m.view.ghosts {
			out.number(number-i, " EXPUNGE")
		}
		m.view.ghosts = nil
		for _, seq := range changes.Expunged {
			out.number(seq, " EXPUNGE")
		}
	} else {
		m.view.haunt(changes.Expunged)
	}
	m.view.Snapshot = after
	if len(after.Keywords()) > len(before.Keywords()) {
		m.describeFlags(out)
	}
	if changes.Appended > 0 {
		out.number(m.view.exists(), " EXISTS")
		out.number(m.recent(), " RECENT")
	}
	if t.own != nil {
		changes.Changed = t.own.tell(out, m, before, changes.Changed, t.uid)
	}
	for _, seq := range changes.Changed {
		out.flags(m, seq, m.view.At(seq), t.uid)
	}
	return s.closeOutput(out)
}

// haunt makes ghosts of messages, given as Diff announces their expunging: in
// ascending order, each counted without those before it.
func (v *view) haunt(expunged []int) {
	if len(expunged) == 0 {
		return
	}
	fresh := make([]int, len(expunged))
	for i, seq := range expunged {
		fresh[i] = v.number(seq + i)
	}
	v.ghosts = append(v.ghosts, fresh...)
	slices.Sort(v.ghosts)
}

// tell writes FETCH responses for the messages that the client has changed, unless
// they were to be silent and are as it expects, and gives those that others changed.
func (own *ownChange) tell(out *output, m *mailbox, before *store.Snapshot, changed []int, uid bool) []int {
	rest := changed[:0]
	uids := own.uids
	for _, seq := range changed {
		e := m.view.At(seq)
		for len(uids) > 0 && uids[0].Last < e.UID {
			uids = uids[1:]
		}
		mine := len(uids) > 0 && uids[0].First <= e.UID
		if mine && own.silent {
			// RFC 3501 §6.4.6: what others do at the same time is told all the same.
			if was, ok := before.Seq(e.UID); ok {
				mine = own.result(before.At(was).Flags) == e.Flags
			}
		}
		if !mine {
			rest = append(rest, seq)
		}
	}
	if !own.silent {
		m.view.EachUID(own.uids, func(seq int, e store.Entry) bool {
			out.flags(m, seq, e, uid)
			return true
		})
	}
	return rest
}

var systemFlags = [...]string{imapwire.Answered, imapwire.Flagged, imapwire.Deleted, imapwire.Seen, imapwire.Draft}

// describeFlags writes FLAGS and PERMANENTFLAGS.
func (m *mailbox) describeFlags(out *output) {
	flags := append(systemFlags[:len(systemFlags):len(systemFlags)], m.view.Keywords()...)
	out.b = append(imapwire.AppendFlags(append(out.b, "* FLAGS "...), flags), "\r\n"...)
	switch {
	case m.readOnly:
		flags = nil
	case len(m.view.Keywords()) < store.MaxKeywords:
		flags = append(flags, imapwire.AnyFlag) // RFC 3501 §7.1: new keywords can be made
	}
	out.b = append(imapwire.AppendFlags(append(out.b, "* OK [PERMANENTFLAGS "...), flags), "] Flags that can be changed\r\n"...)
}

// number writes "* 12 EXISTS" and the like.
func (o *output) number(n int, what string) {
	o.b = strconv.AppendInt(append(o.b, "* "...), int64(n), 10)
	o.b = append(append(o.b, what...), "\r\n"...)
	o.writeIfFull()
}

// flags writes "* 12 FETCH (FLAGS (\Seen))".
func (o *output) flags(m *mailbox, seq int, e store.Entry, uid bool) {
	o.b = strconv.AppendInt(append(o.b, "* "...), int64(m.view.number(seq)), 10)
	o.b = append(o.b, " FETCH ("...)
	if uid {
		o.b = strconv.AppendUint(append(o.b, "UID "...), uint64(e.UID), 10)
		o.b = append(o.b, ' ')
	}
	o.b = m.appendFlags(append(o.b, "FLAGS "...), e)
	o.b = append(o.b, ")\r\n"...)
	o.writeIfFull()
}
