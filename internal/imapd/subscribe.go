package imapd

import (
	"context"

	"posthorn/internal/store"
)

// subscribe is SUBSCRIBE (RFC 3501 §6.3.6). The mailbox need not exist.
func (s *session) subscribe(ctx context.Context, _ *command) error { return s.setSubscribed(ctx, true) }

// unsubscribe is UNSUBSCRIBE (RFC 3501 §6.3.7).
func (s *session) unsubscribe(ctx context.Context, _ *command) error {
	return s.setSubscribed(ctx, false)
}

func (s *session) setSubscribed(ctx context.Context, on bool) error {
	var name string
	if !s.mailboxArgument(&name) || !s.dec.End() {
		return s.syntax()
	}
	name = withoutSeparator(name)
	return s.account.Update(ctx, func(tx *store.Tx) error { return tx.Subscribe(name, on) })
}
