// Package dmarc finds out whether a message really is from the domains that its
// From field shows, and what these ask for if it is not (RFC 7489).
//
// It owns the discovery of policies, alignment, and the finding that follows from
// the results of SPF and DKIM. It never asks for these results itself, and never
// decides what becomes of a message: the disposition it finds is the wish of a
// domain's owner.
//
// Flow: Lookup gets the policies of all authors of a message from the DNS, which
// needs only its header; Evaluate, a pure function, weighs them with the evidence,
// which is complete only at the end of the message.
//
// Invariants: a message with several authors is no better than the worst of them;
// one whose policy or evidence could not be asked for is never said to fail.
package dmarc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"posthorn/internal/dns"
	"posthorn/internal/fault"
)

// Result is the outcome of an evaluation, as RFC 7489 §11.2 names it.
type Result string

// The results.
const (
	None      Result = "none"      // there is no policy, or no author
	Pass      Result = "pass"      // the message is from whom it says
	Fail      Result = "fail"      // it is not, as far as anybody can prove
	TempError Result = "temperror" // nobody could say
	PermError Result = "permerror" // what the author's domain says makes no sense
)

// maxAuthors is how many domains of authors are looked at. A message with more is
// up to something.
const maxAuthors = 4

// Policies are what the domains of a message's authors ask for.
type Policies struct {
	authors []author
	tooMany bool
}

// author is one domain of a From field.
type author struct {
	domain string
	record *record // nil: there is none
	below  bool    // it was found at the organizational domain, which is above
	err    error   // why it is not known whether there is one, or what it says
}

// Lookup asks for the policies of the domains in a message's From fields, which are
// canonical.
func Lookup(ctx context.Context, r *dns.Resolver, domains []string) Policies {
	var p Policies
	domains = slices.Compact(slices.Sorted(slices.Values(domains)))
	if len(domains) > maxAuthors {
		return Policies{tooMany: true}
	}
	for _, domain := range domains {
		p.authors = append(p.authors, discover(ctx, r, domain))
	}
	return p
}

// discover finds the policy for one domain (RFC 7489 §6.6.3).
func discover(ctx context.Context, r *dns.Resolver, domain string) author {
	a := author{domain: domain}
	a.record, a.err = query(ctx, r, domain)
	if org := Organization(domain); a.record == nil && a.err == nil && org != domain {
		a.below = true
		a.record, a.err = query(ctx, r, org)
	}
	return a
}

// query asks for the record of a domain. There may be none.
func query(ctx context.Context, r *dns.Resolver, domain string) (*record, error) {
	answer, err := r.TXT(ctx, "_dmarc."+domain)
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
		return nil, nil
	case err != nil:
		return nil, fault.New(fault.Unavailable, "the name servers did not answer")
	}
	texts := slices.DeleteFunc(slices.Clone(answer.Texts), func(text string) bool { return !isRecord(text) })
	switch len(texts) {
	case 0:
		return nil, nil
	case 1:
		return parseRecord(texts[0])
	}
	return nil, fault.New(fault.Invalid, "%s has more than one policy", domain)
}

// Organization is the organizational domain of a domain (RFC 7489 §3.2): one label
// below a public suffix.
func Organization(domain string) string {
	if org, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return org
	}
	return domain // a public suffix itself
}

// Identity is a domain that SPF or DKIM has, or has not, vouched for.
type Identity struct {
	Domain  string // canonical
	Pass    bool
	Unknown bool // a temporary error kept it from being known
}

// Evidence is what is known of a message besides its authors.
type Evidence struct {
	SPF    Identity   // of the reverse-path
	DKIM   []Identity // a signature each
	Sample int        // 0 to 99, by chance, for policies that want to be applied to a part of the mail
}

// Finding is what an evaluation found.
type Finding struct {
	Result      Result
	Domain      string // the author's that decided; empty if there is none
	Policy      Policy // what its owner asks for if a message fails
	Disposition Policy // what the owner asks for this message
	AlignedSPF  bool   // SPF vouches for the author
	AlignedDKIM bool   // DKIM does
	Reason      string // for people; may be empty
}

// Evaluate weighs the evidence. RFC 7489 §6.6.1: where there are several authors,
// the strictest policy that fails is what counts.
func (p Policies) Evaluate(e Evidence) Finding {
	switch {
	case p.tooMany:
		return Finding{Result: PermError, Policy: DoNothing, Disposition: DoNothing, Reason: fmt.Sprintf("there are authors in more than %d domains", maxAuthors)}
	case len(p.authors) == 0:
		return Finding{Result: None, Policy: DoNothing, Disposition: DoNothing, Reason: "there is no author"}
	}
	worst := p.authors[0].evaluate(e)
	for _, a := range p.authors[1:] {
		if f := a.evaluate(e); f.gravity() > worst.gravity() {
			worst = f
		}
	}
	return worst
}

func (f Finding) gravity() int {
	order := []Result{Pass, None, PermError, TempError, Fail}
	return slices.Index(order, f.Result)*10 + int(f.Disposition)*3 + int(f.Policy)
}

func (a author) evaluate(e Evidence) Finding {
	f := Finding{Domain: a.domain}
	switch {
	case fault.Is(a.err, fault.Unavailable):
		f.Result, f.Reason = TempError, a.err.Error()
		return f
	case a.err != nil:
		f.Result, f.Reason = PermError, a.err.Error()
		return f
	case a.record == nil:
		f.Result = None
		return f
	}
	f.Policy = a.record.policy
	if a.below {
		f.Policy = a.record.subdomains
	}
	strictSPF, strictDKIM := a.record.strictSPF, a.record.strictDKIM
	f.AlignedSPF = e.SPF.Pass && a.aligned(e.SPF.Domain, strictSPF)
	unknown := e.SPF.Unknown && a.aligned(e.SPF.Domain, strictSPF)
	for _, signature := range e.DKIM {
		aligned := a.aligned(signature.Domain, strictDKIM)
		f.AlignedDKIM = f.AlignedDKIM || aligned && signature.Pass
		unknown = unknown || aligned && signature.Unknown
	}
	switch {
	case f.AlignedSPF || f.AlignedDKIM:
		f.Result = Pass
	case unknown: // it might have passed
		f.Result, f.Reason = TempError, "what could vouch for the author could not be checked"
	default:
		f.Result, f.Disposition = Fail, f.Policy
		if e.Sample >= a.record.percent { // §6.6.4: the next weaker policy for the others
			f.Disposition = max(f.Policy, DoNothing+1) - 1
		}
	}
	return f
}

// aligned says whether a domain may vouch for the author (RFC 7489 §3.1).
func (a author) aligned(domain string, strict bool) bool {
	if strict {
		return strings.EqualFold(domain, a.domain)
	}
	return Organization(strings.ToLower(domain)) == Organization(a.domain)
}
