package mtasts

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	const good = "version: STSv1\nmode: enforce\nmx: mx1.example.test\nmax_age: 604800\n"
	for _, tc := range []struct{ name, text, want string }{
		{"as it should be", good, good},
		{"lines end in CRLF, the last one not at all", "version: STSv1\r\nmode: testing\r\nmx: *.Example.Test.\r\nmax_age: 1", "version: STSv1\nmode: testing\nmx: *.example.test\nmax_age: 1\n"},
		{"without spaces, in another order", "max_age:60\nmx:a.test\nmx:b.test\nmode:enforce\nversion:STSv1\n\n", "version: STSv1\nmode: enforce\nmx: a.test\nmx: b.test\nmax_age: 60\n"},
		{"no hosts, no policy", "version: STSv1\nmode: none\nmax_age: 86400\n", "version: STSv1\nmode: none\nmax_age: 86400\n"},
		{"what is not known does not matter", good + "future: x: y\n", good},
		{"of two the first counts", good + "mode: none\nmax_age: what\n", good},
		{"for longer than anybody may", strings.Replace(good, "604800", "4000000000", 1), strings.Replace(good, "604800", "31557600", 1)},

		{"empty", "", "the policy lacks version, mode or max_age"},
		{"HTML", "<!DOCTYPE html>\n<title>mode: x</title>", `"<!doctype html>" is not a line of a policy`},
		{"no version", strings.Replace(good, "version: STSv1\n", "", 1), "the policy lacks version, mode or max_age"},
		{"version", strings.Replace(good, "STSv1", "STSv2", 1), `version "STSv2" of a policy is not known`},
		{"mode", strings.Replace(good, "enforce", "maybe", 1), `mode "maybe" of a policy is not known`},
		{"age", strings.Replace(good, "604800", "-1", 1), `max_age "-1" of a policy is no number of seconds`},
		{"no host", strings.Replace(good, "mx: mx1.example.test\n", "", 1), "the policy names no host"},
		{"a star in the middle", strings.Replace(good, "mx1.", "mx.*.", 1), `"mx.*.example.test" is not the name of a host`},
		{"too many hosts", good + strings.Repeat("mx: a.test\n", maxHosts), "the policy names more than 1000 hosts"},
	} {
		p, err := Parse([]byte(tc.text))
		got := p.String()
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s:\ngot  %q\nwant %q", tc.name, got, tc.want)
		}
	}
}

func TestMatches(t *testing.T) {
	p := Policy{MX: []string{"mx.example.test", "*.mail.example.test"}}
	for host, want := range map[string]bool{
		"mx.example.test": true, "MX.Example.Test.": true, "mx2.example.test": false, "example.test": false,
		"a.mail.example.test": true, "a.b.mail.example.test": false, "mail.example.test": false, "": false, "mail": false, "*.mail.example.test": true,
	} {
		if p.Matches(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}

func TestAnnouncement(t *testing.T) {
	for _, tc := range []struct{ texts, want string }{
		{"v=STSv1; id=20160831085700Z;", "20160831085700Z"},
		{"v=STSv1;id=1", "1"},
		{"v=STSv1 ; x=y ; id = 1 ;", "1"},
		{"v=STSv1; id=1; id=2", "1"},
		{"something else|v=STSv1; id=1|v=STSv11; id=2", "1"},
		{"v=STSv1; id=1|v=STSv1; id=1", ""},
		{"v=STSv1; id=1|v=STSv1;", ""},
		{"v=STSv1", ""},
		{"v=STSv1; id=", ""},
		{"v=STSv1; id=a-b", ""},
		{"v=STSv1; id=" + strings.Repeat("a", 33), ""},
		{"v=stsv1; id=1", ""},
		{"id=1; v=STSv1", ""},
		{"", ""},
	} {
		if got := announcement(strings.Split(tc.texts, "|")); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.texts, got, tc.want)
		}
	}
}

// FuzzParse: what is read as a policy is written as one, and reads as the same.
func FuzzParse(f *testing.F) {
	f.Add("version: STSv1\r\nmode: enforce\r\nmx: *.example.test\r\nmax_age: 604800\r\n")
	f.Add("version: STSv1\nmode: none\nmax_age: 0")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse([]byte(text))
		if err != nil {
			return
		}
		if p.MaxAge < 0 || p.MaxAge > longestAge {
			t.Errorf("max_age %v", p.MaxAge)
		}
		again, err := Parse([]byte(p.String()))
		if err != nil || again.String() != p.String() {
			t.Errorf("%q reads as %+v, %v", p, again, err)
		}
		for _, pattern := range p.MX {
			if !p.Matches(strings.Replace(pattern, "*", "x", 1)) {
				t.Errorf("%q does not match itself", pattern)
			}
		}
		h := held{"1", p, time.Unix(1, 0).UTC()}
		back, err := decode(encode(h))
		if err != nil || back.policy.String() != p.String() || !back.fetched.Equal(h.fetched) || back.id != h.id {
			t.Errorf("%+v comes back from the store as %+v, %v", h, back, err)
		}
	})
}

// FuzzAnnouncement: any text at all.
func FuzzAnnouncement(f *testing.F) {
	f.Add("v=STSv1; id=20160831085700Z;")
	f.Fuzz(func(t *testing.T, text string) {
		if id := announcement([]string{text}); id != "" && !isID(id) {
			t.Errorf("%q", id)
		}
	})
}
