package bans

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// open makes a Book that runs until the test ends.
func open(t *testing.T, engine kv.Engine) *Book {
	b := New(Options{Engine: engine})
	go b.Run(t.Context())
	synctest.Wait()
	return b
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func banned(b *Book, s string) time.Duration {
	ban, found := b.Find(ip(s))
	if !found {
		return 0
	}
	return time.Until(ban.Until)
}

// TestPunish: bans end, grow with each time, and are forgotten in the end.
func TestPunish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{})
		b, other := open(t, engine), open(t, engine)
		for _, want := range []time.Duration{10 * time.Minute, 40 * time.Minute, 160 * time.Minute, 640 * time.Minute, 2560 * time.Minute, longest, longest} {
			b.Punish(ip("192.0.2.1"), "50 wrong passwords", 10*time.Minute)
			synctest.Wait()
			b.Punish(ip("192.0.2.1"), "51 wrong passwords", 10*time.Minute) // it is banned already
			synctest.Wait()
			if got := banned(b, "192.0.2.1"); got != want {
				t.Errorf("banned for %v, want %v", got, want)
			}
			if got := banned(other, "192.0.2.1"); got != want {
				t.Errorf("on another node for %v, want %v", got, want)
			}
			if got := banned(open(t, engine), "192.0.2.1"); got != want {
				t.Errorf("after a restart for %v, want %v", got, want)
			}
			time.Sleep(want)
			if got := banned(b, "192.0.2.1"); got != 0 {
				t.Errorf("still for %v", got)
			}
		}
		time.Sleep(memory + tidyEach)
		synctest.Wait()
		if all, err := b.read(t.Context()); err != nil || len(all) > 0 {
			t.Errorf("not forgotten: %v, %v", all, err)
		}
		b.Punish(ip("192.0.2.1"), "50 wrong passwords", 10*time.Minute)
		synctest.Wait()
		if got := banned(b, "192.0.2.1"); got != 10*time.Minute {
			t.Errorf("banned for %v", got)
		}
	})
}

func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, memkv.New(memkv.Options{}))
		for _, bad := range []string{"192.0.2.1", "2001:db8::1", "127.0.0.1", "::1", "::ffff:127.0.0.2", "::ffff:198.51.100.1"} {
			b.Punish(ip(bad), "wrong passwords", time.Hour)
		}
		if err := b.Add(t.Context(), Ban{Network: netip.MustParsePrefix("203.0.113.77/24"), Reason: "spam", Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for address, want := range map[string]bool{
			"192.0.2.1": true, "::ffff:192.0.2.1": true, "192.0.2.2": false, "2001:db8::2": true, "2001:db8:0:1::1": false,
			"127.0.0.1": false, "127.0.0.2": false, "::1": false, "203.0.113.1": true, "198.51.100.1": true, "fe80::1%eth0": false,
		} {
			if got := banned(b, address) > 0; got != want {
				t.Errorf("%s banned: %v", address, got)
			}
		}
		if _, found := b.Find(netip.Addr{}); found {
			t.Error("no address is banned")
		}
	})
}

func TestOperate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ctx, later := open(t, memkv.New(memkv.Options{})), t.Context(), time.Now().Add(time.Hour)
		net := netip.MustParsePrefix("192.0.2.0/24")
		for _, wrong := range []Ban{
			{Until: later},
			{Network: netip.MustParsePrefix("0.0.0.0/0"), Until: later},
			{Network: netip.MustParsePrefix("::/0"), Until: later},
			{Network: netip.MustParsePrefix("127.3.0.0/16"), Until: later},
			{Network: net, Until: time.Now()},
			{Network: net, Until: later, Reason: "bad\r\n220 fine"},
		} {
			if err := b.Add(ctx, wrong); !fault.Is(err, fault.Invalid) {
				t.Errorf("%v: %v", wrong, err)
			}
		}
		if err := b.Remove(ctx, net); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
		if err := b.Add(ctx, Ban{Network: net, Reason: "spam", Until: later}); err != nil {
			t.Fatal(err)
		}
		if all, err := b.List(ctx); err != nil || len(all) != 1 || all[0].Reason != "spam" || !all[0].Until.Equal(later) {
			t.Errorf("%v, %v", all, err)
		}
		synctest.Wait()
		if banned(b, "192.0.2.9") == 0 {
			t.Error("not banned")
		}
		if err := b.Remove(ctx, net); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if all, err := b.List(ctx); err != nil || len(all) != 0 || banned(b, "192.0.2.9") != 0 {
			t.Errorf("%v, %v", all, err)
		}
	})
}

// TestTold: of a ban that nobody has ordered one node tells, once; and of every ban that
// ends by itself.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{Rerun: true})
		var mu sync.Mutex
		var told []string
		node := func() *Book {
			b := New(Options{Engine: engine, Tell: func(ban Ban) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprint(ban.Network, " ", ban.Reason, " ", ban.Ended))
			}})
			go b.Run(t.Context())
			synctest.Wait()
			return b
		}
		b, ctx := node(), t.Context()
		node()
		expect := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(told)
			if !slices.Equal(told, want) {
				t.Errorf("%s: told %q, want %q", when, told, want)
			}
			told = nil
		}
		b.Punish(ip("192.0.2.1"), "guesses", 10*time.Minute)
		for _, network := range []string{"203.0.113.0/24", "198.51.100.0/24"} {
			if err := b.Add(ctx, Ban{Network: netip.MustParsePrefix(network), Reason: "spam", Until: time.Now().Add(10 * time.Minute)}); err != nil {
				t.Fatal(err)
			}
		}
		expect("banned", "192.0.2.1/32 guesses false")
		if err := b.Remove(ctx, netip.MustParsePrefix("198.51.100.0/24")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Minute)
		expect("before the end")
		node() // and a restart
		time.Sleep(2 * time.Minute)
		node()
		expect("after the end", "192.0.2.1/32 guesses true", "203.0.113.0/24 spam true")
		time.Sleep(time.Hour)
		expect("later")
		b.Punish(ip("192.0.2.1"), "guesses again", 10*time.Minute)
		expect("banned again", "192.0.2.1/32 guesses again false")
		time.Sleep(41 * time.Minute)
		expect("after that", "192.0.2.1/32 guesses again true")
	})
}
