package guesses

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(user, ip string) Who { return Who{User: user, Remote: netip.MustParseAddr(ip)} }

// fail makes n wrong attempts, each of which is let through.
func (t *Table) fail(now time.Time, w Who, n int) {
	for range n {
		t.Try(now, w)
		t.Failed(now, w)
	}
}

func TestTry(t *testing.T) {
	const alice, home, away = "alice@example.test", "192.0.2.1", "198.51.100.7"
	known := func(tb *Table) { tb.Succeeded(start, at(alice, home)) }
	type step struct {
		after time.Duration
		who   Who
		want  Verdict
	}
	for name, tc := range map[string]struct {
		before func(tb *Table)
		step
	}{
		"a stranger":               {func(*Table) {}, step{0, at(alice, away), Verdict{First: true}}},
		"three typing errors":      {func(tb *Table) { tb.fail(start, at(alice, away), 2) }, step{0, at(alice, away), Verdict{}}},
		"the fourth waits":         {func(tb *Table) { tb.fail(start, at(alice, away), 3) }, step{0, at(alice, away), Verdict{Wait: time.Second}}},
		"the sixth waits longer":   {func(tb *Table) { tb.fail(start, at(alice, away), 5) }, step{0, at(alice, away), Verdict{Wait: 4 * time.Second}}},
		"too many":                 {func(tb *Table) { tb.fail(start, at(alice, away), 20) }, step{0, at(alice, away), Verdict{Refuse: true}}},
		"too many are forgotten":   {func(tb *Table) { tb.fail(start, at(alice, away), 20) }, step{4 * time.Hour, at(alice, away), Verdict{First: true}}},
		"somebody else there":      {func(tb *Table) { tb.fail(start, at(alice, away), 20) }, step{0, at("bob", away), Verdict{First: true}}},
		"the same /64":             {func(tb *Table) { tb.fail(start, at(alice, "2001:db8::1"), 20) }, step{0, at(alice, "2001:db8::2"), Verdict{Refuse: true}}},
		"another /64":              {func(tb *Table) { tb.fail(start, at(alice, "2001:db8::1"), 20) }, step{0, at(alice, "2001:db8:0:1::1"), Verdict{First: true}}},
		"a right one pays all":     {func(tb *Table) { tb.fail(start, at(alice, away), 6); tb.Succeeded(start, at(alice, away)) }, step{0, at(alice, away), Verdict{Known: true, First: true}}},
		"known: ten typing errors": {func(tb *Table) { known(tb); tb.fail(start, at(alice, home), 10) }, step{0, at(alice, home), Verdict{Known: true, Wait: time.Second}}},
		"known: never refused":     {func(tb *Table) { known(tb); tb.fail(start, at(alice, home), 100) }, step{0, at(alice, home), Verdict{Known: true, Wait: longestWait}}},
		"known: not for others":    {known, step{0, at("bob", home), Verdict{First: true}}},
		"known: forgotten":         {known, step{31 * 24 * time.Hour, at(alice, home), Verdict{First: true}}},
		"a proxy: never refused": {
			func(tb *Table) { tb.fail(start, Who{alice, netip.MustParseAddr(away), true}, 50) },
			step{0, Who{User: alice, Remote: netip.MustParseAddr(away), Trusted: true}, Verdict{Wait: longestWait}},
		},
		"a network that tries everybody": {
			func(tb *Table) {
				for i := range 200 {
					tb.fail(start, at(fmt.Sprint("user", i), away), 1)
				}
			},
			step{0, at(alice, away), Verdict{Wait: longestWait, First: true}},
		},
		"a user whom everybody tries": {
			func(tb *Table) {
				for i := range 200 {
					tb.fail(start, at(alice, fmt.Sprint("203.0.113.", i)), 1)
				}
			},
			step{0, at(alice, away), Verdict{Wait: userWait, First: true}},
		},
		"a user whom everybody tries, at home": {
			func(tb *Table) {
				known(tb)
				for i := range 200 {
					tb.fail(start, at(alice, fmt.Sprint("203.0.113.", i)), 1)
				}
			},
			step{0, at(alice, home), Verdict{Known: true, First: true}},
		},
		"no address": {func(tb *Table) { tb.fail(start, Who{User: alice}, 20) }, step{0, Who{User: alice}, Verdict{Refuse: true}}},
	} {
		tb := New(start)
		tc.before(tb)
		if got := tb.Try(start.Add(tc.after), tc.who); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

// TestAtOnce: attempts that nobody has answered yet count, too.
func TestAtOnce(t *testing.T) {
	tb, w := New(start), at("alice", "192.0.2.1")
	let := 0
	for range 1000 {
		if !tb.Try(start, w).Refuse {
			let++
		}
	}
	if let != 7 {
		t.Errorf("%d attempts at once are let through", let)
	}
	for range 7 {
		tb.Withdraw(start, w)
	}
	if v := tb.Try(start, w); v.Refuse {
		t.Errorf("what came to nothing counts: %+v", v)
	}
}

// TestSlow: who goes on is let through twice an hour.
func TestSlow(t *testing.T) {
	tb, w, let := New(start), at("alice", "192.0.2.1"), 0
	for now := start; now.Before(start.Add(24 * time.Hour)); now = now.Add(time.Minute) {
		if !tb.Try(now, w).Refuse {
			tb.Failed(now, w)
			let++
		}
	}
	if let < 40 || let > 60 {
		t.Errorf("%d guesses a day", let)
	}
}

// TestNetworkCounts: Failed tells how many were wrong of late at a network.
func TestNetworkCounts(t *testing.T) {
	tb := New(start)
	var n int
	for i := range 50 {
		n = tb.Failed(start, at(fmt.Sprint("user", i), "192.0.2.1"))
	}
	later := tb.Failed(start.Add(30*time.Minute), at("alice", "192.0.2.1"))
	trusted := tb.Failed(start, Who{User: "alice", Remote: netip.MustParseAddr("192.0.2.1"), Trusted: true})
	if n != 50 || later != 21 || trusted != 0 {
		t.Errorf("%d, later %d, of a proxy %d", n, later, trusted)
	}
}

// TestKnownIsBounded: whoever logs in from everywhere forgets his own networks, and
// nearly nobody else's.
func TestKnownIsBounded(t *testing.T) {
	tb := New(start)
	for i := range 100 {
		tb.Succeeded(start, at(fmt.Sprint("user", i), "192.0.2.1"))
	}
	for i := range 100_000 {
		tb.Succeeded(start.Add(time.Hour), at("traveller", fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)))
	}
	forgotten := 0
	for i := range 100 {
		if !tb.Try(start.Add(time.Hour), at(fmt.Sprint("user", i), "192.0.2.1")).Known {
			forgotten++
		}
	}
	if forgotten > 5 {
		t.Errorf("%d of 100 are forgotten", forgotten)
	}
}

func BenchmarkKnown(b *testing.B) {
	tb, w := New(start), at("alice@example.test", "192.0.2.1")
	for b.Loop() {
		tb.Try(start, w)
		tb.Succeeded(start, w)
	}
}
