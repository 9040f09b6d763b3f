package imapd

import (
	"context"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// expunge is EXPUNGE (RFC 3501 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1). The EXPUNGE
// responses are those of finish.
func (s *session) expunge(ctx context.Context, c *command) error {
	uids := store.AllUIDs
	if c.uid {
		var set imapwire.NumSet
		if !s.dec.SP() || !s.dec.NumSet(&set) {
			return s.syntax()
		}
		sel, err := s.box.view.selection(set, true)
		if err != nil {
			return err
		}
		uids = s.limitedDeleted(c, sel.uids)
	}
	if !s.dec.End() {
		return s.syntax()
	}
	m := s.box
	if m.readOnly {
		return errReadOnly
	}
	if err := m.require(store.RightExpunge); err != nil {
		return err
	}
	return s.expungeFrom(ctx, m, uids)
}

var errReadOnly = no("READ-ONLY", "The mailbox was opened read-only")
