package inbound

import (
	"context"
	"net/netip"
	"slices"

	"posthorn/internal/dns"
	"posthorn/internal/fault"
)

// Reverse is what is known of the name of a client's address (RFC 8601 §3).
type Reverse struct {
	Result ReverseResult
	Name   string // that the address has, and that has the address; else empty
}

// ReverseResult is the outcome of the check, as RFC 8601 §2.7.3 names it.
type ReverseResult string

// The results.
const (
	ReversePass      ReverseResult = "pass"      // the address has a name, which has the address
	ReverseFail      ReverseResult = "fail"      // it claims names that do not have it
	ReverseTempError ReverseResult = "temperror" // nobody could say
	ReversePermError ReverseResult = "permerror" // it has no name
)

// maxReverseNames is how many names of one address are looked at.
const maxReverseNames = 3

// reverse looks for the name of an address.
func reverse(ctx context.Context, r *dns.Resolver, ip netip.Addr) Reverse {
	ip = ip.Unmap().WithZone("")
	names, err := r.PTR(ctx, ip)
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
		return Reverse{Result: ReversePermError}
	case err != nil:
		return Reverse{Result: ReverseTempError}
	}
	result := ReverseFail
	for _, name := range names.Names[:min(len(names.Names), maxReverseNames)] {
		addrs, err := r.Addrs(ctx, name)
		switch {
		case slices.Contains(addrs.Addrs, ip):
			return Reverse{ReversePass, name}
		case err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid):
			result = ReverseTempError
		}
	}
	return Reverse{Result: result}
}
