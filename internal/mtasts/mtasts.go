// Package mtasts finds out whether a domain wants mail for it to be delivered over
// TLS that is proven, to hosts that it names (RFC 8461), and remembers it.
//
// It owns the record in DNS that announces a policy, the policy's text, its way here
// over HTTPS, and the policies that were once had. It never connects to a mail server
// and never decides what follows from a policy: that is outbound's.
//
// Invariants: a policy that was had holds until its max_age is over, whatever DNS and
// the web say in the meantime, and over a restart if there is a Store; what could not
// be had is asked for again only after a pause; nothing that a domain publishes takes
// more than a bounded memory, and fetching it no more than a bounded time.
//
// Flow: Get takes what it has (entry.go), asks DNS for the id of what there is now
// (announce.go), fetches it if that is another or what it has is a day old (fetch.go),
// parses it (policy.go), and keeps it.
package mtasts

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"posthorn/internal/dns"
	"posthorn/internal/fault"
)

// Options configure a Cache. Resolver is required.
type Options struct {
	Resolver Resolver
	Store    Store          // nil: policies are forgotten at a restart
	Roots    *x509.CertPool // that vouch for the servers of policies; nil: those of the system
	Timeout  time.Duration  // for a policy to be fetched; default 30 s
	Logger   *slog.Logger   // default: nothing is logged
	// Dial connects to an address; default: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Resolver is what has to be looked up. The kinds of error are those of package dns.
type Resolver interface {
	TXT(ctx context.Context, name string) (dns.TXTAnswer, error)
	Addrs(ctx context.Context, host string) (dns.AddrAnswer, error)
}

// Store keeps a record for each domain, whose form is this package's.
type Store interface {
	// Load gives what was saved last; nil if nothing was.
	Load(ctx context.Context, domain string) ([]byte, error)
	Save(ctx context.Context, domain string, record []byte) error
}

// Answer is what a domain wants.
type Answer struct {
	Policy Policy // of Mode None if it wants nothing, or if that is not known
	// Err is why the policy that the domain announces could not be had; an *Error, or
	// of kind Canceled. Policy is the one from before then, if that still holds.
	Err error
}

// Problem is what is wrong with how a domain publishes its policy, as reports call
// it (RFC 8460 §4.3.2.2).
type Problem string

// The problems.
const (
	FetchError         Problem = "sts-policy-fetch-error"
	PolicyInvalid      Problem = "sts-policy-invalid"
	CertificateInvalid Problem = "sts-webpki-invalid"
)

// Error is such a problem in detail.
type Error struct {
	Problem Problem
	err     error
}

func (e *Error) Error() string { return "mta-sts: " + e.err.Error() }

// Unwrap gives the error that carries the kind.
func (e *Error) Unwrap() error { return e.err }

func failure(p Problem, kind fault.Kind, format string, args ...any) *Error {
	return &Error{p, fault.New(kind, format, args...)}
}

// Cache has the policies. It may be used by many goroutines at a time.
type Cache struct {
	o      Options
	client *http.Client

	mu      sync.Mutex
	entries map[string]*entry
}

// New makes a Cache.
func New(o Options) *Cache {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	c := &Cache{o: o, entries: map[string]*entry{}}
	c.client = c.newClient()
	return c
}

const (
	// refreshAfter is when a policy is fetched again though it has not changed, so
	// that it still holds when somebody keeps us from asking for it (RFC 8461 §10.2).
	refreshAfter = 24 * time.Hour
	// failurePause is how long we do not ask again for what could not be had
	// (RFC 8461 §3.3: five minutes at least).
	failurePause = 10 * time.Minute
)

// justAsked is how long what DNS has announced is as good as new. All that hangs on it is
// when a policy is fetched again.
const justAsked = 10 * time.Second

// Known is what Get would give, if it would have to ask nobody but DNS, and has just done
// that.
func (c *Cache) Known(domain string) (Answer, bool) {
	e := c.entry(domain)
	if !e.takeNow() {
		return Answer{}, false
	}
	defer e.leave()
	now := time.Now()
	if e.asked.IsZero() || now.Sub(e.asked) >= justAsked || e.wants(e.announced, now) {
		return Answer{}, false
	}
	return e.answer(e.announced), true
}

// Get gives the policy of a domain, in canonical form. It may take as long as a few
// lookups and a fetch do.
func (c *Cache) Get(ctx context.Context, domain string) Answer {
	e := c.entry(domain)
	if err := e.take(ctx); err != nil {
		return Answer{Err: err}
	}
	defer e.leave()
	c.load(ctx, domain, e)
	id, err := c.announced(ctx, domain)
	if fault.Is(err, fault.Canceled) {
		return Answer{Err: err}
	}
	e.announced, e.asked = id, time.Now()
	if !e.wants(id, e.asked) {
		return e.answer(id)
	}
	policy, err := c.fetch(ctx, domain)
	switch {
	case fault.Is(err, fault.Canceled) && ctx.Err() != nil:
		return Answer{Err: err}
	case err != nil:
		c.o.Logger.WarnContext(ctx, "an MTA-STS policy cannot be had", "domain", domain, "err", err, "again", failurePause)
		e.failed = failed{id, time.Now(), err}
		return e.answer(id)
	}
	if id == "" {
		id = e.id // it was fetched without DNS
	}
	e.held, e.failed = held{id, policy, time.Now()}, failed{}
	c.save(ctx, domain, e)
	return e.answer(id)
}
