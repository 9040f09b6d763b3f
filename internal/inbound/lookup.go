package inbound

import (
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
)

// resolve asks the directory who gets the mail for an address, and gathers what the
// rules want to know of it. What is not ours goes on to the address itself.
func (t *Transaction) resolve(ctx context.Context, to addr.Address) (directory.Resolution, Recipient, error) {
	found := Recipient{Address: to}
	r, err := t.o.Directory.ResolveFrom(ctx, t.from, to)
	if err != nil {
		return r, found, err
	}
	found.Standing = standingOf(r.Outcome)
	if found.Standing == Foreign {
		r.Forward = []directory.Forward{{Address: to}}
	}
	found.Leaves = len(r.Forward) > 0
	// A server that hands mail over, or relays by us, has seen who its users are.
	proven := t.session.proven() || t.session.peer.Role == LMTP || t.findings.MayRelay
	may, err := t.o.Directory.MayWrite(ctx, r, t.from, proven)
	if found.Closed = !may; err != nil {
		return r, found, err
	}
	found.OverQuota, err = t.overQuota(ctx, r.Recipients)
	return r, found, err
}

func standingOf(o directory.Outcome) Standing {
	switch o {
	case directory.Deliver:
		return Local
	case directory.NoSuchUser:
		return Unknown
	case directory.Disabled:
		return Disabled
	case directory.Suspended:
		return Suspended
	case directory.BounceOnly:
		return BounceOnly
	case directory.NoWayBack:
		return NoWayBack
	case directory.NotLocal:
	}
	return Foreign
}

// owns says whether the account that is authenticated may send from an address:
// it must be its own, or an alias that leads to it. Who is trusted may send from any.
func (s *Session) owns(ctx context.Context, from addr.Address) (bool, error) {
	if s.user == "" || from.IsZero() {
		return s.peer.Trusted, nil
	}
	r, err := s.acceptor.o.Directory.Resolve(ctx, from)
	return r.Owned(directory.AccountID(s.account)), err
}
