package dns_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/dns"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/fault"
)

func keyFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestUpdate(t *testing.T) {
	s := dnstest.New(t, "other.example.test TXT \"stays\"\n_acme-challenge.example.test TXT \"stays, too\"")
	s.TakeUpdates("example.test")
	key, err := dns.ReadKey(keyFile(t, dnstest.UpdateKey))
	if err != nil {
		t.Fatal(err)
	}
	u := &dns.Updater{Server: s.Listen().String(), Key: key}
	is := func(want ...string) {
		t.Helper()
		answer, err := s.Resolver().TXT(t.Context(), "_acme-challenge.example.test")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(answer.Texts)
		if !slices.Equal(answer.Texts, want) {
			t.Errorf("TXT %q, want %q", answer.Texts, want)
		}
	}
	for _, text := range []string{"one", "two"} {
		if err := u.AddTXT(t.Context(), "_acme-challenge.example.test", text); err != nil {
			t.Fatal(err)
		}
	}
	is("one", "stays, too", "two")
	if err := u.RemoveTXT(t.Context(), "_acme-challenge.example.test", "one"); err != nil {
		t.Fatal(err)
	}
	is("stays, too", "two")
	if s.Updates() != 3 {
		t.Errorf("%d updates, want 3", s.Updates())
	}
}

// TestUpdateRefused: what the server says is what the operator reads.
func TestUpdateRefused(t *testing.T) {
	s := dnstest.New(t, "")
	s.TakeUpdates("example.test")
	right, err := dns.ReadKey(keyFile(t, dnstest.UpdateKey))
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := dns.ReadKey(keyFile(t, strings.Replace(dnstest.UpdateKey, "c2Vj", "d2Vj", 1)))
	if err != nil {
		t.Fatal(err)
	}
	at := s.Listen().String()
	for name, tc := range map[string]struct {
		updater dns.Updater
		name    string
		says    string
	}{
		"no key":       {dns.Updater{Server: at}, "a.example.test", "REFUSED"},
		"wrong secret": {dns.Updater{Server: at, Key: wrong}, "a.example.test", "NOTAUTH"},
		"another zone": {dns.Updater{Server: at, Key: right}, "a.example.org", "REFUSED"},
		"nobody there": {dns.Updater{Server: "127.0.0.1:1", Key: right}, "a.example.test", "refused"},
	} {
		err := tc.updater.AddTXT(t.Context(), tc.name, "text")
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "d2Vj") {
			t.Errorf("%s: %v, want %q", name, err, tc.says)
		}
	}
}

func TestReadKey(t *testing.T) {
	for _, text := range []string{
		"", "key", "key a {}", `key "a" { algorithm hmac-md5; secret "c2VjcmV0"; };`, `key "a" { algorithm hmac-sha256; };`, `{ algorithm hmac-sha256; secret "c2VjcmV0"; };`,
	} {
		if _, err := dns.ReadKey(keyFile(t, text)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := dns.ReadKey("no/such/file"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := dns.ReadKey(keyFile(t, "key a.b. { secret c2VjcmV0; algorithm HMAC-SHA512; };")); err != nil {
		t.Error(err)
	}
}
