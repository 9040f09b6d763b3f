package imapd

import (
	"context"
	"strings"

	"posthorn/internal/store"
)

// create is CREATE (RFC 3501 §6.3.3).
func (s *session) create(ctx context.Context, _ *command) error {
	var name string
	var use []string
	if !s.mailboxArgument(&name) || !s.dec.Create(&use) || !s.dec.End() {
		return s.syntax()
	}
	if use != nil {
		return bad("USE is not offered")
	}
	name = withoutSeparator(name)
	return s.account.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.CreateMailbox(name, "")
		return err
	})
}

// withoutSeparator drops the separator by which a client says that it means to make
// mailboxes below this one (RFC 3501 §6.3.3); here it always may.
func withoutSeparator(name string) string { return strings.TrimSuffix(name, store.Separator) }
