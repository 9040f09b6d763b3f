package dmarc

import (
	"strings"
	"testing"
	"testing/synctest"

	"posthorn/internal/dns/dnstest"
)

const zone = `
_dmarc.example.test      TXT "v=DMARC1; p=reject; sp=quarantine"
_dmarc.strict.test       TXT "v=DMARC1; p=reject; adkim=s; aspf=s"
_dmarc.own.example.test  TXT "v=DMARC1;p=none"
_dmarc.half.test         TXT "v=DMARC1; p=reject; pct=50"
_dmarc.halfq.test        TXT "v=DMARC1; p=quarantine; pct=50"
_dmarc.two.test          TXT "v=DMARC1; p=none"
_dmarc.two.test          TXT "v=DMARC1; p=reject"
_dmarc.junk.test         TXT "v=spf1 -all"
_dmarc.junk.test         TXT "v=DMARC1; p=quarantine"
_dmarc.reports.test      TXT "v=DMARC1; rua=mailto:d@reports.test"
_dmarc.badp.test         TXT "v=DMARC1; p=monitor"
_dmarc.badsp.test        TXT "v=DMARC1; p=reject; sp=all; rua=mailto:d@badsp.test"
_dmarc.odd.test          TXT "v = DMARC1 ; P = Reject ; fo=x; ri=never; rf=iodef; pct=200; unknown=1;"
_dmarc.late.test         TXT "p=reject; v=DMARC1"
_dmarc.sick.test         !servfail
_dmarc.example.co.uk     TXT "v=DMARC1; p=reject"
`

func TestEvaluate(t *testing.T) {
	resolver := dnstest.New(t, zone).Resolver()
	pass := func(domain string) Identity { return Identity{Domain: domain, Pass: true} }
	fail := func(domain string) Identity { return Identity{Domain: domain} }
	unknown := func(domain string) Identity { return Identity{Domain: domain, Unknown: true} }
	for _, tc := range []struct {
		name    string
		authors string
		spf     Identity
		dkim    []Identity
		sample  int
		want    Result
		policy  string // POLICY/DISPOSITION
		reason  string
	}{
		{name: "SPF vouches", authors: "example.test", spf: pass("example.test"), want: Pass, policy: "reject/none"},
		{name: "§3.1.2: SPF of a domain below", authors: "example.test", spf: pass("bounce.example.test"), want: Pass, policy: "reject/none"},
		{name: "SPF of somebody else", authors: "example.test", spf: pass("evil.test"), want: Fail, policy: "reject/reject"},
		{name: "a name that only ends alike", authors: "example.test", spf: pass("badexample.test"), want: Fail, policy: "reject/reject"},
		{name: "SPF fails", authors: "example.test", spf: fail("example.test"), want: Fail, policy: "reject/reject"},
		{name: "a signature vouches", authors: "example.test", spf: fail("list.test"), dkim: []Identity{pass("example.test")}, want: Pass, policy: "reject/none"},
		{name: "§3.1.1: one of several does, from above", authors: "a.b.example.test", dkim: []Identity{pass("evil.test"), fail("example.test"), pass("c.example.test")}, want: Pass, policy: "quarantine/none"},
		{name: "strict: the same domain", authors: "strict.test", dkim: []Identity{pass("strict.test")}, want: Pass, policy: "reject/none"},
		{name: "strict: not one below", authors: "strict.test", spf: pass("m.strict.test"), dkim: []Identity{pass("m.strict.test")}, want: Fail, policy: "reject/reject"},
		{name: "sp= for a domain below", authors: "news.example.test", want: Fail, policy: "quarantine/quarantine"},
		{name: "its own record goes first", authors: "own.example.test", want: Fail, policy: "none/none"},
		{name: "§3.2: public suffixes of two labels", authors: "shop.example.co.uk", spf: pass("mail.example.co.uk"), want: Pass, policy: "reject/none"},
		{name: "two customers of one public suffix", authors: "example.co.uk", spf: pass("other.co.uk"), want: Fail, policy: "reject/reject"},
		{name: "no policy", authors: "missing.test", spf: pass("missing.test"), want: None, policy: "none/none"},
		{name: "§6.6.3: two policies", authors: "two.test", want: PermError, policy: "none/none", reason: "more than one"},
		{name: "other texts do not count", authors: "junk.test", want: Fail, policy: "quarantine/quarantine"},
		{name: "§6.6.3: reports wanted, no policy", authors: "reports.test", want: Fail, policy: "none/none"},
		{name: "§6.6.3: a policy that is none", authors: "badp.test", want: PermError, policy: "none/none", reason: "names none of"},
		{name: "§6.6.3: sp= that is none, but reports", authors: "badsp.test", want: Fail, policy: "none/none"},
		{name: "§6.3: what makes no sense is as not there", authors: "odd.test", want: Fail, policy: "reject/reject"},
		{name: "§6.4: the version must come first", authors: "late.test", want: None, policy: "none/none"},
		{name: "§6.6.4: in the sample", authors: "half.test", sample: 49, want: Fail, policy: "reject/reject"},
		{name: "§6.6.4: outside of it", authors: "half.test", sample: 50, want: Fail, policy: "reject/quarantine"},
		{name: "§6.6.4: outside, one step below quarantine", authors: "halfq.test", sample: 50, want: Fail, policy: "quarantine/none"},
		{name: "name servers in trouble", authors: "sick.test", spf: pass("sick.test"), want: TempError, policy: "none/none", reason: "did not answer"},
		{name: "SPF might have vouched", authors: "example.test", spf: unknown("example.test"), dkim: []Identity{fail("example.test")}, want: TempError, policy: "reject/none"},
		{name: "the key was not to be had", authors: "example.test", spf: fail("example.test"), dkim: []Identity{unknown("example.test")}, want: TempError, policy: "reject/none"},
		{name: "that of somebody else does not matter", authors: "example.test", spf: unknown("evil.test"), want: Fail, policy: "reject/reject"},
		{name: "no author", want: None, policy: "none/none", reason: "no author"},
		{name: "§6.6.1: two authors, one of them proven", authors: "example.test news.example.test own.example.test strict.test", spf: pass("example.test"), want: Fail, policy: "reject/reject"},
		{name: "§6.6.1: the strictest that fails", authors: "own.example.test halfq.test", want: Fail, policy: "quarantine/quarantine"},
		{name: "both proven", authors: "example.test news.example.test", spf: pass("example.test"), want: Pass},
		{name: "one proven, the other without a policy", authors: "example.test missing.test", spf: pass("example.test"), want: None, policy: "none/none"},
		{name: "the same domain twice", authors: "example.test example.test", spf: pass("example.test"), want: Pass, policy: "reject/none"},
		{name: "more than anybody has", authors: "a.test b.test c.test d.test e.test", want: PermError, policy: "none/none", reason: "more than 4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := Lookup(t.Context(), resolver, strings.Fields(tc.authors))
			f := p.Evaluate(Evidence{SPF: tc.spf, DKIM: tc.dkim, Sample: tc.sample})
			got := f.Policy.String() + "/" + f.Disposition.String()
			if f.Result != tc.want || tc.policy != "" && got != tc.policy || !strings.Contains(f.Reason, tc.reason) {
				t.Errorf("%+v, want %s, %s, %q", f, tc.want, tc.policy, tc.reason)
			}
			if f.Result == Pass && !f.AlignedSPF && !f.AlignedDKIM {
				t.Errorf("%+v: a pass without anything that vouches", f)
			}
		})
	}
}

// Name servers that are silent make an error that will pass, when the time is over.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resolver := dnstest.New(t, "_dmarc.dead.test !timeout").Resolver()
		if f := Lookup(t.Context(), resolver, []string{"dead.test"}).Evaluate(Evidence{}); f.Result != TempError {
			t.Errorf("%+v", f)
		}
	})
}

// Whatever a record says, reading it gives a policy or an error.
func FuzzRecord(f *testing.F) {
	f.Add("v=DMARC1; p=reject; sp=none; pct=10; adkim=s; aspf=r; rua=mailto:a@b.test")
	f.Add("v=DMARC1;;=;p")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRecord(text)
		if (r == nil) == (err == nil) {
			t.Fatal(r, err)
		}
		if r != nil && (r.percent < 0 || r.percent > 100 || r.policy > Reject || r.subdomains > Reject) {
			t.Fatalf("%+v", r)
		}
	})
}
