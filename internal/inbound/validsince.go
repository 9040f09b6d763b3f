package inbound

import (
	"context"
	"strings"
	"time"

	"posthorn/internal/directory"
)

// Ownership says whether a mailbox belongs to whom it belonged to at the time that a
// sender has named (RFC 7293).
type Ownership uint8

// The answers.
const (
	OwnershipUnasked Ownership = iota // or the same owner
	OwnershipChanged
	OwnershipUnknown // the mail goes on to a server that would have to be asked
)

// ValidSince is the parameter RRVS. Zero: not given.
type ValidSince struct {
	At       time.Time
	Continue bool // deliver, too, if nobody can tell
}

// ownership finds out whether all who are behind an address had it at that time. An
// account that was made later has another owner, or had none.
func (t *Transaction) ownership(ctx context.Context, local string, r directory.Resolution, since ValidSince) (Ownership, error) {
	// RFC 7293 §5.2: a role belongs to whoever has it.
	if since.At.IsZero() || strings.EqualFold(local, "postmaster") || strings.EqualFold(local, "abuse") {
		return OwnershipUnasked, nil
	}
	for _, one := range r.Recipients {
		account, err := t.o.Directory.Account(ctx, one.Address)
		if err != nil {
			return OwnershipUnknown, err
		}
		if account.Created.After(since.At) {
			return OwnershipChanged, nil
		}
	}
	if len(r.Forward) > 0 && !since.Continue {
		return OwnershipUnknown, nil
	}
	return OwnershipUnasked, nil
}
