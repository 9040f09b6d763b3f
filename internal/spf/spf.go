// Package spf finds out whether a host may send in the name of a domain (RFC 7208).
//
// It owns which identities are checked, the words of the findings, and the way from
// the library's questions to our resolver. The evaluation of records, with its
// limits on lookups (§4.6.4: ten, of which two may find nothing), is the library's.
// It never decides what follows from a finding.
//
// Invariants: a check ends with its context; every check has a result, whatever the
// DNS does; a text in a finding never has bytes that a header or a log must not.
package spf

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"blitiri.com.ar/go/spf"

	"posthorn/internal/addr"
	"posthorn/internal/dns"
	"posthorn/internal/fault"
)

// Result is the outcome of a check, as RFC 7208 §2.6 names it.
type Result string

// The results.
const (
	None      Result = "none"      // the domain says nothing
	Neutral   Result = "neutral"   // it says that it says nothing
	Pass      Result = "pass"      // the host may
	Fail      Result = "fail"      // it may not
	SoftFail  Result = "softfail"  // it probably may not
	TempError Result = "temperror" // nobody could say
	PermError Result = "permerror" // what the domain says makes no sense
)

// Finding is what a check found.
type Finding struct {
	Result Result
	Domain string // whose policy it was; canonical where it is a domain at all
	Reason string // for people; may be empty
}

// Checker checks. It may be used by many goroutines at a time.
type Checker struct{ resolver *dns.Resolver }

// New makes a Checker.
func New(r *dns.Resolver) *Checker { return &Checker{r} }

// MailFrom checks the reverse-path that a host has given. For the null reverse-path
// it is postmaster at the name that the host calls itself (§2.4).
func (c *Checker) MailFrom(ctx context.Context, host netip.Addr, helo string, from addr.Address) Finding {
	if from.IsZero() {
		return c.Helo(ctx, host, helo)
	}
	return c.check(ctx, host, helo, from)
}

// Helo checks the name that a host calls itself (§2.3).
func (c *Checker) Helo(ctx context.Context, host netip.Addr, helo string) Finding {
	return c.check(ctx, host, helo, addr.Address{Local: "postmaster", Domain: helo})
}

func (c *Checker) check(ctx context.Context, host netip.Addr, helo string, from addr.Address) Finding {
	domain, err := addr.CanonicalDomain(from.Domain)
	if err != nil || from.IsLiteral() || !strings.Contains(domain, ".") {
		return Finding{None, from.Domain, "not a domain that could have a policy"} // §4.3
	}
	// The library takes the sender apart at its first @, which a local part may have in quotes.
	local := strings.ReplaceAll(from.Local, "@", "_")
	if name, err := addr.CanonicalDomain(helo); err == nil {
		helo = name
	}
	result, err := spf.CheckHostWithSender(host.Unmap().WithZone("").AsSlice(), helo, local+"@"+domain,
		spf.WithContext(ctx), spf.WithResolver(resolver{c.resolver}))
	return Finding{Result(result), domain, reason(err)}
}

// reason puts what the library says into words for the sender's administrator.
func reason(err error) string {
	switch {
	case err == nil, errors.Is(err, spf.ErrNoResult):
		return ""
	case errors.Is(err, spf.ErrLookupLimitReached):
		return "the policy takes more than 10 lookups"
	case errors.Is(err, spf.ErrVoidLookupLimitReached):
		return "the policy names more than 2 hosts that do not exist"
	case errors.Is(err, spf.ErrMultipleRecords):
		return "there is more than one policy"
	}
	var dnsError *net.DNSError
	if errors.As(err, &dnsError) && !dnsError.IsNotFound {
		return "the name servers did not answer"
	}
	return strings.Map(printable, err.Error())
}

func printable(c rune) rune {
	if c < ' ' || c > '~' {
		return '?'
	}
	return c
}

// resolver answers the library's questions.
type resolver struct{ *dns.Resolver }

func (r resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := r.TXT(ctx, name)
	return a.Texts, lookupError(name, err)
}

func (r resolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	a, err := r.MX(ctx, name)
	if err != nil {
		return nil, lookupError(name, err)
	}
	all := make([]*net.MX, len(a.Hosts))
	for i, mx := range a.Hosts {
		all[i] = &net.MX{Host: mx.Host, Pref: mx.Preference}
	}
	return all, nil
}

func (r resolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	a, err := r.Addrs(ctx, host)
	if err == nil {
		err = a.Missing // RFC 7208 §2.6.6: half an answer must not become a fail
	}
	if err != nil {
		return nil, lookupError(host, err)
	}
	all := make([]net.IPAddr, len(a.Addrs))
	for i, ip := range a.Addrs {
		all[i] = net.IPAddr{IP: ip.AsSlice()}
	}
	return all, nil
}

func (r resolver) LookupAddr(ctx context.Context, ip string) ([]string, error) {
	parsed, err := netip.ParseAddr(ip)
	if err != nil {
		return nil, lookupError(ip, fault.New(fault.Invalid, "spf: %w", err))
	}
	a, err := r.PTR(ctx, parsed)
	return a.Names, lookupError(ip, err)
}

// lookupError tells the library what it wants to know of an error: whether it may
// go away. §4.8: a name that cannot be asked for is one that does not exist.
func lookupError(name string, err error) error {
	if err == nil {
		return nil
	}
	absent := fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid)
	return &net.DNSError{Err: err.Error(), Name: name, IsNotFound: absent, IsTemporary: !absent}
}
