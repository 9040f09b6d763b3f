// Package guard keeps those away from the door who guess: it is login.Guard over the
// counts of package guesses.
//
// It owns the waiting: how many attempts may wait at a time, in all and of one network.
// It decides nothing about who has to: that is guesses'. What it says to whoever is sent
// away is the same for users who are there and for those who are not.
//
// Flow: Admit asks guesses and waits -> login proves -> Failed, Succeeded or Withdrawn
// tell guesses how it went; the network of one that failed too often is handed to
// Options.Excess.
package guard

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/filter/guesses"
	"posthorn/internal/login"
)

const (
	usualWaiting          = 10_000
	usualWaitingOfNetwork = 16
)

// Options configure a Guard.
type Options struct {
	Waiting          int // attempts that may wait at a time; default 10,000
	WaitingOfNetwork int // of one IPv4 address or IPv6 /64; default 16
	// Excess is told how many wrong passwords came from an address of late, at each of
	// them. It does not block. nil: nobody wants to know.
	Excess func(p login.Peer, failures int)
}

// Networks are those that are special.
type Networks struct {
	Exempt  []netip.Prefix // nothing is counted
	Trusted []netip.Prefix // proxies and the like: many come from there; the loopback always is
}

// Guard is a login.Guard. It is shared by all doors.
type Guard struct {
	o        Options
	table    *guesses.Table
	networks atomic.Pointer[Networks]

	mu      sync.Mutex // guards what follows
	waiting int
	of      map[netip.Addr]int // of them, by network
}

// New makes a Guard.
func New(o Options) *Guard {
	if o.Waiting <= 0 {
		o.Waiting = usualWaiting
	}
	if o.WaitingOfNetwork <= 0 {
		o.WaitingOfNetwork = usualWaitingOfNetwork
	}
	g := &Guard{o: o, table: guesses.New(time.Now()), of: map[netip.Addr]int{}}
	g.networks.Store(&Networks{})
	return g
}

// Use goes over to other networks.
func (g *Guard) Use(n Networks) { g.networks.Store(&n) }

// Admit is of login.Guard.
func (g *Guard) Admit(ctx context.Context, p login.Peer, user string) error {
	who, exempt := g.who(p, user)
	if exempt {
		return nil
	}
	v := g.table.Try(time.Now(), who)
	switch {
	case v.Refuse:
		return login.ErrGuesses
	case v.Wait == 0:
		return nil
	}
	leave, ok := g.enter(p.Remote)
	switch {
	case !ok && v.First: // strangers who did nothing yet are not kept out by those who did
		return nil
	case !ok:
		g.table.Withdraw(time.Now(), who)
		return login.ErrGuesses
	}
	defer leave()
	timer := time.NewTimer(v.Wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		g.table.Withdraw(time.Now(), who)
		return fault.New(fault.Canceled, "guard: %w", ctx.Err())
	}
}

// enter takes a place among those who wait.
func (g *Guard) enter(ip netip.Addr) (leave func(), ok bool) {
	key := network(ip)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting >= g.o.Waiting || g.of[key] >= g.o.WaitingOfNetwork {
		return nil, false
	}
	g.waiting++
	g.of[key]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.waiting--
		if g.of[key]--; g.of[key] == 0 {
			delete(g.of, key)
		}
	}, true
}

// Failed is of login.Guard.
func (g *Guard) Failed(p login.Peer, user string) {
	who, exempt := g.who(p, user)
	if exempt {
		return
	}
	if n := g.table.Failed(time.Now(), who); n > 0 && g.o.Excess != nil {
		g.o.Excess(p, n)
	}
}

// Succeeded is of login.Guard. The network is known by both names of the user: the one
// that he logs in with, and the account's.
func (g *Guard) Succeeded(p login.Peer, user string, id login.Identity) {
	who, exempt := g.who(p, user)
	if exempt {
		return
	}
	now := time.Now()
	g.table.Succeeded(now, who)
	if id.Name != who.User {
		who.User = spelling(id.Name)
		g.table.Succeeded(now, who)
	}
}

// Withdrawn is of login.Guard.
func (g *Guard) Withdrawn(p login.Peer, user string) {
	if who, exempt := g.who(p, user); !exempt {
		g.table.Withdraw(time.Now(), who)
	}
}

// who is a client as guesses knows it.
func (g *Guard) who(p login.Peer, user string) (w guesses.Who, exempt bool) {
	n := g.networks.Load()
	ip := p.Remote.Unmap()
	if contains(n.Exempt, ip) {
		return w, true
	}
	return guesses.Who{User: spelling(user), Remote: ip, Trusted: ip.IsLoopback() || contains(n.Trusted, ip)}, false
}

// spelling is the one way to write a user's name, so that nobody gets more attempts by
// writing it in many.
func spelling(user string) string {
	if isPlain(user) {
		return user
	}
	if a, err := addr.Parse(user); err == nil {
		if a, err = a.Canonical(); err == nil {
			user = a.String()
		}
	}
	return strings.ToLower(user)
}

// isPlain says that a name is spelled like nearly all are, and as spelling would.
func isPlain(user string) bool {
	for i := range len(user) {
		c := user[i]
		plain := isAlnum(c) || c == '@' || c == '_' || (c == '.' || c == '-') && i > 0 && isAlnum(user[i-1]) && i+1 < len(user) && isAlnum(user[i+1])
		if !plain {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// network is what one customer has: an IPv4 address, or an IPv6 /64.
func network(ip netip.Addr) netip.Addr {
	ip = ip.Unmap()
	if ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

func contains(nets []netip.Prefix, ip netip.Addr) bool {
	for _, n := range nets {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}
