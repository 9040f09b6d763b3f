package admin

import (
	"context"
	"net/netip"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/filter/bans"
)

// Ban is a network that is refused for a time.
type Ban struct {
	Network string    `json:"network"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until"`
	Times   int       `json:"times,omitempty"` // it was banned of late; 0: by an operator
}

func (a *Admin) listBans(ctx context.Context, _ Nothing) ([]Ban, error) {
	all, err := a.o.Bans.List(ctx)
	list := make([]Ban, len(all))
	for i, b := range all {
		list[i] = Ban{b.Network.String(), b.Reason, b.Since, b.Until, b.Strikes}
	}
	return list, err
}

func (a *Admin) addBan(ctx context.Context, r Ban) (Nothing, error) {
	network, err := parseNetwork(r.Network)
	if err != nil {
		return Nothing{}, err
	}
	return Nothing{}, a.o.Bans.Add(ctx, bans.Ban{Network: network, Reason: r.Reason, Until: r.Until})
}

func (a *Admin) removeBan(ctx context.Context, r Name) (Nothing, error) {
	network, err := parseNetwork(r.Name)
	if err != nil {
		return Nothing{}, err
	}
	return Nothing{}, a.o.Bans.Remove(ctx, network)
}

// parseNetwork reads a network, or an address: of IPv6 the /64 that one customer has.
func parseNetwork(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return bans.Network(ip), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return network, fault.New(fault.Invalid, "%q is no network; want 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64", text)
	}
	return network.Masked(), nil
}
