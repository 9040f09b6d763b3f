package imapd

import (
	"context"

	"posthorn/internal/store"
)

// closeMailbox is CLOSE (RFC 3501 §6.4.2): what is marked \Deleted goes, without a
// word.
func (s *session) closeMailbox(ctx context.Context, _ *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	m := s.box
	// RFC 4314 §4: who may not expunge closes all the same.
	if !m.readOnly && m.rights.Has(store.RightExpunge) {
		if err := s.expungeFrom(ctx, m, store.AllUIDs); err != nil {
			return err
		}
	}
	s.box = nil
	return nil
}

// unselect is UNSELECT (RFC 3691): nothing goes.
func (s *session) unselect(context.Context, *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	s.box = nil
	return nil
}
