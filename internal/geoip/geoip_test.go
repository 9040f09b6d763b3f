package geoip

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
)

// The smallest of encoders: a tree of IPv6 with records of 24 bits, maps and strings.

const (
	kindString = 2
	kindUint16 = 5
	kindUint32 = 6
	kindMap    = 7
)

func head(kind, size int) []byte {
	if size < 29 {
		return []byte{byte(kind<<5 | size)}
	}
	return []byte{byte(kind<<5 | 29), byte(size - 29)}
}

func text(s string) []byte { return append(head(kindString, len(s)), s...) }

func number(kind int, n uint32) []byte {
	b := bytes.TrimLeft(binary.BigEndian.AppendUint32(nil, n), "\x00")
	return append(head(kind, len(b)), b...)
}

// object wants names and encoded values in turn.
func object(members ...any) []byte {
	out := head(kindMap, len(members)/2)
	for i := 0; i < len(members); i += 2 {
		out = append(out, text(members[i].(string))...)
		out = append(out, members[i+1].([]byte)...)
	}
	return out
}

// node is one of the tree: for each bit another one, or below 0 a place in the data (-1 is
// the first); 0: nothing.
type node [2]int

// encode writes a file in which networks have records.
func encode(networks map[string][]byte) []byte {
	tree, data := []node{{}}, []byte{}
	for network, record := range networks {
		p := netip.MustParsePrefix(network)
		ip, bits := p.Addr().As16(), p.Bits()
		if p.Addr().Is4() { // lies in ::/96
			a := p.Addr().As4()
			ip, bits = [16]byte{12: a[0], a[1], a[2], a[3]}, bits+96
		}
		at := 0
		for i := range bits {
			bit := ip[i/8] >> (7 - i%8) & 1
			if i == bits-1 {
				tree[at][bit] = -len(data) - 1
				data = append(data, record...)
				break
			}
			if tree[at][bit] == 0 {
				tree[at][bit] = len(tree)
				tree = append(tree, node{})
			}
			at = tree[at][bit]
		}
	}
	const separator = 16
	var out []byte
	for _, n := range tree {
		for _, to := range n {
			v := to
			switch {
			case to == 0:
				v = len(tree)
			case to < 0:
				v = len(tree) + separator - to - 1
			}
			out = append(out, byte(v>>16), byte(v>>8), byte(v))
		}
	}
	out = append(append(out, make([]byte, separator)...), data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return append(out, object(
		"binary_format_major_version", number(kindUint16, 2), "binary_format_minor_version", number(kindUint16, 0),
		"database_type", text("Test-Country"), "ip_version", number(kindUint16, 6),
		"node_count", number(kindUint32, uint32(len(tree))), "record_size", number(kindUint16, 24),
	)...)
}

func country(code string) []byte { return object("country", object("iso_code", text(code))) }

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
	write(t, path, encode(map[string][]byte{
		"192.0.2.0/24": country("DE"), "198.51.100.0/24": object("country_code", text("FR")), "2001:db8::/32": object("country", text("CN")),
		"203.0.113.0/25": object("country", text("Atlantis")), "203.0.113.128/25": text("x"),
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
	whole := encode(map[string][]byte{"192.0.2.0/24": country("DE")})
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
	write(t, path, encode(map[string][]byte{"192.0.2.0/24": country("AT")}), time.Unix(3, 0))
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
