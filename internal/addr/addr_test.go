package addr

import (
	"strings"
	"testing"

	"posthorn/internal/fault"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		in        string
		want      Address
		spelling  string // "" means: as in
		canonical string // the domain; "" means: as parsed
	}{
		{in: "alice@example.test", want: Address{"alice", "example.test"}},
		{in: "Alice@Example.TEST", want: Address{"Alice", "Example.TEST"}, canonical: "example.test"},
		{in: "a.b+c=d@host", want: Address{"a.b+c=d", "host"}},
		{in: `"a b"@example.test`, want: Address{"a b", "example.test"}},
		{in: `"a\"\\b"@example.test`, want: Address{`a"\b`, "example.test"}},
		{in: `"plain"@example.test`, want: Address{"plain", "example.test"}, spelling: "plain@example.test"},
		{in: `"a@b"@example.test`, want: Address{"a@b", "example.test"}},
		{in: "a..b.@example.test", want: Address{"a..b.", "example.test"}, spelling: `"a..b."@example.test`},
		{in: "用户@例え.テスト", want: Address{"用户", "例え.テスト"}, canonical: "xn--r8jz45g.xn--zckzah"},
		{in: "x@BÜCHER.example", want: Address{"x", "BÜCHER.example"}, canonical: "xn--bcher-kva.example"},
		{in: "x@[192.0.2.1]", want: Address{"x", "[192.0.2.1]"}},
		{in: "x@[ipv6:2001:DB8:0::1]", want: Address{"x", "[ipv6:2001:DB8:0::1]"}, canonical: "[IPv6:2001:db8::1]"},
		{in: "x@under_score.example", want: Address{"x", "under_score.example"}},
	} {
		got, err := Parse(tc.in)
		if err != nil || got != tc.want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", tc.in, got, err, tc.want)
			continue
		}
		if want := or(tc.spelling, tc.in); got.String() != want {
			t.Errorf("Parse(%q).String() = %q, want %q", tc.in, got.String(), want)
		}
		canonical, err := got.Canonical()
		if want := or(tc.canonical, got.Domain); err != nil || canonical.Domain != want || canonical.Local != got.Local {
			t.Errorf("Parse(%q).Canonical() = %+v, %v; want domain %q", tc.in, canonical, err, want)
		}
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"", "@", "alice", "alice@", "@example.test", "alice@example..test", "alice@.test", "alice@example.test.",
		"alice@-x.test", "alice@x-.test", "alice bob@example.test", "alice@example.test>", "alice@exa mple.test",
		`"alice@example.test`, `"alice"x@example.test`, `""@example.test`, "\"a\r\nb\"@example.test", "a\x00b@example.test",
		"x@[192.0.2.256]", "x@[IPv6:192.0.2.1]", "x@[2001:db8::1]", "x@[192.0.2.1", "x@[]", "x@[IPv6:fe80::1%eth0]",
		"x@\xff.test", "\xff@example.test", "a@b@c", "<a@b>",
		strings.Repeat("x", 256) + "@example.test", "x@" + strings.Repeat("x", 64) + ".test", "x@" + strings.Repeat("x.", 128) + "test",
	} {
		if got, err := Parse(in); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", in, got)
		} else if !fault.Is(err, fault.Invalid) {
			t.Errorf("Parse(%q): error of kind %v: %v", in, fault.KindOf(err), err)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	a, rest, err := ParsePrefix(`"x>y"@example.test> SIZE=1`)
	if err != nil || (a != Address{"x>y", "example.test"}) || rest != "> SIZE=1" {
		t.Errorf("ParsePrefix = %+v, %q, %v", a, rest, err)
	}
}

func TestSpecialAddresses(t *testing.T) {
	if s := (Address{}).String(); s != "" || !(Address{}).IsZero() {
		t.Errorf("the null reverse-path is spelled %q", s)
	}
	if s := (Address{Local: "postmaster"}).String(); s != "postmaster" {
		t.Errorf("postmaster without a domain is spelled %q", s)
	}
	if a, err := (Address{Local: "postmaster"}).Canonical(); err != nil || a.Local != "postmaster" {
		t.Errorf("postmaster without a domain: %+v, %v", a, err)
	}
	literal := Address{"x", "[IPv6:2001:db8::1]"}
	if ip, ok := literal.Literal(); !ok || ip.String() != "2001:db8::1" || !literal.IsLiteral() {
		t.Errorf("Literal = %v, %v", ip, ok)
	}
	if got := UnicodeDomain("xn--bcher-kva.example"); got != "bücher.example" {
		t.Errorf("UnicodeDomain = %q", got)
	}
}

func TestSplitTag(t *testing.T) {
	for _, tc := range [][3]string{
		{"alice", "alice", ""},
		{"alice+lists", "alice", "lists"},
		{"alice+a+b", "alice", "a+b"},
		{"alice+", "alice", ""},
		{"+alice", "+alice", ""},
	} {
		if base, tag := SplitTag(tc[0], '+'); base != tc[1] || tag != tc[2] {
			t.Errorf("SplitTag(%q) = %q, %q; want %q, %q", tc[0], base, tag, tc[1], tc[2])
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a@b", `"a b"@c.d`, "x@[IPv6:::1]", "用户@例え.テスト", "a..b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(a.String()); err != nil || again != a {
			t.Fatalf("Parse(%q) = %+v; spelled %q it parses as %+v, %v", s, a, a.String(), again, err)
		}
		once, err := a.Canonical()
		if err != nil {
			return
		}
		if twice, err := once.Canonical(); err != nil || twice != once {
			t.Fatalf("Canonical of %+v is %+v, of that %+v, %v", a, once, twice, err)
		}
	})
}
