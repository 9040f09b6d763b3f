package imapd

import (
	"context"

	"posthorn/internal/store"
)

// rename is RENAME (RFC 3501 §6.3.5). What is below moves along; INBOX stays, its
// messages move.
func (s *session) rename(ctx context.Context, _ *command) error {
	var from, to string
	if !s.mailboxArgument(&from) || !s.mailboxArgument(&to) || !s.dec.End() {
		return s.syntax()
	}
	from, to = withoutSeparator(from), withoutSeparator(to)
	src, err := s.place(ctx, from, store.RightDelete)
	if err != nil {
		return err
	}
	dst, err := s.newPlace(ctx, to)
	switch {
	case err != nil:
		return err
	case src.account.ID() != dst.account.ID():
		return no("CANNOT", "A mailbox cannot be given to somebody else; make a new one and move the messages")
	}
	return src.account.Update(ctx, func(tx *store.Tx) error { return tx.RenameMailbox(src.name, dst.name) })
}
