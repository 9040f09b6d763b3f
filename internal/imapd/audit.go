package imapd

import (
	"context"

	"posthorn/internal/obs"
	"posthorn/internal/store"
)

// expungeFrom takes what is marked \Deleted out of a mailbox, and has it written down.
func (s *session) expungeFrom(ctx context.Context, m *mailbox, uids []store.UIDRange) error {
	n := 0
	err := m.account.Update(ctx, func(tx *store.Tx) error {
		before, err := tx.Snapshot(m.id)
		if err != nil {
			return err
		}
		gone, err := tx.Expunge(m.id, uids)
		n = 0
		before.EachUID(gone, func(int, store.Entry) bool { n++; return true })
		return err
	})
	if err == nil && n > 0 {
		s.deleted(obs.Expunged, m.place, n)
	}
	return err
}

// deleted writes down that a user has deleted something.
func (s *session) deleted(kind obs.EventKind, p place, messages int) {
	if s.srv.recorder == nil {
		return
	}
	s.srv.recorder.Record(&obs.Event{
		Kind: kind, User: s.user, Folder: p.shown, Count: messages, Protocol: "imap",
		Remote: s.conn.RemoteAddr().Addr(), Hello: s.client, Conn: s.conn.ID(),
	})
}
