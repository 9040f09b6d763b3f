package dns_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/dns"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/fault"
)

// asks asks again and again, waiting in between, and tells which of the times a
// server was asked.
func asks(t *testing.T, text, name string, waits ...time.Duration) string {
	t.Helper()
	var asked []string
	synctest.Test(t, func(t *testing.T) {
		s := dnstest.New(t, text)
		r := s.Resolver()
		at, before := time.Duration(0), 0
		for _, wait := range append([]time.Duration{0}, waits...) {
			time.Sleep(wait)
			at += wait
			ask(t.Context(), r, "MX "+name)
			if n := s.Asked("MX", name); n != before {
				asked = append(asked, at.String())
				before = n
			}
		}
	})
	return strings.Join(asked, " ")
}

func TestCache(t *testing.T) {
	const second = time.Second
	for _, tc := range []struct {
		name, zone, asked string
		waits             []time.Duration
		want              string
	}{
		{"for its TTL", "a.test 60 MX 1 b.test.", "a.test", []time.Duration{59 * second, second, second}, "0s 1m0s"},
		{"not for a week", "a.test 604800 MX 1 b.test.", "a.test", []time.Duration{59 * time.Minute, time.Minute}, "0s 1h0m0s"},
		{"not for no time", "a.test 0 MX 1 b.test.", "a.test", []time.Duration{second, 3 * second, second}, "0s 5s"},
		{"absence, by the SOA", "b.test A 192.0.2.1", "a.test", []time.Duration{59 * second, second}, "0s 1m0s"},
		{"absence without SOA", "a.test !empty", "a.test", []time.Duration{second, 4 * second}, "0s 5s"},
		{"failures", "a.test !servfail", "a.test", []time.Duration{second, 3 * second, second}, "0s 5s"},
		{"the shortest of aliases", "a.test 30 CNAME b.test.\nb.test 20 CNAME c.test.\nc.test 60 MX 1 b.test.", "a.test", []time.Duration{19 * second, second}, "0s 20s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := asks(t, tc.zone, tc.asked, tc.waits...); got != tc.want {
				t.Errorf("asked at %s, want %s", got, tc.want)
			}
		})
	}
}

// What is left of the TTL is told, not what it was.
func TestTTLRunsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := dnstest.New(t, "a.test 60 MX 1 b.test.").Resolver()
		for _, want := range []time.Duration{60, 20} {
			if a, err := r.MX(t.Context(), "a.test"); err != nil || a.TTL != want*time.Second {
				t.Errorf("%+v, %v", a, err)
			}
			time.Sleep(40 * time.Second)
		}
	})
}

// Callers may do with an answer what they like.
func TestAnswersAreCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := dnstest.New(t, "a.test MX 1 b.test.\na.test MX 2 c.test.").Resolver()
		first, _ := r.MX(t.Context(), "a.test")
		first.Hosts[0] = dns.MX{Host: "spoiled"}
		if again, _ := r.MX(t.Context(), "a.test"); again.Hosts[0].Host != "b.test" {
			t.Error(again)
		}
	})
}

// The cache is bounded, and what is in use stays.
func TestCacheIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var zone strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&zone, "n%d.test 3600 TXT %s\n", i, strings.Repeat("x", 200))
		}
		s := dnstest.New(t, zone.String())
		r := dns.New(dns.Options{Dial: s.Dial, Cache: 100_000})
		for range 2 {
			for i := range 1000 {
				for _, name := range []string{"n0.test", fmt.Sprintf("n%d.test", i)} {
					if _, err := r.TXT(t.Context(), name); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if n := s.Asked("TXT", "n0.test"); n != 1 {
			t.Errorf("asked %d times for what was always in use", n)
		}
		if n := s.Asked("TXT", "n1.test"); n != 2 {
			t.Errorf("asked %d times for what was pushed out", n)
		}
		if n := s.Asked("TXT", "n999.test"); n != 2 {
			t.Errorf("asked %d times for the last", n)
		}
	})
}

// Of many that ask the same at once, one asks the server, and if that one gives up,
// another does.
func TestOneAsksForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := dnstest.New(t, "slow.test !timeout")
		r := s.Resolver()
		first, giveUp := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := r.TXT(first, "slow.test"); !fault.Is(err, fault.Canceled) {
				t.Errorf("the one that gave up: %v", err)
			}
		})
		synctest.Wait()
		for range 100 {
			all.Go(func() {
				if _, err := r.TXT(t.Context(), "slow.test"); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		giveUp()
		synctest.Wait() // another one asks now
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
			defer cancel()
			if _, err := r.TXT(ctx, "slow.test"); !fault.Is(err, fault.Canceled) {
				t.Errorf("one that had less patience: %v", err)
			}
		})
		time.Sleep(time.Second)
		s.Set("slow.test TXT there")
		all.Wait()
		if n := s.Asked("TXT", "slow.test"); n != 3 {
			t.Errorf("%d queries: want that of the first, one lost and the last", n)
		}
	})
}

// A server that is down is not asked first every time.
func TestPreferredServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, up := dnstest.New(t, "a.test !timeout\nb.test !timeout"), dnstest.New(t, "a.test MX 1 x.test.\nb.test MX 1 x.test.")
		servers := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")}
		r := dns.New(dns.Options{Servers: servers, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "192.0.2.1:53" {
				return down.Dial(ctx, network, address)
			}
			return up.Dial(ctx, network, address)
		}})
		for _, name := range []string{"a.test", "b.test"} {
			if _, err := r.MX(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
		if down.Asked("MX", "a.test") != 1 || down.Asked("MX", "b.test") != 0 {
			t.Error("the server that is down was asked again")
		}
	})
}
