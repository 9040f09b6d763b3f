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
	due     bool       // also if the client does not want to hear of others' changes
	own     *ownChange // what the client has just done itself, or nil
}

// ownChange is the client's own change of flags.
type ownChange struct {
	uids        []store.UIDRange // ascending
	failed      []store.UIDRange // among them, those that were left as they are
	silent      bool
	conditional bool                          // with UNCHANGEDSINCE
	result      func(store.Flags) store.Flags // what it makes of a message's flags
}

// catchUp tells the client what has changed in its mailbox. The store is only asked
// if anything has happened in the account. Its error ends the session.
func (s *session) catchUp(ctx context.Context, t telling) error {
	if s.deaf() && !t.due {
		return nil
	}
	if err := s.catchUpMailbox(ctx, t); err != nil {
		return err
	}
	return s.updateContexts(ctx)
}

func (s *session) catchUpMailbox(ctx context.Context, t telling) error {
	if !s.stale.Swap(false) {
		return s.tell(s.box.view.Snapshot, t)
	}
	snap, err := s.box.account.Snapshot(ctx, s.box.id)
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
	m.contexts.gone(out, &m.view, changes.Expunged)
	if t.expunge {
		out.gone(m, changes.Expunged)
	} else {
		m.view.haunt(changes.Expunged)
	}
	m.view.Snapshot = after
	m.contexts.note(&m.view, &changes)
	if len(after.Keywords()) > len(before.Keywords()) {
		m.describeFlags(out)
	}
	if changes.Appended > 0 {
		out.exists(m)
		s.notify.appended(before)
	}
	what := s.unasked(t.uid)
	if t.own != nil {
		changes.Changed = t.own.tell(out, m, changes.Changed, what)
	}
	if s.tellsFlags() {
		for _, c := range changes.Changed {
			out.change(m, c.Seq, m.view.At(c.Seq), what)
		}
	} else if len(changes.Changed) > 0 {
		m.view.fallBehind(before.ModSeq())
		m.view.untold = true
	}
	return s.closeOutput(out)
}

// tellUntold tells of flags that have changed while the client did not want to hear.
func (s *session) tellUntold() error {
	if s.box == nil || !s.box.view.untold || !s.tellsFlags() {
		return nil
	}
	m := s.box
	out := s.newOutput()
	m.view.EachSince(store.AllUIDs, m.view.settled, func(seq int, e store.Entry) bool {
		out.change(m, seq, e, s.unasked(true))
		return out.err == nil
	})
	m.view.untold = false
	return s.closeOutput(out)
}

// haunt makes ghosts of messages that are gone since the snapshot of the view.
func (v *view) haunt(expunged []store.Expunged) {
	if len(expunged) == 0 {
		return
	}
	v.fallBehind(v.ModSeq())
	fresh := make([]ghost, len(expunged))
	for i, gone := range expunged {
		fresh[i] = ghost{v.number(gone.Seq + i), gone.UID}
	}
	v.ghosts = append(v.ghosts, fresh...)
	slices.SortFunc(v.ghosts, func(a, b ghost) int { return a.number - b.number })
}

// gone tells of ghosts, of which none is left then, and of messages that are gone
// since the snapshot of the view.
func (o *output) gone(m *mailbox, expunged []store.Expunged) {
	ghosts := m.view.ghosts
	if len(ghosts)+len(expunged) == 0 {
		return
	}
	m.view.ghosts, m.expunged = nil, true
	if !o.reader.has(qresync | uidOnly) {
		for i, g := range ghosts {
			o.number(g.number-i, " EXPUNGE")
		}
		for _, gone := range expunged {
			o.number(gone.Seq, " EXPUNGE")
		}
		return
	}
	// RFC 7162 §3.2.10: VANISHED has just those that the client counts as there.
	uids := make([]imapwire.NumRange, 0, len(ghosts)+len(expunged))
	for _, g := range ghosts {
		uids = append(uids, imapwire.NumRange{First: uint32(g.uid), Last: uint32(g.uid)})
	}
	for _, gone := range expunged {
		uids = append(uids, imapwire.NumRange{First: uint32(gone.UID), Last: uint32(gone.UID)})
	}
	o.vanished("* VANISHED ", imapwire.Coalesce(uids))
}

// exists tells how many messages there are.
func (o *output) exists(m *mailbox) {
	o.number(m.view.exists(), " EXISTS")
	if !o.reader.has(rev2) { // RFC 9051 appendix E: there is no RECENT
		o.number(m.recent(), " RECENT")
	}
}

// tell writes FETCH responses for the messages that the client has changed, unless
// they were to be silent and are as it expects, and gives those that others changed.
func (own *ownChange) tell(out *output, m *mailbox, changed []store.Changed, what items) []store.Changed {
	others, failed := changed[:0], own.failed
	m.view.EachUID(own.uids, func(seq int, e store.Entry) bool {
		for len(changed) > 0 && changed[0].Seq < seq {
			others, changed = append(others, changed[0]), changed[1:]
		}
		isNew := len(changed) > 0 && changed[0].Seq == seq
		expected := isNew && own.result(changed[0].Was) == e.Flags
		if isNew {
			changed = changed[1:]
		}
		for len(failed) > 0 && failed[0].Last < e.UID {
			failed = failed[1:]
		}
		switch {
		case !own.silent,
			len(failed) > 0 && failed[0].First <= e.UID, // RFC 7162 §3.1.3: so it can try again
			isNew && !expected:                          // RFC 3501 §6.4.6: what others do at the same time is told
			out.change(m, seq, e, what)
		case what.has(withModSeq) && (isNew || own.conditional): // RFC 7162 §3.1.3
			out.change(m, seq, e, what&^withFlags)
		}
		return true
	})
	return append(others, changed...)
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
	flags = m.mayChange(flags)
	out.b = append(imapwire.AppendFlags(append(out.b, "* OK [PERMANENTFLAGS "...), flags), "] Flags that can be changed\r\n"...)
}

// number writes "* 12 EXISTS" and the like.
func (o *output) number(n int, what string) {
	o.b = strconv.AppendInt(append(o.b, "* "...), int64(n), 10)
	o.b = append(append(o.b, what...), "\r\n"...)
	o.writeIfFull()
}

// items is what a FETCH response that nobody asked for says of a message.
type items uint8

const (
	withUID items = 1 << iota
	withFlags
	withModSeq
)

func (what items) has(any items) bool { return what&any != 0 }

// unasked is what this client is told of a change. uid: during a UID command.
func (s *session) unasked(uid bool) items {
	what := withFlags
	if s.enabled.has(condStore) {
		what |= withModSeq
	}
	// With the UID, also outside of UID commands: RFC 7162 §3.2.4, RFC 9051 appendix E,
	// RFC 5465 §5.1.
	uid = uid || s.enabled.has(condStore|rev2) || s.notify != nil
	if uid && !s.enabled.has(uidOnly) {
		what |= withUID
	}
	return what
}

// change writes "* 12 FETCH (UID 17 FLAGS (\Seen) MODSEQ (5))", or a part of that.
func (o *output) change(m *mailbox, seq int, e store.Entry, what items) {
	o.fetch(m, seq, e.UID)
	if what.has(withUID) {
		o.b = strconv.AppendUint(append(o.b, "UID "...), uint64(e.UID), 10)
		o.b = append(o.b, ' ')
	}
	if what.has(withFlags) {
		o.b = m.appendFlags(append(o.b, "FLAGS "...), e)
		o.b = append(o.b, ' ')
	}
	if what.has(withModSeq) {
		o.b = appendModSeq(append(o.b, "MODSEQ "...), e.ModSeq)
		o.b = append(o.b, ' ')
	}
	o.b = append(o.b[:len(o.b)-1], ")\r\n"...)
	o.writeIfFull()
}

// fetch begins a FETCH response.
func (o *output) fetch(m *mailbox, seq int, uid store.UID) {
	o.b = append(o.b, "* "...)
	if o.reader.has(uidOnly) { // RFC 9586 §3
		o.b = append(strconv.AppendUint(o.b, uint64(uid), 10), " UIDFETCH ("...)
		return
	}
	o.b = append(strconv.AppendInt(o.b, int64(m.view.number(seq)), 10), " FETCH ("...)
}
