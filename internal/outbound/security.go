package outbound

import (
	"context"
	"crypto/tls"
	"slices"

	"posthorn/internal/dane"
	"posthorn/internal/fault"
	"posthorn/internal/mtasts"
	"posthorn/internal/queue"
	"posthorn/internal/smtpclient"
	"posthorn/internal/tlsrpt"
)

// assurance is what a host has to prove before it gets a message, and why.
type assurance struct {
	tls  smtpclient.TLSPolicy
	name string      // of the host, for TLS
	dane dane.Policy // how it proves that name, if it Proves; otherwise by whom the Roots trust
	why  string      // who demands it: "the MTA-STS policy of example.test"; "": nobody but ourselves
}

// demand raises what is asked for.
func (a *assurance) demand(policy smtpclient.TLSPolicy, why string) {
	if a.tls == smtpclient.TLSNever || a.tls < policy {
		a.tls, a.why = policy, why
	}
}

// config is what TLS has to know.
func (d *delivery) config(a assurance) *tls.Config {
	c := &tls.Config{ServerName: a.name, RootCAs: d.out.o.Roots}
	if a.dane.Proves() {
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(state tls.ConnectionState) error {
			return a.dane.Verify(state.PeerCertificates, d.destination)
		}
	}
	return c
}

// secured tells how a connection is protected, and who says that it is the right one.
func (d *delivery) secured(client *smtpclient.Client, a assurance) string {
	state := client.TLS()
	switch {
	case state == nil:
		return ""
	case a.dane.Proves():
		return tls.VersionName(state.Version) + ", DANE"
	case a.tls == smtpclient.TLSVerified && d.sts.Policy.Mode == mtasts.Enforce:
		return tls.VersionName(state.Version) + ", MTA-STS"
	case a.tls == smtpclient.TLSVerified:
		return tls.VersionName(state.Version) + ", verified"
	}
	return tls.VersionName(state.Version)
}

// assure finds out what a target has to prove. Instead there may be a result: the
// target must not have the message.
func (d *delivery) assure(ctx context.Context, t *target) (assurance, *queue.Result) {
	r := d.route
	a := assurance{tls: r.TLS, name: t.host}
	if r.Auth != nil && r.TLS == smtpclient.TLSOpportunistic && !r.PlaintextAuth {
		a.tls = smtpclient.TLSVerified // a password is not for whomever
	}
	if r.Transport != ByMX {
		if d.mustEncrypt() {
			a.demand(smtpclient.TLSVerified, "")
		}
		return a, nil
	}
	if refusal := d.askPolicies(ctx, t, &a); refusal != nil {
		return a, refusal
	}
	if d.mustEncrypt() {
		if !t.proven && !d.isNamed(t.host) {
			// RFC 8689 §4.2.1 (2): anybody could have put the host's name there.
			refusal := ours(queue.Refused, code{5, 7, 10}, "%s cannot be trusted to be the server of %s: its DNS is not signed, and no MTA-STS policy names it", t.host, d.destination)
			return a, &refusal
		}
		a.demand(smtpclient.TLSVerified, "") // RFC 8689 §4.2.1 (4)
	}
	return a, nil
}

// heedsPolicies says that what domains publish about TLS matters to this delivery. It
// does not where the operator knows better, nor to messages that would rather arrive
// (RFC 8689 §4.2.2).
func (d *delivery) heedsPolicies() bool {
	knowsBetter := d.route.TLS == smtpclient.TLSNever || d.route.TLS == smtpclient.TLSRequired
	return d.route.Transport == ByMX && (!knowsBetter || d.mustEncrypt()) && !d.message.TLSOptional
}

// askPolicies takes over what the domain of the target and that of the destination
// demand. RFC 8461 §2: where there is DANE, MTA-STS must not make up for its failure.
func (d *delivery) askPolicies(ctx context.Context, t *target, a *assurance) *queue.Result {
	if !d.heedsPolicies() {
		return nil
	}
	if t.proven { // RFC 7672 §2.2: otherwise somebody else's host may be the one that is proven
		var err error
		if a.dane, err = dane.Lookup(ctx, d.out.o.Resolver, t.port, t.names()...); err != nil {
			refusal := ours(queue.Unreachable, code{4, 7, 5}, "%s may say in DNS how it proves itself (TLSA), but that cannot be looked up: %v", t.host, err)
			if fault.Is(err, fault.Canceled) {
				refusal = interrupted()
			} else {
				d.countFailure(tlsrpt.Policy{Type: tlsrpt.DANE, Domain: t.host}, t.host, tlsrpt.DNSSECInvalid, err.Error())
			}
			return &refusal
		}
		why := "the TLSA records of " + a.dane.Host
		if a.dane.Proves() {
			a.name = a.dane.Host // RFC 7672 §3.2
			a.demand(smtpclient.TLSVerified, why)
			return nil
		}
		if a.dane.Requires() {
			a.demand(smtpclient.TLSRequired, why)
		}
	}
	if d.sts.Policy.Mode != mtasts.Enforce {
		return nil
	}
	if !d.sts.Policy.Matches(t.host) { // RFC 8461 §4.1
		refusal := ours(queue.Unreachable, code{4, 7, 5}, "%s is not a server that the MTA-STS policy of %s names", t.host, d.destination)
		d.countFailure(d.stsPolicy(), t.host, tlsrpt.ValidationFailure, t.host+" is not in the policy")
		return &refusal
	}
	a.demand(smtpclient.TLSVerified, "the MTA-STS policy of "+d.destination)
	return nil
}

// isNamed says that the destination has named a host itself, over a connection that
// proved it.
func (d *delivery) isNamed(host string) bool {
	p := d.sts.Policy
	return (p.Mode == mtasts.Enforce || p.Mode == mtasts.Testing) && p.Matches(host)
}

// names are those by which a target may have TLSA records, the one at the end of its
// aliases first (RFC 7672 §2.2.3).
func (t *target) names() []string {
	if t.alias == "" || t.alias == t.host {
		return []string{t.host}
	}
	return slices.Compact([]string{t.alias, t.host})
}
