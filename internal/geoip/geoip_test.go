package geoip

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/geoip/geoiptest"
)

func write(t *testing.T, path string, content []byte, changed time.Time) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, changed, changed); err != nil {
		t.Fatal(err)
	}
}

func TestCountry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mmdb")
	write(t, path, geoiptest.Encode(map[string][]byte{
		"192.0.2.0/24": geoiptest.Country("DE"), "198.51.100.0/24": geoiptest.Object("country_code", geoiptest.Text("FR")), "2001:db8::/32": geoiptest.Object("country", geoiptest.Text("CN")),
		"203.0.113.0/25": geoiptest.Object("country", geoiptest.Text("Atlantis")), "203.0.113.128/25": geoiptest.Text("x"),
	}), time.Unix(1, 0))
	f, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for ip, want := range map[string]string{
		"192.0.2.77": "DE", "::ffff:192.0.2.77": "DE", "198.51.100.1": "FR", "2001:db8::1": "CN", "2001:db8::1%eth0": "CN",
		"203.0.113.1": "", "203.0.113.200": "", "10.0.0.1": "", "::1": "",
	} {
		if got := f.Country(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s is in %q, want %q", ip, got, want)
		}
	}
	var none *File
	none.Refresh()
	if f.Country(netip.Addr{}) != "" || none.Country(netip.MustParseAddr("192.0.2.1")) != "" || none.Path() != "" {
		t.Error("nothing is somewhere")
	}
}

// TestRefresh: what can be read takes the place of what was, and nothing else does.
func TestRefresh(t *testing.T) {
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "x.mmdb")
	logger := slog.New(slog.NewTextHandler(&log, nil))
	if _, err := Open(path, logger); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	whole := geoiptest.Encode(map[string][]byte{"192.0.2.0/24": geoiptest.Country("DE")})
	write(t, path, whole[:len(whole)/2], time.Unix(1, 0))
	if _, err := Open(path, logger); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	write(t, path, whole, time.Unix(2, 0))
	f, err := Open(path, logger)
	if err != nil {
		t.Fatal(err)
	}
	is := func(want string, complaints int) {
		t.Helper()
		f.Refresh()
		f.Refresh()
		if got := f.Country(netip.MustParseAddr("192.0.2.1")); got != want || strings.Count(log.String(), "level=ERROR") != complaints {
			t.Errorf("it is %q, want %q; told: %s", got, want, &log)
		}
	}
	is("DE", 0)
	write(t, path, geoiptest.Encode(map[string][]byte{"192.0.2.0/24": geoiptest.Country("AT")}), time.Unix(3, 0))
	is("AT", 0)
	write(t, path, whole[:30], time.Unix(4, 0))
	is("AT", 1)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	is("AT", 2)
	write(t, path, whole, time.Unix(5, 0))
	is("DE", 2)
}
