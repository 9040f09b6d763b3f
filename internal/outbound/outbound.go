// Package outbound brings queued messages to other servers: it finds out which
// these are, connects, and says for each recipient what came of it.
//
// It decides where to and how: by MX records or by a configured Route, with which
// security, over which connection, and after a failure whether another host may do
// better. It never decides when, or how often: that is the queue's, which also keeps
// what became of every recipient. The conversation itself belongs to smtpclient.
//
// Invariants:
//   - A recipient is Accepted only if a server said so of the whole message.
//   - A recipient is Refused only by a server that was asked for that recipient, or
//     because there cannot be a server that would take the message.
//   - A message that may have been taken over is not offered to another server in the
//     same attempt.
//   - Mail never goes to ourselves, nor to a host that is no nearer to its
//     destination than we are.
//   - No destination, whatever its DNS and its servers do, costs more than a bounded
//     number of lookups and connections in one attempt.
//   - Where DNS or the destination's policy says how its servers prove who they are,
//     no message goes to one that does not, nor in clear.
//
// Flow: Deliver makes a delivery (delivery.go) of a job; the route or targets.go say
// which hosts, by preference; for each, security.go says what it has to prove, session.go
// takes a connection out of the pool (pool.go) or makes one (connect.go), unless the host
// has enough to do with us already (crowd.go); transfer.go sends the message over it
// and judges what the server says (verdict.go).
package outbound

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"posthorn/internal/dns"
	"posthorn/internal/mtasts"
	"posthorn/internal/queue"
	"posthorn/internal/smtpclient"
	"posthorn/internal/tlsrpt"
)

// Options configure an Outbound. Hostname and Resolver are required.
type Options struct {
	Hostname string // ours, said to every server
	Resolver Resolver
	Policies *mtasts.Cache   // nil: domains have no MTA-STS policies
	Sessions *tlsrpt.Counter // nil: nobody wants to know how TLS went
	Routes   []Route
	// Ours says that an address leads to this server. Default: that of the loopback.
	Ours func(netip.Addr) bool

	Roots    *x509.CertPool // for servers that must prove who they are; nil: those of the system
	Timeouts smtpclient.Timeouts
	Connect  time.Duration // for a connection to be established; default 30 s
	PerHost  int           // conversations with one host at a time, for destinations by MX; default 50
	Idle     time.Duration // how long a connection is kept for the next message; default 10 s

	Logger *slog.Logger // default: nothing is logged
	// Dial connects from an address, if that is valid, to another. Default: net.Dialer.
	Dial func(ctx context.Context, from netip.Addr, network, address string) (net.Conn, error)
}

// Resolver is what has to be looked up. The kinds of error are those of package dns.
type Resolver interface {
	MX(ctx context.Context, domain string) (dns.MXAnswer, error)
	Addrs(ctx context.Context, host string) (dns.AddrAnswer, error)
	TLSA(ctx context.Context, name string) (dns.TLSAAnswer, error)
}

// Outbound delivers. Its methods may be called from any goroutine.
type Outbound struct {
	o    Options
	log  *slog.Logger
	pool *pool
	// crowd is who speaks with which host.
	crowd *crowd
}

// New makes an Outbound.
func New(o Options) *Outbound {
	if o.Ours == nil {
		o.Ours = func(ip netip.Addr) bool { return ip.IsLoopback() || ip.IsUnspecified() }
	}
	if o.Connect <= 0 {
		o.Connect = 30 * time.Second
	}
	if o.PerHost <= 0 {
		o.PerHost = 50
	}
	if o.Idle <= 0 {
		o.Idle = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		o.Dial = dial
	}
	return &Outbound{o: o, log: o.Logger, pool: newPool(o.Idle), crowd: newCrowd(o.PerHost)}
}

// Deliver tries a job: it is a queue.Deliver.
func (o *Outbound) Deliver(ctx context.Context, j *queue.Job) []queue.Result {
	return o.deliver(ctx, &task{message: j.Message, destination: j.Destination, recipients: j.Recipients, open: j.Open})
}

// Close says goodbye to the servers that it is still connected to, and waits until
// that has been said. Deliver may still be called, but keeps no connection any more.
func (o *Outbound) Close() { o.pool.close() }

func dial(ctx context.Context, from netip.Addr, network, address string) (net.Conn, error) {
	d := net.Dialer{}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	return d.DialContext(ctx, network, address)
}
