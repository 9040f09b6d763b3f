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
	return s.account.Update(ctx, func(tx *store.Tx) error { return tx.RenameMailbox(from, to) })
}
