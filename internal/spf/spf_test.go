package spf

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/dns/dnstest"
)

const zone = `
pass.test       TXT "v=spf1 ip4:192.0.2.0/24 -all"
fail.test       TXT "v=spf1 -all"
soft.test       TXT "v=spf1 ~all"
neutral.test    TXT "v=spf1 ?all"
silent.test     TXT "v=spf1"
other.test      TXT "google-site-verification=1"
two.test        TXT "v=spf1 -all"
two.test        TXT "v=spf1 +all"
junk.test       TXT "v=spf1 ipv4:192.0.2.1 -all"
split.test      TXT "v=spf1 ip4:192." "0.2.1 -all"
six.test        TXT "v=spf1 ip6:2001:db8::/32 -all"

a.test          TXT "v=spf1 a -all"
a.test          A   192.0.2.1
mx.test         TXT "v=spf1 mx -all"
mx.test         MX  10 mail.mx.test.
mail.mx.test    A   192.0.2.1
ptr.test        TXT "v=spf1 ptr -all"
1.2.0.192.in-addr.arpa PTR host.ptr.test.
host.ptr.test   A   192.0.2.1
include.test    TXT "v=spf1 include:pass.test -all"
redirect.test   TXT "v=spf1 redirect=pass.test"
nowhere.test    TXT "v=spf1 include:missing.test -all"
macro.test      TXT "v=spf1 exists:%{ir}.%{v}.%{d} -all"
1.2.0.192.in-addr.macro.test A 127.0.0.2
helo.test       TXT "v=spf1 exists:%{h}.names.helo.test -all"
mx.remote.test.names.helo.test A 127.0.0.2

void.test       TXT "v=spf1 a:v1.test a:v2.test a:v3.test ip4:192.0.2.1 -all"
fewvoid.test    TXT "v=spf1 a:v1.test a:v2.test ip4:192.0.2.1 -all"
loop.test       TXT "v=spf1 include:loop.test -all"
many.test       TXT "v=spf1 a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test ip4:192.0.2.1 -all"
ten.test        TXT "v=spf1 a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test ip4:192.0.2.1 -all"
h.test          A   203.0.113.1

sick.test       !servfail
onefamily.test  TXT "v=spf1 a -all"
onefamily.test  AAAA 2001:db8::1
onefamily.test  !servfail A
half.test       TXT "v=spf1 include:sick.test ip4:192.0.2.1 -all"
dead.test       !timeout
xn--bcher-kva.test TXT "v=spf1 ip4:192.0.2.1 -all"
mx.remote.test  TXT "v=spf1 ip4:192.0.2.1 -all"
`

func TestMailFrom(t *testing.T) {
	checker := New(dnstest.New(t, zone).Resolver())
	for _, tc := range []struct {
		name, from string
		want       Result
		reason     string
	}{
		{"a network that may send", "a@pass.test", Pass, "matched ip"},
		{"nobody may", "a@fail.test", Fail, "matched all"},
		{"nobody should", "a@soft.test", SoftFail, "matched all"},
		{"no assertion", "a@neutral.test", Neutral, "matched all"},
		{"§4.7: nothing matches", "a@silent.test", Neutral, ""},
		{"no such domain", "a@missing.test", None, ""},
		{"texts, but no policy", "a@other.test", None, ""},
		{"§4.3: a domain of one label", "a@localhost", None, "not a domain"},
		{"§4.3: an address literal", "a@[192.0.2.1]", None, "not a domain"},
		{"§4.5: two policies", "a@two.test", PermError, "more than one"},
		{"§4.6: a mechanism that is none", "a@junk.test", PermError, "unknown field"},
		{"§3.3: a policy in several strings", "a@split.test", Pass, "matched ip"},
		{"the other family", "a@six.test", Fail, "matched all"},
		{"a", "a@a.test", Pass, "matched a"},
		{"mx", "a@mx.test", Pass, "matched mx"},
		{"ptr", "a@ptr.test", Pass, "matched ptr"},
		{"include", "a@include.test", Pass, "matched ip"},
		{"redirect", "a@redirect.test", Pass, "matched ip"},
		{"§5.2: included is what is not there", "a@nowhere.test", PermError, ""},
		{"§7: macros", "a@macro.test", Pass, "matched exists"},
		{"§7: the name of the host", "a@helo.test", Pass, "matched exists"},
		{"§4.6.4: three lookups that find nothing", "a@void.test", PermError, "more than 2 hosts"},
		{"§4.6.4: two lookups that find nothing", "a@fewvoid.test", Pass, "matched ip"},
		{"§4.6.4: a policy that includes itself", "a@loop.test", PermError, "more than 10 lookups"},
		{"§4.6.4: eleven lookups", "a@many.test", PermError, "more than 10 lookups"},
		{"§4.6.4: ten lookups", "a@ten.test", Pass, "matched ip"},
		{"a server in trouble", "a@sick.test", TempError, "did not answer"},
		{"half of the addresses are not to be had", "a@onefamily.test", TempError, "did not answer"},
		{"one that is included is in trouble", "a@half.test", TempError, "did not answer"},
		{"a domain in Unicode", "a@bücher.test", Pass, "matched ip"},
		{"an @ in the local part", `"a@fail.test"@pass.test`, Pass, "matched ip"},
		{"§2.4: the null reverse-path", "", Pass, "matched ip"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var from addr.Address
			if tc.from != "" {
				var err error
				if from, err = addr.Parse(tc.from); err != nil {
					t.Fatal(err)
				}
			}
			got := checker.MailFrom(t.Context(), netip.MustParseAddr("192.0.2.1"), "mx.remote.test", from)
			if got.Result != tc.want || !strings.Contains(got.Reason, tc.reason) {
				t.Errorf("%+v, want %s, %q", got, tc.want, tc.reason)
			}
		})
	}
}

func TestHelo(t *testing.T) {
	checker := New(dnstest.New(t, zone).Resolver())
	for _, tc := range []struct {
		helo, host string
		want       Result
	}{
		{"mx.remote.test", "192.0.2.1", Pass},
		{"mx.remote.test", "192.0.2.2", Fail},
		{"mx.remote.test", "::ffff:192.0.2.1", Pass},
		{"six.test", "2001:db8::1", Pass},
		{"six.test", "fe80::1%eth0", Fail},
		{"[192.0.2.1]", "192.0.2.1", None},
		{"evil name\t(", "192.0.2.1", None},
		{"", "192.0.2.1", None},
	} {
		if got := checker.Helo(t.Context(), netip.MustParseAddr(tc.host), tc.helo); got.Result != tc.want {
			t.Errorf("%s from %s: %+v, want %s", tc.helo, tc.host, got, tc.want)
		}
	}
}

// A check ends with its context, however long the name servers are silent.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checker := New(dnstest.New(t, zone).Resolver())
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		got := checker.MailFrom(ctx, netip.MustParseAddr("192.0.2.1"), "h.test", addr.Address{Local: "a", Domain: "dead.test"})
		if got.Result != TempError || got.Reason != "the name servers did not answer" || time.Since(began) != 2*time.Second {
			t.Errorf("%+v after %v", got, time.Since(began))
		}
	})
}
