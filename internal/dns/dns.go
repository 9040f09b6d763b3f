// Package dns asks the domain name system what mail has to know: mail exchanges,
// addresses, texts (SPF, DKIM, DMARC and the like), TLSA and pointer records.
//
// It is a stub: recursive servers do the work, and only they can say that an
// answer is authentic. It owns the conversation with them (UDP, TCP for what does
// not fit, another try, another server), a cache, and what an answer means. It never
// decides what follows from an answer: routing belongs to outbound, judgement of
// senders to the checks.
//
// Invariants: a reply is looked at only if it answers what was asked; an answer is
// either records, an Absence, or an error that says whether asking again will help;
// a name that does not exist is never confused with one that could not be asked for;
// no chain of aliases, and no amount of records, costs more than a bounded effort.
//
// Flow: MX and its sisters (answer.go) -> lookup follows aliases (lookup.go) -> the
// cache answers, or lets one of many that ask the same do so (cache.go) -> the
// servers are asked in turn (exchange.go) -> digest makes sense of the reply.
package dns

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// Options configure a Resolver. The zero Options ask a server on this host.
type Options struct {
	Servers []netip.AddrPort // recursive servers, the preferred first; default 127.0.0.1:53
	// TrustAD says that the servers validate DNSSEC, and that nobody can change
	// what they say on its way: only then is an answer ever authentic.
	TrustAD bool

	Timeout  time.Duration // for each try at one server; default 3 s
	Attempts int           // how often each server is tried; default 2

	MinTTL time.Duration // answers are kept at least so long; default 5 s
	MaxTTL time.Duration // and at most so long; default 1 h
	Cache  int           // bytes that all answers kept may take, roughly; default 16 MiB

	// Dial connects to a server, network being "udp" or "tcp"; default: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o *Options) setDefaults() {
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orDuration(&o.Timeout, 3*time.Second)
	orDuration(&o.MinTTL, 5*time.Second)
	orDuration(&o.MaxTTL, time.Hour)
	if len(o.Servers) == 0 {
		o.Servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)}
	}
	if o.Attempts <= 0 {
		o.Attempts = 2
	}
	if o.Cache <= 0 {
		o.Cache = 16 << 20
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
}

const port = 53

// Resolver asks, and remembers. It may be used by many goroutines at a time.
type Resolver struct {
	current atomic.Pointer[stub]
}

// New makes a Resolver.
func New(o Options) *Resolver {
	r := new(Resolver)
	r.Set(o)
	return r
}

// Set exchanges the options. What is remembered is forgotten, for other servers may
// know better, or be believed less. Lookups under way end as they began.
func (r *Resolver) Set(o Options) { r.current.Store(newStub(o)) }

func (r *Resolver) lookup(ctx context.Context, name string, qtype uint16) (found, error) {
	return r.current.Load().lookup(ctx, name, qtype)
}

func (r *Resolver) knows(name string, qtype uint16) bool { return r.current.Load().knows(name, qtype) }

// stub is a resolver whose options stay.
type stub struct {
	o         Options
	cache     *cache
	preferred atomic.Int32 // the server that answered last: one that is down is not asked first every time
}

func newStub(o Options) *stub {
	o.setDefaults()
	return &stub{o: o, cache: newCache(o.Cache)}
}
