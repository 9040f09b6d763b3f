package srs

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(local, domain string) addr.Address { return addr.Address{Local: local, Domain: domain} }

func TestForward(t *testing.T) {
	r := New([]byte("secret"))
	for _, tc := range []struct {
		from addr.Address
		want string // "…" stands for six characters
	}{
		{at("bob", "remote.test"), "SRS0=…=BB=remote.test=bob@us.test"},
		{at("Bob", "Remote.TEST"), "SRS0=…=BB=remote.test=Bob@us.test"},
		{at("a=b", "remote.test"), "SRS0=…=BB=remote.test=a=b@us.test"},
		{at("a b", "remote.test"), `"SRS0=…=BB=remote.test=a b"@us.test`},
		{at("x", "[192.0.2.1]"), `"SRS0=…=BB=[192.0.2.1]=x"@us.test`},
		{at("SRS", "remote.test"), "SRS0=…=BB=remote.test=SRS@us.test"},
		{at("SRS0=HHHH=TT=first.test=bob", "second.test"), "SRS1=…=second.test==HHHH=TT=first.test=bob@us.test"},
		{at("srs0+HHHH=TT=first.test=bob", "second.test"), "SRS1=…=second.test=+HHHH=TT=first.test=bob@us.test"},
		{at("SRS1=KKKK=second.test==HHHH=TT=first.test=bob", "third.test"), "SRS1=…=second.test==HHHH=TT=first.test=bob@us.test"},
		{at("SRS1-odd", "third.test"), "SRS0=…=BB=third.test=SRS1-odd@us.test"},
	} {
		got, err := r.Forward(tc.from, "us.test", noon)
		begin, end, _ := strings.Cut(tc.want, "…")
		text := got.String()
		if err != nil || len(text) != len(begin)+hashLength+len(end) || !strings.HasPrefix(text, begin) || !strings.HasSuffix(text, end) {
			t.Errorf("Forward(%s) = %s, %v; want %s", tc.from, text, err, tc.want)
		}
		if !Is(got.Local) {
			t.Errorf("%s is not recognised", text)
		}
	}
	for _, from := range []addr.Address{{}, {Local: "postmaster"}, at(strings.Repeat("x", 240), "remote.test")} {
		if got, err := r.Forward(from, "us.test", noon); !fault.Is(err, fault.Invalid) {
			t.Errorf("Forward(%s) = %s, %v", from, got, err)
		}
	}
}

func TestReverse(t *testing.T) {
	r := New([]byte("secret"))
	for _, tc := range []struct{ from, back addr.Address }{
		{at("bob", "remote.test"), at("bob", "remote.test")},
		{at("a=b+c", "remote.test"), at("a=b+c", "remote.test")},
		{at(`a "b"`, "remote.test"), at(`a "b"`, "remote.test")},
		{at("x", "[IPv6:2001:db8::1]"), at("x", "[IPv6:2001:db8::1]")},
		{at("SRS0=HHHH=TT=first.test=bob", "second.test"), at("SRS0=HHHH=TT=first.test=bob", "second.test")},
		{at("SRS1=KKKK=second.test==HHHH=TT=first.test=bob", "third.test"), at("SRS0=HHHH=TT=first.test=bob", "second.test")},
	} {
		way, err := r.Forward(tc.from, "us.test", noon)
		if err != nil {
			t.Errorf("Forward(%s): %v", tc.from, err)
			continue
		}
		if back, err := r.Reverse(way, noon); err != nil || back != tc.back {
			t.Errorf("Reverse(%s) = %s, %v; want %s", way, back, err, tc.back)
		}
		folded := at(strings.ToLower(way.Local), way.Domain)
		if back, err := r.Reverse(folded, noon); err != nil || !strings.EqualFold(back.String(), tc.back.String()) {
			t.Errorf("Reverse(%s) = %s, %v; want %s", folded, back, err, tc.back)
		}
		for i := range way.Local { // whatever is changed, it is no longer ours
			changed := []byte(way.Local)
			changed[i] ^= 1
			if back, err := r.Reverse(at(string(changed), way.Domain), noon); err == nil {
				t.Errorf("Reverse(%s) = %s", changed, back)
			}
		}
	}
}

func TestLife(t *testing.T) {
	r := New([]byte("secret"))
	way, err := r.Forward(at("bob", "remote.test"), "us.test", noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		later time.Duration
		good  bool
	}{{-24 * time.Hour, true}, {0, true}, {Life, true}, {Life + 24*time.Hour, false}, {-48 * time.Hour, false}, {300 * 24 * time.Hour, false}} {
		if _, err := r.Reverse(way, noon.Add(tc.later)); (err == nil) != tc.good || err != nil && !fault.Is(err, fault.Denied) {
			t.Errorf("after %v: %v", tc.later, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	before := New([]byte("old"))
	way, err := before.Forward(at("bob", "remote.test"), "us.test", noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New([]byte("new"), []byte("old")).Reverse(way, noon); err != nil {
		t.Errorf("after a change of the secret: %v", err)
	}
	if back, err := New([]byte("new")).Reverse(way, noon); !fault.Is(err, fault.Denied) {
		t.Errorf("with a secret that is not known: %s, %v", back, err)
	}
}

func TestIs(t *testing.T) {
	for local, want := range map[string]bool{
		"SRS0=x": true, "srs1=x": true, "Srs0=": true,
		"SRS0": false, "SRS0+x": false, "Srs0-x": false, "SRS2=x": false, "alice": false, "": false, "SRS0x=": false,
	} {
		if Is(local) != want {
			t.Errorf("Is(%q) = %v", local, !want)
		}
	}
}

func FuzzReverse(f *testing.F) {
	for _, s := range []string{"SRS0=AAAAAA=BB=remote.test=bob", "SRS1=AAAAAA=second.test==H=T=d=l", "SRS0====", "bob", "a=b", "SRS1="} {
		f.Add(s, "remote.test")
	}
	r := New([]byte("secret"))
	f.Fuzz(func(t *testing.T, local, domain string) {
		if back, err := r.Reverse(at(local, "us.test"), noon); err == nil {
			t.Logf("a lucky guess: %s leads to %s", local, back)
		}
		from, err := addr.Parse(at(local, domain).String())
		if err != nil {
			return
		}
		way, err := r.Forward(from, "us.test", noon)
		if err != nil {
			return
		}
		back, err := r.Reverse(way, noon)
		canonical, _ := from.Canonical()
		if tag, _, _ := split(from.Local); tag == tag1 { // the server before us is left out
			return
		}
		if err != nil || !strings.EqualFold(back.Domain, canonical.Domain) || !strings.EqualFold(back.Local, canonical.Local) {
			t.Fatalf("%s goes by %s and comes back to %s, %v", from, way, back, err)
		}
	})
}
