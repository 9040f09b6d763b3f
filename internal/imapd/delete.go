package imapd

import (
	"context"

	"posthorn/internal/fault"
	"posthorn/internal/obs"
	"posthorn/internal/store"
)

// delete is DELETE (RFC 3501 §6.3.4). Mailboxes below it stay, and keep its name in
// the list, as one that cannot be selected.
func (s *session) delete(ctx context.Context, _ *command) error {
	var name string
	if !s.mailboxArgument(&name) || !s.dec.End() {
		return s.syntax()
	}
	name = withoutSeparator(name)
	var id store.MailboxID
	var messages int
	p, err := s.place(ctx, name, store.RightDelete)
	if err != nil {
		return err
	}
	err = p.account.Update(ctx, func(tx *store.Tx) error {
		found, err := tx.Mailbox(p.name)
		if err != nil {
			return err
		}
		id, messages = found.ID, int(found.Messages)
		return tx.DeleteMailbox(p.name)
	})
	switch {
	case fault.Is(err, fault.Denied):
		return no("CANNOT", "INBOX cannot be deleted")
	case err != nil:
		return err
	}
	s.deleted(obs.Erased, p, messages)
	if s.box != nil && s.box.account.ID() == p.account.ID() && s.box.id == id {
		s.box = nil
	}
	return nil
}
