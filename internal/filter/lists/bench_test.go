package lists

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"posthorn/internal/addr"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

const million = 1_000_000

// millions is a list with a million entries of each kind that long lists are made of,
// and what they cost in memory, in bytes an entry.
func millions(b *testing.B) (*List, float64) {
	var text bytes.Buffer
	for i := range million {
		fmt.Fprintf(&text, "%d.%d.%d.%d/32\n", 1+i>>16, i>>8&255, i&255, i%250)
		fmt.Fprintf(&text, "sender-%d.example.org\n", i)
	}
	for _, length := range []int{10, 13, 16, 20, 22, 24} {
		fmt.Fprintf(&text, "240.0.0.0/%d\n", length)
	}
	path := filepath.Join(b.TempDir(), "deny")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	text = bytes.Buffer{}
	before := heap()
	l := New(Options{Name: "deny", Paths: []string{path}, Logger: discard()})
	return l, float64(heap()-before) / float64(l.Len())
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkLookup(b *testing.B) {
	l, perEntry := millions(b)
	if l.Len() < 2*million {
		b.Fatal(l.Len())
	}
	b.Run("client", func(b *testing.B) {
		b.ReportAllocs()
		b.ReportMetric(perEntry, "B/entry")
		ip := netip.MustParseAddr("100.0.0.1")
		for range b.N {
			if l.Client(ip) != nil {
				b.Fatal("found")
			}
			ip = ip.Next()
		}
	})
	b.Run("sender", func(b *testing.B) {
		b.ReportAllocs()
		a := addr.Address{Local: "alice+tag", Domain: "mail.host.example.com"}
		for range b.N {
			if l.Sender(a) != nil {
				b.Fatal("found")
			}
		}
	})
	b.Run("found", func(b *testing.B) {
		b.ReportAllocs()
		a := addr.Address{Local: "x", Domain: "sender-500000.example.org"}
		for range b.N {
			if l.Sender(a) == nil {
				b.Fatal("not found")
			}
		}
	})
}
