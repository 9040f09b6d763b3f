package inbound

import (
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// resolve asks the directory what an address is to us, and which accounts are
// behind it.
func (a *Acceptor) resolve(ctx context.Context, address addr.Address) (Standing, []store.AccountID, error) {
	r, err := a.o.Directory.Resolve(ctx, address)
	if err != nil {
		return NoRecipient, nil, err
	}
	switch r.Outcome {
	case directory.Deliver:
		if len(r.Forward) > 0 || r.Senders != directory.Anyone {
			return NoRecipient, nil, fault.New(fault.Unavailable, "inbound: mail for %s cannot be forwarded at present", address)
		}
		accounts := make([]store.AccountID, len(r.Recipients))
		for i, recipient := range r.Recipients {
			accounts[i] = store.AccountID(recipient.ID)
		}
		return Local, accounts, nil
	case directory.NoSuchUser:
		return Unknown, nil, nil
	case directory.Disabled:
		return Disabled, nil, nil
	case directory.BounceOnly, directory.NoWayBack:
		return Unknown, nil, nil
	case directory.NotLocal:
	}
	return Foreign, nil, nil
}

// owns says whether the account that is authenticated may send from an address:
// it must be its own, or an alias that leads to it.
func (s *Session) owns(ctx context.Context, from addr.Address) (bool, error) {
	if s.user == "" || from.IsZero() {
		return false, nil
	}
	r, err := s.acceptor.o.Directory.Resolve(ctx, from)
	return r.Owned(directory.AccountID(s.account)), err
}
