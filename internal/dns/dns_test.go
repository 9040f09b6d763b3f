package dns_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dns"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/fault"
)

const zone = `
example.test            120 MX 20 Mx2.Example.Test.
example.test            60 MX 10 mx1.example.test.
example.test            MX 10 mx0.example.test.
example.test            TXT "v=spf1 " "-all"
example.test            TXT "caf\195\169 \"quoted\" \\"
mx1.example.test        A 192.0.2.1
mx1.example.test        AAAA 2001:db8::1
mx2.example.test        A 192.0.2.2
_25._tcp.mx1.example.test TLSA 3 1 1 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20
1.2.0.192.in-addr.arpa  PTR Mx1.example.test.

null.test               MX 0 .
alias.test              30 CNAME example.test.
alias2.test             CNAME alias.test.
dangling.test           CNAME nowhere.test.
toweb.test              CNAME www.test.
www.test                TXT "no mail here"
circle1.test            CNAME circle2.test.
circle2.test            CNAME circle1.test.
self.test               CNAME self.test.

signed.test             !authentic
signed.test             MX 10 mx.signed.test.
mx.signed.test          A 192.0.2.7
away.signed.test        CNAME mx1.example.test.
insecure.test           CNAME mx.signed.test.

lazy.test               !lazy
lazy.test               CNAME alias2.test.
lazy1.test              !lazy
lazy1.test              CNAME lazy2.test.
lazy2.test              !lazy
lazy2.test              CNAME lazy1.test.

dead.test               !timeout
sick.test               !servfail
shut.test               !refused
odd.test                !lie
stranger.test           !stranger
garbage.test            !garbage
empty.test              !empty
old.test                !noedns
old.test                MX 10 mx1.example.test.
big.test                !truncate
big.test                MX 10 mx1.example.test.
cut.test                !cut
cut.test                MX 10 mx1.example.test.
hungup.test             !truncate
hungup.test             !notcp

half.test               A 192.0.2.9
half.test               !servfail AAAA
half2.test              AAAA 2001:db8::9
half2.test              !timeout A
half3.test              A 192.0.2.9
none.test               !servfail AAAA
badmx.test              MX 10 not\032a\032name.test.
halfbadmx.test          MX 10 not\032a\032name.test.
halfbadmx.test          MX 20 mx1.example.test.
`

// ask asks in words: "MX example.test", and says what came of it in words, too.
func ask(ctx context.Context, r *dns.Resolver, words string) string {
	what, name, _ := strings.Cut(words, " ")
	var common dns.Answer
	var found any
	var err error
	switch what {
	case "MX":
		var a dns.MXAnswer
		a, err = r.MX(ctx, name)
		common, found = a.Answer, a.Hosts
	case "ADDRS":
		var a dns.AddrAnswer
		a, err = r.Addrs(ctx, name)
		common, found = a.Answer, a.Addrs
	case "TXT":
		var a dns.TXTAnswer
		a, err = r.TXT(ctx, name)
		common, found = a.Answer, a.Texts
	case "TLSA":
		var a dns.TLSAAnswer
		a, err = r.TLSA(ctx, name)
		common, found = a.Answer, a.Records
	case "PTR":
		var a dns.PTRAnswer
		a, err = r.PTR(ctx, netip.MustParseAddr(name))
		common, found = a.Answer, a.Names
	}
	var absence *dns.Absence
	switch {
	case errors.As(err, &absence) != fault.Is(err, fault.NotFound):
		return fmt.Sprintf("NotFound and Absence do not go together: %v", err)
	case err != nil:
		return fmt.Sprintf("%v: %v", fault.KindOf(err), err)
	}
	text := fmt.Sprintf("%v at %s for %v", found, common.Name, common.TTL)
	if common.Authentic {
		text += ", authentic"
	}
	return text
}

func TestAnswers(t *testing.T) {
	for _, tc := range []struct{ ask, want string }{
		{"MX example.test", "[{10 mx1.example.test} {10 mx0.example.test} {20 mx2.example.test}] at example.test for 1m0s"},
		{"MX EXAMPLE.test.", "[{10 mx1.example.test} {10 mx0.example.test} {20 mx2.example.test}] at example.test for 1m0s"},
		{"MX null.test", "[{0 }] at null.test for 5m0s"},
		{"MX halfbadmx.test", "[{20 mx1.example.test}] at halfbadmx.test for 5m0s"},
		{"MX badmx.test", "invalid: dns: no MX record of badmx.test names a host"},
		{"ADDRS mx1.example.test", "[2001:db8::1 192.0.2.1] at mx1.example.test for 5m0s"},
		{"ADDRS mx2.example.test", "[192.0.2.2] at mx2.example.test for 5m0s"},
		{"TXT example.test", `[v=spf1 -all café "quoted" \] at example.test for 5m0s`},
		{"TLSA _25._tcp.mx1.example.test", "[{3 1 1 [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32]}] at _25._tcp.mx1.example.test for 5m0s"},
		{"PTR 192.0.2.1", "[mx1.example.test] at 1.2.0.192.in-addr.arpa for 5m0s"},
		{"PTR ::ffff:192.0.2.1", "[mx1.example.test] at 1.2.0.192.in-addr.arpa for 5m0s"},
		{"PTR 2001:db8::1", "not found: dns: 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa does not exist"},

		// Nothing there, in its two ways.
		{"MX nowhere.test", "not found: dns: nowhere.test does not exist"},
		{"MX mx1.example.test", "not found: dns: mx1.example.test has no MX record"},
		{"MX _tcp.mx1.example.test", "not found: dns: _tcp.mx1.example.test has no MX record"},
		{"ADDRS example.test", "not found: dns: example.test has no A or AAAA record"},
		{"ADDRS nowhere.test", "not found: dns: nowhere.test does not exist"},
		{"MX empty.test", "not found: dns: empty.test has no MX record"},

		// Aliases.
		{"MX alias2.test", "[{10 mx1.example.test} {10 mx0.example.test} {20 mx2.example.test}] at example.test for 30s"},
		{"MX lazy.test", "[{10 mx1.example.test} {10 mx0.example.test} {20 mx2.example.test}] at example.test for 30s"},
		{"MX dangling.test", "not found: dns: nowhere.test does not exist"},
		{"MX toweb.test", "not found: dns: www.test has no MX record"},
		{"MX circle1.test", "invalid: dns: MX of circle1.test.: more than 10 aliases, or a circle of them"},
		{"MX self.test", "invalid: dns: MX of self.test.: more than 10 aliases, or a circle of them"},
		{"MX lazy1.test", "invalid: dns: MX of lazy1.test.: more than 10 aliases, or a circle of them"},

		// DNSSEC: everything on the way must be proven.
		{"MX signed.test", "[{10 mx.signed.test}] at signed.test for 5m0s, authentic"},
		{"ADDRS mx.signed.test", "[192.0.2.7] at mx.signed.test for 5m0s, authentic"},
		{"ADDRS away.signed.test", "[2001:db8::1 192.0.2.1] at mx1.example.test for 5m0s"},
		{"ADDRS insecure.test", "[192.0.2.7] at mx.signed.test for 5m0s"},

		// Servers in trouble.
		{"MX dead.test", "unavailable: dns: MX of dead.test.: server 127.0.0.1:53: read pipe: i/o timeout"},
		{"MX sick.test", "unavailable: dns: MX of sick.test.: server 127.0.0.1:53: it says SERVFAIL"},
		{"MX shut.test", "unavailable: dns: MX of shut.test.: server 127.0.0.1:53: it says REFUSED"},
		{"MX odd.test", "unavailable: dns: MX of odd.test.: server 127.0.0.1:53: read pipe: i/o timeout"},
		{"MX stranger.test", "unavailable: dns: MX of stranger.test.: server 127.0.0.1:53: read pipe: i/o timeout"},
		{"MX garbage.test", "unavailable: dns: MX of garbage.test.: server 127.0.0.1:53: read pipe: i/o timeout"},
		{"MX hungup.test", "unavailable: dns: MX of hungup.test.: server 127.0.0.1:53: EOF"},
		{"MX old.test", "[{10 mx1.example.test}] at old.test for 5m0s"},
		{"MX big.test", "[{10 mx1.example.test}] at big.test for 5m0s"},
		{"MX cut.test", "[{10 mx1.example.test}] at cut.test for 5m0s"},

		// One family of addresses is enough, but none is not "there are none".
		{"ADDRS half.test", "[192.0.2.9] at half.test for 5m0s"},
		{"ADDRS half2.test", "[2001:db8::9] at half2.test for 5m0s"},
		{"ADDRS none.test", "unavailable: dns: AAAA of none.test.: server 127.0.0.1:53: it says SERVFAIL"},

		// What is no name.
		{"MX ", `invalid: dns: "" is not a name`},
		{"MX .", `invalid: dns: "." is not a name`},
		{"MX a..test", `invalid: dns: "a..test" is not a name`},
		{"MX bücher.test", `invalid: dns: "bücher.test" is not a name: 'Ã' is not allowed`},
		{"MX a b.test", `invalid: dns: "a b.test" is not a name: ' ' is not allowed`},
		{`MX a\.test`, `invalid: dns: "a\\.test" is not a name: '\\' is not allowed`},
		{"MX " + strings.Repeat("a", 64) + ".test", `invalid: dns: "` + strings.Repeat("a", 64) + `.test" is not a name`},
	} {
		t.Run(tc.ask, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := dnstest.New(t, zone).Resolver()
				if got := ask(t.Context(), r, tc.ask); got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
			})
		})
	}
}

// Without TrustAD nothing is authentic, whatever a server says.
func TestTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := dns.New(dns.Options{Dial: dnstest.New(t, zone).Dial})
		if a, err := r.MX(t.Context(), "signed.test"); err != nil || a.Authentic {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

func TestNullMX(t *testing.T) {
	for _, tc := range []struct {
		hosts []dns.MX
		want  bool
	}{
		{[]dns.MX{{0, ""}}, true},
		{[]dns.MX{{10, ""}}, true}, // the preference says nothing
		{[]dns.MX{{0, ""}, {10, "mx.test"}}, false},
		{[]dns.MX{{10, "mx.test"}}, false},
	} {
		if got := (dns.MXAnswer{Hosts: tc.hosts}).IsNull(); got != tc.want {
			t.Errorf("%v: %v", tc.hosts, got)
		}
	}
}

// How long it takes to learn that nobody answers, and that a caller in a hurry
// is not kept.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := dnstest.New(t, zone)
		r := s.Resolver()
		start := time.Now()
		if _, err := r.TXT(t.Context(), "dead.test"); !fault.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		if took := time.Since(start); took != 6*time.Second || s.Asked("TXT", "dead.test") != 2 {
			t.Errorf("gave up after %v and %d queries", took, s.Asked("TXT", "dead.test"))
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := r.MX(ctx, "dead.test"); !fault.Is(err, fault.Canceled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("gave up after %v", took)
		}
	})
}

// A thousand mail exchanges are too many for a datagram, and are all there, over
// real sockets; a server that is not there costs no more than an attempt.
func TestThousand(t *testing.T) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "many.test MX %d mx%d.test.\n", 1000-i, i)
	}
	s := dnstest.New(t, text.String())
	gone := netip.MustParseAddrPort("127.0.0.1:1")
	r := dns.New(dns.Options{Servers: []netip.AddrPort{gone, s.Listen()}})
	a, err := r.MX(t.Context(), "many.test")
	if err != nil {
		t.Fatal(err)
	}
	sorted := slices.IsSortedFunc(a.Hosts, func(a, b dns.MX) int { return int(a.Preference) - int(b.Preference) })
	if len(a.Hosts) != 1000 || !sorted || a.Hosts[0] != (dns.MX{Preference: 1, Host: "mx999.test"}) {
		t.Errorf("%d hosts, sorted: %v, first %v", len(a.Hosts), sorted, a.Hosts[0])
	}
	if n := s.Asked("MX", "many.test"); n != 2 {
		t.Errorf("%d queries, want one by UDP and one by TCP", n)
	}
	if _, err := r.MX(t.Context(), "nowhere.test"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}
