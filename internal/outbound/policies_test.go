package outbound

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/kv/memkv"
	"posthorn/internal/mtasts"
	"posthorn/internal/smtpclient"
	"posthorn/internal/tlsrpt"
	"posthorn/internal/wire/wiretest"
)

// shelf is a store of MTA-STS policies that were had at the beginning.
type shelf map[string]string

func (s shelf) Load(_ context.Context, domain string) ([]byte, error) {
	if s[domain] == "" {
		return nil, nil
	}
	return json.Marshal(map[string]any{"version": 1, "id": "1", "fetched": time.Now(), "policy": s[domain]})
}

func (shelf) Save(context.Context, string, []byte) error { return nil }

// certificates are what servers may show, by what is wrong with them.
func certificates(t *testing.T, ca *wiretest.CA) map[string]tls.Certificate {
	expired := func(c *x509.Certificate) { c.NotAfter = time.Unix(1, 0) }
	return map[string]tls.Certificate{
		"good":        ca.Issue(nil, "mx.remote.test"),
		"wildcard":    ca.Issue(nil, "*.remote.test"),
		"expired":     ca.Issue(expired, "mx.remote.test"),
		"misnamed":    ca.Issue(nil, "other.test"),
		"self-signed": wiretest.NewCA(t).Issue(nil, "mx.remote.test"),
	}
}

// TestPolicies is what DNS and the domain say about TLS, and what comes of it when
// the server shows this certificate or that. EE and TA in the zone stand for digests of the
// good certificate and of its issuer.
func TestPolicies(t *testing.T) {
	const (
		unsigned = "remote.test MX 10 mx.remote.test.\nmx.remote.test A 192.0.2.1\n"
		signed   = unsigned + "remote.test !authentic\n"
		ee       = signed + "_25._tcp.mx.remote.test TLSA 3 1 1 EE\n"
		ta       = signed + "_25._tcp.mx.remote.test TLSA 2 0 1 TA\n"
		pkix     = signed + "_25._tcp.mx.remote.test TLSA 1 1 1 EE\n"
		alias    = "remote.test MX 10 mx.remote.test.\nmx.remote.test CNAME host.test.\nhost.test A 192.0.2.1\nremote.test !authentic\nhost.test !authentic\n"

		enforce = "version: STSv1\nmode: enforce\nmx: *.remote.test\nmax_age: 864000\n"

		tlsOffered = "offers: STARTTLS, REQUIRETLS"
		encrypted  = "encrypted"
		inClear    = "in clear"
		mismatch   = "at STARTTLS: TLS fails: dane: no certificate of mx.remote.test is what its TLSA records say; TLS is demanded by the TLSA records of mx.remote.test"
		notNamed   = "TLS fails: tls: failed to verify certificate: x509: certificate is valid for other.test, not mx.remote.test; TLS is demanded by the MTA-STS policy of remote.test"
		unknown    = "TLS fails: tls: failed to verify certificate: x509: certificate signed by unknown authority; TLS is demanded by the MTA-STS policy of remote.test"
		tooOld     = "TLS fails: the certificate has expired on 1970-01-01; TLS is demanded by the MTA-STS policy of remote.test"
		noTLS      = "the server does not offer STARTTLS, which is required here; TLS is demanded by "
	)
	at := func(what string) string {
		return "unreachable: 451 4.7.5 mx.remote.test [192.0.2.1], at STARTTLS: " + strings.TrimPrefix(what, "at STARTTLS: ")
	}
	for _, tc := range []struct {
		name, zone, sts    string
		rules, certificate string // default: tlsOffered, "good"
		message            string // "required", "optional"
		route              *Route
		want               string
		counted            string // policy, sessions that were as it wants, others, why; not looked at if empty
	}{
		{name: "nobody demands anything", zone: unsigned, certificate: "self-signed", want: encrypted, counted: "no-policy-found 1/0"},
		{name: "nobody demands anything, expired", zone: unsigned, certificate: "expired", want: encrypted},
		{name: "nobody demands anything, wrong name", zone: unsigned, certificate: "misnamed", want: encrypted},

		{name: "DANE, the certificate", zone: ee, want: encrypted, counted: "tlsa 1/0"},
		{name: "DANE, another certificate", zone: ee, certificate: "wildcard", want: at(mismatch), counted: "tlsa 0/1 validation-failure"},
		{name: "DANE, in clear", zone: ee, rules: "offers:", want: at(noTLS + "the TLSA records of mx.remote.test"), counted: "tlsa 0/1 starttls-not-supported"},
		{name: "DANE, STARTTLS breaks", zone: ee, rules: tlsOffered + "\nhandshake: close", want: at("the server closed the connection; TLS is demanded by the TLSA records of mx.remote.test"), counted: "tlsa 0/1 validation-failure"},
		{name: "DANE, STARTTLS refused", zone: ee, rules: tlsOffered + "\nSTARTTLS: 454 4.7.0 Not now", want: "unreachable: 451 4.7.5 mx.remote.test [192.0.2.1], at STARTTLS: the server says: 454 4.7.0 Not now; TLS is demanded by the TLSA records of mx.remote.test", counted: "tlsa 0/1 starttls-not-supported"},
		{name: "DANE, the issuer", zone: ta, want: encrypted},
		{name: "DANE, the issuer, any host", zone: ta, certificate: "wildcard", want: encrypted},
		{name: "DANE, the issuer of an expired one", zone: ta, certificate: "expired", want: at("TLS fails: the certificate has expired on 1970-01-01; TLS is demanded by the TLSA records of mx.remote.test"), counted: "tlsa 0/1 certificate-expired"},
		{name: "DANE, another issuer", zone: ta, certificate: "self-signed", want: at(mismatch)},
		{name: "DANE, no record that can be used", zone: pkix, certificate: "self-signed", want: encrypted, counted: "tlsa 0/1 tlsa-invalid"},
		{name: "DANE, no record that can be used, in clear", zone: pkix, rules: "offers:", want: at(noTLS + "the TLSA records of mx.remote.test")},
		{name: "DANE, but the MX records are not signed", zone: unsigned + "mx.remote.test !authentic\n_25._tcp.mx.remote.test !authentic\n_25._tcp.mx.remote.test TLSA 3 1 1 EE", certificate: "self-signed", want: encrypted},
		{name: "DANE, records that nobody has signed", zone: strings.Replace(ee, "remote.test !authentic", "x.test !authentic", 1), certificate: "self-signed", want: encrypted},
		{name: "DANE, records cannot be asked for", zone: ee + "_25._tcp.mx.remote.test !servfail", want: "unreachable: 451 4.7.5 mx.remote.test may say in DNS how it proves itself (TLSA), but that cannot be looked up: dane: dns: TLSA of _25._tcp.mx.remote.test.: server 127.0.0.1:53: it says SERVFAIL", counted: "tlsa 0/1 dnssec-invalid"},
		{name: "unsigned, records cannot be asked for", zone: unsigned + "_25._tcp.mx.remote.test !servfail", want: encrypted},
		{name: "DANE, the domain itself", zone: "remote.test A 192.0.2.1\nremote.test !authentic\n_25._tcp.remote.test TLSA 3 1 1 EE", certificate: "wildcard", want: "unreachable: 451 4.7.5 remote.test [192.0.2.1], at STARTTLS: TLS fails: dane: no certificate of remote.test is what its TLSA records say; TLS is demanded by the TLSA records of remote.test"},
		{name: "DANE, where the alias leads", zone: alias + "_25._tcp.host.test TLSA 3 1 1 EE\n_25._tcp.mx.remote.test TLSA 3 1 1 TA", want: encrypted},
		{name: "DANE, at the alias", zone: alias + "_25._tcp.mx.remote.test TLSA 3 1 1 EE", want: encrypted},
		{name: "DANE over MTA-STS", zone: ee, sts: enforce, certificate: "wildcard", want: at(mismatch)},
		{name: "DANE over MTA-STS, which would refuse", zone: ee, sts: strings.Replace(enforce, "*.remote", "mx.elsewhere", 1), want: encrypted},
		{name: "DANE, TLS optional", zone: ee, certificate: "wildcard", message: "optional", want: encrypted},
		{name: "DANE, TLS optional, in clear", zone: ee, rules: "offers:", message: "optional", want: inClear},

		{name: "MTA-STS", zone: unsigned, sts: enforce, want: encrypted, counted: "sts 1/0"},
		{name: "MTA-STS, wildcard", zone: unsigned, sts: enforce, certificate: "wildcard", want: encrypted},
		{name: "MTA-STS, expired", zone: unsigned, sts: enforce, certificate: "expired", want: at(tooOld), counted: "sts 0/1 certificate-expired"},
		{name: "MTA-STS, wrong name", zone: unsigned, sts: enforce, certificate: "misnamed", want: at(notNamed), counted: "sts 0/1 certificate-host-mismatch"},
		{name: "MTA-STS, issued by nobody we know", zone: unsigned, sts: enforce, certificate: "self-signed", want: at(unknown), counted: "sts 0/1 certificate-not-trusted"},
		{name: "MTA-STS, in clear", zone: unsigned, sts: enforce, rules: "offers:", want: at(noTLS + "the MTA-STS policy of remote.test"), counted: "sts 0/1 starttls-not-supported"},
		{name: "MTA-STS, another host", zone: unsigned, sts: strings.Replace(enforce, "*.remote", "mx.elsewhere", 1), want: "unreachable: 451 4.7.5 mx.remote.test is not a server that the MTA-STS policy of remote.test names", counted: "sts 0/1 validation-failure"},
		{name: "MTA-STS, another host, TLS optional", zone: unsigned, sts: strings.Replace(enforce, "*.remote", "mx.elsewhere", 1), message: "optional", want: encrypted},
		{name: "MTA-STS, and records that cannot be used", zone: pkix, sts: enforce, certificate: "misnamed", want: at("TLS fails: tls: failed to verify certificate: x509: certificate is valid for other.test, not mx.remote.test; TLS is demanded by the MTA-STS policy of remote.test")},
		{name: "MTA-STS, testing", zone: unsigned, sts: strings.Replace(enforce, "enforce", "testing", 1), certificate: "misnamed", want: encrypted, counted: "sts 0/1 certificate-host-mismatch"},
		{name: "MTA-STS, testing, in clear", zone: unsigned, sts: strings.Replace(enforce, "enforce", "testing", 1), rules: "offers:", want: inClear, counted: "sts 0/1 starttls-not-supported"},
		{name: "MTA-STS, testing, another host", zone: unsigned, sts: strings.NewReplacer("enforce", "testing", "*.remote", "mx.elsewhere").Replace(enforce), want: encrypted, counted: "sts 0/1 validation-failure"},
		{name: "MTA-STS, another one announced, which cannot be had", zone: unsigned + "_mta-sts.remote.test TXT \"v=STSv1; id=2\"", sts: enforce, want: encrypted, counted: "sts 1/1 sts-policy-fetch-error"},
		{name: "MTA-STS announced, which cannot be had", zone: unsigned + "_mta-sts.remote.test TXT \"v=STSv1; id=2\"", want: encrypted, counted: "sts 0/1 sts-policy-fetch-error, no-policy-found 1/0"},
		{name: "MTA-STS, none", zone: unsigned, sts: strings.Replace(enforce, "enforce", "none", 1), rules: "offers:", want: inClear, counted: "no-policy-found 0/1 starttls-not-supported"},

		{name: "a route for which any certificate will do", zone: ee, sts: enforce, certificate: "self-signed", route: &Route{TLS: smtpclient.TLSRequired}, want: encrypted},
		{name: "a route without TLS", zone: ee, sts: enforce, route: &Route{TLS: smtpclient.TLSNever}, want: inClear},
		{name: "a route that verifies, DANE", zone: ee, certificate: "good", route: &Route{TLS: smtpclient.TLSVerified}, want: encrypted},
		{name: "a route that verifies", zone: unsigned, certificate: "misnamed", route: &Route{TLS: smtpclient.TLSVerified}, want: "unreachable: 451 4.7.10 mx.remote.test [192.0.2.1], at STARTTLS: TLS fails: tls: failed to verify certificate: x509: certificate is valid for other.test, not mx.remote.test"},

		{name: "required, DANE", zone: ee, message: "required", want: encrypted},
		{name: "required, DANE, another certificate", zone: ee, certificate: "wildcard", message: "required", want: "refused: 554 5.7.10 mx.remote.test [192.0.2.1], " + strings.TrimSuffix(mismatch, "; TLS is demanded by the TLSA records of mx.remote.test")},
		{name: "required, MTA-STS instead of DNSSEC", zone: unsigned, sts: enforce, message: "required", want: encrypted},
		{name: "required, testing will do", zone: unsigned, sts: strings.Replace(enforce, "enforce", "testing", 1), message: "required", want: encrypted},
		{name: "required, none will not", zone: unsigned, sts: strings.Replace(enforce, "enforce", "none", 1), message: "required", want: "refused: 554 5.7.10 mx.remote.test cannot be trusted to be the server of remote.test: its DNS is not signed, and no MTA-STS policy names it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca := wiretest.NewCA(t)
				shown := certificates(t, ca)
				digest := func(c *x509.Certificate, raw []byte) string { return fmt.Sprintf("%x", sha256.Sum256(raw)) }
				good := shown["good"].Leaf
				zone := strings.NewReplacer("EE", digest(good, good.RawSubjectPublicKeyInfo), "TA", digest(ca.Certificate, ca.Certificate.Raw)).Replace(tc.zone)
				if tc.rules == "" {
					tc.rules = tlsOffered
				}
				if tc.certificate == "" {
					tc.certificate = "good"
				}
				w := newWorld(t, zone, map[string]string{"192.0.2.1": tc.rules}, func(o *Options) { o.Roots = ca.Roots() })
				w.out.o.Policies = mtasts.New(mtasts.Options{Resolver: w.dns.Resolver(), Store: shelf{"remote.test": tc.sts}, Roots: ca.Roots(), Dial: nobody})
				engine := memkv.New(memkv.Options{})
				w.out.o.Sessions = tlsrpt.New(func() tlsrpt.Options { return tlsrpt.Options{Engine: engine} })
				if tc.route != nil {
					tc.route.Domains = []string{"remote.test"}
					w.out.o.Routes = []Route{*tc.route}
				}
				s := w.servers["192.0.2.1"]
				s.Identify(shown[tc.certificate])
				task := mail("bob@remote.test")
				task.message.RequireTLS, task.message.TLSOptional = tc.message == "required", tc.message == "optional"
				got := w.deliver(task)
				if all := s.Messages(); len(all) == 1 {
					got = map[bool]string{true: encrypted, false: inClear}[all[0].TLS]
				}
				if got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
				if got := tallies(t, w.out.o.Sessions); tc.counted != "" && got != tc.counted {
					t.Errorf("counted %s, want %s", got, tc.counted)
				}
			})
		})
	}
}

// tallies tells what was counted.
func tallies(t *testing.T, c *tlsrpt.Counter) string {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c.Run(ended) // at its end, all is kept
	var words []string
	err := c.Tallies(t.Context(), func(_, domain string, tally *tlsrpt.Tally) bool {
		if domain != "remote.test" {
			t.Errorf("counted for %s", domain)
		}
		for _, p := range tally.Policies {
			line := fmt.Sprintf("%s %d/%d", p.Policy.Type, p.Summary.Succeeded, p.Summary.Failed)
			for _, f := range p.Failures {
				line += " " + string(f.Failure)
			}
			words = append(words, line)
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	return strings.Join(words, ", ")
}

// nobody answers on the web.
func nobody(context.Context, string, string) (net.Conn, error) {
	return nil, syscall.ECONNREFUSED
}
