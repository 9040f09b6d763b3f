package imapd

import (
	"context"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// create is CREATE (RFC 3501 §6.3.3), with the special uses of RFC 6154 §3.
func (s *session) create(ctx context.Context, c *command) error {
	var name string
	var use []string
	if !s.mailboxArgument(&name) || !s.dec.Create(&use) || !s.dec.End() {
		return s.syntax()
	}
	name = withoutSeparator(name)
	p, err := s.newPlace(ctx, name)
	if err != nil {
		return err
	}
	if len(use) > 0 && p.account.ID() != s.account.ID() {
		return no("USEATTR", "What a mailbox is for is said by its owner")
	}
	return p.account.Update(ctx, func(tx *store.Tx) error {
		m, err := tx.CreateMailbox(p.name, "")
		if err == nil && len(use) > 0 {
			err = setSpecialUse(tx, m.ID, use)
		}
		c.code = mailboxIDCode(p.account.ID(), m.ID) // RFC 8474 §4.1
		return err
	})
}

// setSpecialUse gives a mailbox its special uses.
func setSpecialUse(tx *store.Tx, id store.MailboxID, use []string) error {
	err := tx.SetSpecialUse(id, use)
	if fault.Is(err, fault.Unsupported) {
		return no("USEATTR", "A mailbox cannot have that use here") // RFC 6154 §3
	}
	return err
}

// withoutSeparator drops the separator by which a client says that it means to make
// mailboxes below this one (RFC 3501 §6.3.3); here it always may.
func withoutSeparator(name string) string { return strings.TrimSuffix(name, store.Separator) }
