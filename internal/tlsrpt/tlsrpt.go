// Package tlsrpt counts how TLS with other servers went, by day and destination, and
// tells the domains that want to know once a day (RFC 8460).
//
// It owns the counters, which live in the engine, and the form of a report. It never
// connects, never judges a certificate, and does not send: whoever delivers tells it
// of each session, and whoever runs it brings what takes a report away.
//
// Invariants: counting never waits for anything; what is counted in a day takes a
// bounded room, whatever other servers do, and is gone after three days; a domain
// gets a report on a day once, and none that it has not asked for in DNS; a crash
// loses what was counted in the last minute, and nothing else.
//
// Flow: Count adds a session to what is not yet kept (tally.go); Run keeps that every
// minute (keep.go) and, every hour, makes and sends the reports on days that are over
// (send.go, report.go).
package tlsrpt

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"posthorn/internal/dns"
	"posthorn/internal/kv"
)

// Session is one connection, or the attempt at one, to a server of a domain.
type Session struct {
	Domain  string // of the destination, in canonical form
	Policy  Policy
	Failure Failure // "": TLS went as the policy wants it

	Sender   netip.Addr // our end
	Receiver netip.Addr
	Host     string // the server's name
	Reason   string // what went wrong, in words
}

// Policy is what the session had to live up to.
type Policy struct {
	Type    PolicyType
	Domain  string   // whose policy it is: the destination, or with DANE the host
	Strings []string // the policy itself: lines of an MTA-STS policy, or TLSA records
	Hosts   []string // that an MTA-STS policy names
}

// PolicyType is where a policy comes from (RFC 8460 §4.4).
type PolicyType string

// The types.
const (
	DANE     PolicyType = "tlsa"
	STS      PolicyType = "sts"
	NoPolicy PolicyType = "no-policy-found"
)

// Failure is how TLS failed (RFC 8460 §4.3).
type Failure string

// The failures.
const (
	StartTLSNotSupported    Failure = "starttls-not-supported"
	CertificateHostMismatch Failure = "certificate-host-mismatch"
	CertificateExpired      Failure = "certificate-expired"
	CertificateNotTrusted   Failure = "certificate-not-trusted"
	ValidationFailure       Failure = "validation-failure"
	TLSAInvalid             Failure = "tlsa-invalid"
	DNSSECInvalid           Failure = "dnssec-invalid"
	STSFetchError           Failure = "sts-policy-fetch-error"
	STSInvalid              Failure = "sts-policy-invalid"
	STSWebPKIInvalid        Failure = "sts-webpki-invalid"
)

// Options configure a Counter. Engine is required.
type Options struct {
	Engine kv.Engine
	Logger *slog.Logger // default: nothing is logged

	// What follows is for reports; without a From there are none.
	From     string // address that they come from, and that answers to them
	Hostname string // ours, who made them
	Resolver interface {
		TXT(ctx context.Context, name string) (dns.TXTAnswer, error)
	}
	// Send has a message delivered to an address: durably, when it returns.
	Send func(ctx context.Context, to string, message []byte) error
}

// Counter counts. Its methods may be called from any goroutine; a nil one counts
// nothing.
type Counter struct {
	log     *slog.Logger
	options func() Options

	mu      sync.Mutex
	pending map[key]*Tally
}

// key is a day and a destination.
type key struct{ day, domain string }

// New makes a Counter. Its options may change: they are asked for whenever they are
// needed.
func New(options func() Options) *Counter {
	log := options().Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Counter{log: log, options: options, pending: map[key]*Tally{}}
}

// maxPending is how many destinations are counted between one keeping and the next.
const maxPending = 20_000

// Count adds a session to today's.
func (c *Counter) Count(s Session) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := key{day(time.Now()), s.Domain}
	t := c.pending[k]
	if t == nil {
		if len(c.pending) >= maxPending {
			return // this minute is the end of the world, and not for TLS
		}
		t = new(Tally)
		c.pending[k] = t
	}
	t.count(s)
}

// day is the name of a day, in UTC, as reports have it (RFC 8460 §4.1).
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

const (
	keepEvery = time.Minute
	sendEvery = time.Hour
)

// Run keeps what is counted, and reports it, until ctx is done.
func (c *Counter) Run(ctx context.Context) {
	var reports sync.WaitGroup // which may take long: they wait for DNS
	reports.Go(func() { c.every(ctx, sendEvery, c.report) })
	c.every(ctx, keepEvery, c.keep)
	reports.Wait()
	c.keepLast(ctx)
}

func (c *Counter) every(ctx context.Context, pause time.Duration, do func(context.Context) error) {
	ticks := time.NewTicker(pause)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			if err := do(ctx); err != nil && ctx.Err() == nil {
				c.log.WarnContext(ctx, "TLS cannot be counted or reported now", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// keepLast keeps what was counted since the last time, at the end of Run.
func (c *Counter) keepLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.keep(ctx); err != nil {
		c.log.WarnContext(ctx, "the last counters of TLS are lost", "err", err)
	}
}
