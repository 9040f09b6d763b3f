package inbound

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"posthorn/internal/filter/lists"
	"posthorn/internal/filter/rates"
)

// BenchmarkStranger is what lists, rates and rules cost for one message of a client
// that is not known, from MAIL to the end; "exempt" is the same for one to whom limits
// do not apply, "bare" without lists and rates. Looking the recipient up is in all of them.
func BenchmarkStranger(b *testing.B) {
	file := filepath.Join(b.TempDir(), "deny")
	if err := os.WriteFile(file, []byte("198.51.100.0/24\nspammer@far.test\n.evil.test\nhelo:pc\nto:old@example.test\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	h := newHouse(b)
	bare := h.acceptor.o
	listed := bare
	listed.Deny = lists.New(lists.Options{Name: "deny", Paths: []string{file}, Logger: log})
	listed.Allow = lists.New(lists.Options{Name: "allow", Logger: log})
	listed.Rates = rates.New(time.Now())
	for r := range listed.Policy.Rates {
		listed.Policy.Rates[r] = rates.Limit{Count: 1_000_000_000, Per: time.Second}
	}
	exempt := listed
	exempt.Policy.Exempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for name, o := range map[string]Options{"bare": bare, "exempt": exempt, "listed": listed} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			s := New(o).NewSession(Peer{Remote: netip.MustParseAddr("192.0.2.1"), Log: log})
			if err := s.Hello(b.Context(), "mx.far.test", true); err != nil {
				b.Fatal(err)
			}
			for range b.N {
				tx, err := s.Mail(b.Context(), at("sender", "far.test"), MailParams{})
				if err == nil {
					err = tx.Rcpt(b.Context(), at("alice", "example.test"), RcptParams{})
				}
				if err == nil {
					err = tx.decide(&tx.findings)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
