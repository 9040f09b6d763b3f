package dane_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dane"
	"posthorn/internal/dns"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/fault"
	"posthorn/internal/wire/wiretest"
)

func TestLookup(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	zone := strings.ReplaceAll(`
signed.test !authentic
_25._tcp.mx.signed.test TLSA 3 1 1 SUM
_25._tcp.mx.signed.test TLSA 3 1 1 SUM
_25._tcp.mx.signed.test TLSA 0 1 1 SUM
_25._tcp.ta.signed.test TLSA 2 0 1 SUM
_25._tcp.pkix.signed.test TLSA 1 1 1 SUM
_25._tcp.short.signed.test TLSA 3 1 2 SUM
_25._tcp.odd.signed.test TLSA 3 7 1 SUM
_25._tcp.odd.signed.test TLSA 3 1 9 SUM
_25._tcp.away.signed.test CNAME tlsa.other.test.
_25._tcp.near.signed.test CNAME tlsa.signed.test.
tlsa.signed.test TLSA 3 1 1 SUM
tlsa.other.test TLSA 3 1 1 SUM
_25._tcp.mx.unsigned.test TLSA 3 1 1 SUM
_25._tcp.sick.signed.test !servfail
none.signed.test A 192.0.2.1
`, "SUM", sum)
	for _, tc := range []struct{ hosts, want string }{
		{"mx.signed.test", "mx.signed.test: 3 1 1 " + sum},
		{"ta.signed.test", "ta.signed.test: 2 0 1 " + sum},
		{"pkix.signed.test", "pkix.signed.test: "},
		{"short.signed.test", "short.signed.test: "},
		{"odd.signed.test", "odd.signed.test: "},
		{"near.signed.test", "near.signed.test: 3 1 1 " + sum},
		{"away.signed.test", "none"},
		{"mx.unsigned.test", "none"},
		{"none.signed.test", "none"},
		{"none.signed.test mx.signed.test", "mx.signed.test: 3 1 1 " + sum},
		{"ta.signed.test mx.signed.test", "ta.signed.test: 2 0 1 " + sum},
		{"sick.signed.test mx.signed.test", "unavailable"},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := dnstest.New(t, zone)
			p, err := dane.Lookup(t.Context(), server.Resolver(), 25, strings.Fields(tc.hosts)...)
			got := p.Host + ": " + p.String()
			switch {
			case err != nil:
				got = fault.KindOf(err).String()
			case !p.Requires():
				got = "none"
			}
			if got != tc.want || p.Proves() != strings.HasSuffix(tc.want, sum) {
				t.Errorf("%s: %s", tc.hosts, got)
			}
			if (p.Key() == "") != (got == "none" || err != nil) {
				t.Errorf("%s: key %q", tc.hosts, p.Key())
			}
		})
	}
}

// record spells a record of a certificate.
func record(usage, selector, matching int, cert *x509.Certificate) string {
	data := cert.Raw
	if selector == 1 {
		data = cert.RawSubjectPublicKeyInfo
	}
	switch matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return fmt.Sprintf("_25._tcp.mx.signed.test TLSA %d %d %d %s\n", usage, selector, matching, hex.EncodeToString(data))
}

func TestVerify(t *testing.T) {
	ca, other := wiretest.NewCA(t), wiretest.NewCA(t)
	issue := func(change func(*x509.Certificate), names ...string) *x509.Certificate {
		return ca.Issue(change, names...).Leaf
	}
	good := issue(nil, "mx.signed.test")
	expired := issue(func(c *x509.Certificate) { c.NotAfter = time.Unix(1, 0) }, "mx.signed.test")
	misnamed := issue(nil, "elsewhere.test")
	ofDomain := issue(nil, "signed.test")
	chain := func(leaf *x509.Certificate) []*x509.Certificate { return []*x509.Certificate{leaf, ca.Certificate} }

	const mismatch = "dane: no certificate of mx.signed.test is what its TLSA records say"
	for _, tc := range []struct {
		name, records string
		chain         []*x509.Certificate
		want          string
	}{
		{"its key", record(3, 1, 1, good), chain(good), ""},
		{"its key, SHA-512", record(3, 1, 2, good), chain(good), ""},
		{"its key as it is", record(3, 1, 0, good), chain(good), ""},
		{"its certificate", record(3, 0, 1, good), chain(good), ""},
		{"its certificate as it is, alone", record(3, 0, 0, good), []*x509.Certificate{good}, ""},
		{"one of several", record(3, 1, 1, misnamed) + record(2, 0, 1, other.Certificate) + record(3, 1, 1, good), chain(good), ""},
		{"expired", record(3, 1, 1, expired), chain(expired), ""},
		{"of another name", record(3, 1, 1, misnamed), chain(misnamed), ""},
		{"another key", record(3, 1, 1, misnamed), chain(good), mismatch},
		{"the key of another in the chain", record(3, 1, 1, ca.Certificate), chain(good), mismatch},

		{"the issuer", record(2, 0, 1, ca.Certificate), chain(good), ""},
		{"the issuer's key", record(2, 1, 2, ca.Certificate), chain(good), ""},
		{"the issuer, for the domain", record(2, 0, 1, ca.Certificate), chain(ofDomain), ""},
		{"the issuer, not shown", record(2, 0, 1, ca.Certificate), []*x509.Certificate{good}, mismatch},
		{"the issuer, not shown, as it is", record(2, 0, 0, ca.Certificate), []*x509.Certificate{good}, ""},
		{"another issuer", record(2, 0, 1, other.Certificate), chain(good), mismatch},
		{"another issuer as it is", record(2, 0, 0, other.Certificate), chain(good), "dane: mx.signed.test: x509: certificate signed by unknown authority"},
		{"another issuer, shown", record(2, 0, 1, other.Certificate), []*x509.Certificate{good, other.Certificate}, "dane: mx.signed.test: x509: certificate signed by unknown authority"},
		{"the server for an issuer", record(2, 0, 1, good), chain(good), mismatch},
		{"the issuer, of another name", record(2, 0, 1, ca.Certificate), chain(misnamed), "dane: mx.signed.test: x509: certificate is valid for elsewhere.test, not mx.signed.test"},
		{"the issuer, of another name, which its own record allows", record(2, 0, 1, ca.Certificate) + record(3, 1, 1, misnamed), chain(misnamed), ""},
		{"the issuer, expired", record(2, 0, 1, ca.Certificate), chain(expired), "dane: mx.signed.test: x509: certificate has expired or is not yet valid"},

		{"no certificate", record(3, 1, 1, good), nil, "dane: the server of mx.signed.test has shown no certificate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := dnstest.New(t, "signed.test !authentic\n"+tc.records)
			p, err := dane.Lookup(t.Context(), server.Resolver(), 25, "mx.signed.test")
			if err != nil || !p.Proves() {
				t.Fatalf("%+v, %v", p, err)
			}
			err = p.Verify(tc.chain, "signed.test")
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want) || !fault.Is(err, fault.Denied)):
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			if strings.Contains(tc.name, "issuer, of another name") && tc.want != "" && !errors.As(err, new(x509.HostnameError)) {
				t.Errorf("%v does not tell that it is about the name", err)
			}
		})
	}
}

// FuzzVerify: records of any bytes prove nothing.
func FuzzVerify(f *testing.F) {
	ca := wiretest.NewCA(f)
	chain := []*x509.Certificate{ca.Issue(nil, "mx.signed.test").Leaf, ca.Certificate}
	f.Add(byte(3), byte(1), byte(1), make([]byte, 32))
	f.Add(byte(2), byte(0), byte(0), chain[0].Raw)
	f.Add(byte(2), byte(0), byte(0), wiretest.NewCA(f).Certificate.Raw)
	f.Fuzz(func(t *testing.T, usage, selector, matching byte, data []byte) {
		p := dane.Policy{Host: "mx.signed.test"}
		p.Records = append(p.Records, dnsTLSA(usage, selector, matching, data))
		if p.Verify(chain) == nil {
			t.Errorf("%d %d %d %x proves it", usage, selector, matching, data)
		}
	})
}

func dnsTLSA(usage, selector, matching byte, data []byte) dns.TLSA {
	return dns.TLSA{Usage: usage, Selector: selector, MatchingType: matching, Data: data}
}
