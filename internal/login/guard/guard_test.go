package guard_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/login"
	"posthorn/internal/login/guard"
	"posthorn/internal/login/logintest"
	"posthorn/internal/store"
)

var users = logintest.Users{Accounts: map[string]store.AccountID{"alice": 7, "bob": 8}, Password: "secret"}

func door(g *guard.Guard) *login.Gate {
	return login.New(login.Options{Directory: users, InClear: true, Guard: g})
}

func from(ip string) login.Peer { return login.Peer{Protocol: "imap", Remote: netip.MustParseAddr(ip)} }

// bot is the address of the i-th network of a botnet.
func bot(i int) string { return fmt.Sprintf("203.%d.%d.1", i>>8, i&255) }

// TestOwnerIsNeverLockedOut: 10,000 networks guess the password of alice for half an hour, each
// every minute. Her own device gets in at once, each time; a device of hers at a new
// network waits some seconds; and few guesses are looked at.
func TestOwnerIsNeverLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const networks, minutes = 10_000, 30
		gate := door(guard.New(guard.Options{}))
		login := func(ip, password string) (time.Duration, error) {
			began := time.Now()
			_, err := gate.Password(t.Context(), from(ip), "", "alice@example.test", password)
			return time.Since(began), err
		}
		if _, err := login("192.0.2.1", "secret"); err != nil {
			t.Fatal(err)
		}
		var guesses, turnedAway atomic.Int64
		var botnet sync.WaitGroup
		for i := range networks {
			botnet.Go(func() {
				for range minutes {
					switch _, err := login(bot(i), "guess"); {
					case fault.Is(err, fault.Unauthenticated):
						guesses.Add(1)
					case fault.Is(err, fault.Limit):
						turnedAway.Add(1)
					default:
						t.Errorf("a guess: %v", err)
					}
					time.Sleep(time.Minute)
				}
			})
		}
		for minute := range minutes {
			time.Sleep(time.Minute)
			if took, err := login("192.0.2.1", "secret"); err != nil || took > 0 {
				t.Fatalf("her own device after %d minutes: %v, in %v", minute, err, took)
			}
			if took, err := login(fmt.Sprintf("198.51.100.%d", minute), "secret"); err != nil || took > 5*time.Second {
				t.Fatalf("a new device after %d minutes: %v, in %v", minute, err, took)
			}
		}
		botnet.Wait()
		if n := guesses.Load(); n > networks*10 || turnedAway.Load() < networks*(minutes-10) {
			t.Errorf("%d guesses were looked at, %d turned away", n, turnedAway.Load())
		}
	})
}

// TestUnknownUsersAlike: whoever guesses cannot tell who is there.
func TestUnknownUsersAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told [2]string
		for i, user := range []string{"alice@example.test", "nobody@example.test"} {
			gate := door(guard.New(guard.Options{}))
			began := time.Now()
			for range 10 {
				_, err := gate.Password(t.Context(), from("192.0.2.1"), "", user, "guess")
				told[i] += fmt.Sprintf("%v: %v\n", time.Since(began), err)
			}
		}
		if told[0] != told[1] {
			t.Errorf("alice:\n%s\nnobody:\n%s", told[0], told[1])
		}
	})
}

// TestSpellings: however the user is written, it is one user.
func TestSpellings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := door(guard.New(guard.Options{}))
		spellings := []string{"alice@example.test", "ALICE@example.test", `"alice"@example.test`, "alice@EXAMPLE.test", `"a\lice"@example.test`}
		for i := range 10 {
			_, err := gate.Password(t.Context(), from("192.0.2.1"), "", spellings[i%len(spellings)], "guess")
			if fault.Is(err, fault.Limit) != (i >= 7) {
				t.Errorf("attempt %d: %v", i, err)
			}
		}
	})
}

// TestWaitingIsBounded: of one network, and of all; who did nothing yet does not pay for it.
func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := door(guard.New(guard.Options{Waiting: 20, WaitingOfNetwork: 3}))
		try := func(ip, user string) error {
			_, err := gate.Password(t.Context(), from(ip), "", user, "guess")
			return err
		}
		for i := range 60 {
			for range 3 {
				try(bot(i), "alice@example.test")
			}
		}
		var all sync.WaitGroup
		var away atomic.Int64
		for i := range 60 {
			all.Go(func() {
				if fault.Is(try(bot(i), "alice@example.test"), fault.Limit) {
					away.Add(1)
				}
			})
		}
		synctest.Wait()
		if err := try("192.0.2.1", "alice@example.test"); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("a stranger: %v", err)
		}
		all.Wait()
		if away.Load() != 40 {
			t.Errorf("%d of 60 are sent away while 20 wait", away.Load())
		}
	})
}

// TestGivesUp: an attempt whose connection ends does not wait on, nor count.
func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := door(guard.New(guard.Options{}))
		for range 5 {
			gate.Password(t.Context(), from("192.0.2.1"), "", "alice@example.test", "guess")
		}
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := gate.Password(ctx, from("192.0.2.1"), "", "alice@example.test", "secret"); !fault.Is(err, fault.Canceled) {
				t.Errorf("given up: %v", err)
			}
			cancel()
		}
		if _, err := gate.Password(t.Context(), from("192.0.2.1"), "", "alice@example.test", "secret"); err != nil {
			t.Error(err)
		}
	})
}

func TestNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var excess []string
		g := guard.New(guard.Options{Excess: func(p login.Peer, n int) { excess = append(excess, fmt.Sprint(p.Remote, n)) }})
		g.Use(guard.Networks{
			Exempt:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
			Trusted: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
		})
		gate := door(g)
		for ip, want := range map[string]time.Duration{
			"192.0.2.1":        0,                // exempt
			"::ffff:192.0.2.1": 0,                // the same
			"198.51.100.1":     25 * time.Second, // many stand behind it: 1, 2, 4, 8, 10
			"127.0.0.1":        25 * time.Second, // likewise
			"::1":              25 * time.Second, // likewise
		} {
			began := time.Now()
			for range 15 {
				if _, err := gate.Password(t.Context(), from(ip), "", "alice@example.test", "guess"); !fault.Is(err, fault.Unauthenticated) {
					t.Errorf("%s: %v", ip, err)
				}
			}
			if took := time.Since(began); took != want {
				t.Errorf("%s: %v, want %v", ip, took, want)
			}
		}
		if len(excess) > 0 {
			t.Errorf("told of %q", excess)
		}
		gate.Password(t.Context(), from("203.0.113.1"), "", "alice@example.test", "guess")
		if want := "203.0.113.1 1"; len(excess) != 1 || excess[0] != want {
			t.Errorf("told of %q, want %q", excess, want)
		}
	})
}

// TestMemory: 200,000 guesses of as many users at as many networks leave no trace.
func TestMemory(t *testing.T) {
	g := guard.New(guard.Options{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 200_000 {
		p := login.Peer{Remote: netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 1})}
		user := fmt.Sprintf("user%d@example.test", i)
		g.Failed(p, user)
		g.Succeeded(p, user, login.Identity{Name: user})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("grown by %d bytes", grown)
	}
	runtime.KeepAlive(g)
}

func BenchmarkProven(b *testing.B) {
	g, p := guard.New(guard.Options{}), from("192.0.2.1")
	id := login.Identity{Name: "alice@example.test"}
	for b.Loop() {
		if err := g.Admit(b.Context(), p, "alice@example.test"); err != nil {
			b.Fatal(err)
		}
		g.Succeeded(p, "alice@example.test", id)
	}
}
