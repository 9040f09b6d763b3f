package rates

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestTake(t *testing.T) {
	table, limit := New(start), Limit{3, time.Minute}
	alice, bob := table.User(1, "alice"), table.User(1, "bob")
	now := start
	take := func(k Key, want time.Duration) {
		t.Helper()
		if got := table.Take(now, k, limit); got != want {
			t.Errorf("at %v: wait %v, want %v", now.Sub(start), got, want)
		}
	}
	take(alice, 0)
	take(alice, 0)
	take(alice, 0)
	take(alice, 20*time.Second)
	take(alice, 20*time.Second) // a refusal costs nothing
	take(bob, 0)
	take(table.User(2, "alice"), 0) // something else of hers
	now = now.Add(15 * time.Second)
	take(alice, 5*time.Second)
	now = now.Add(5 * time.Second)
	if wait := table.Wait(now, alice, limit); wait != 0 {
		t.Errorf("wait %v", wait)
	}
	take(alice, 0)
	take(alice, 20*time.Second)
	now = now.Add(time.Hour)
	take(alice, 0)
	take(alice, 0)
	take(alice, 0)
	take(alice, 20*time.Second)
	if table.Take(now, alice, Limit{}) != 0 {
		t.Error("no limit is one")
	}
	var none *Table
	if none.Take(now, none.User(1, "x"), limit) != 0 || none.Wait(now, none.Client(1, netip.Addr{}), limit) != 0 {
		t.Error("no table counts")
	}
}

func TestClients(t *testing.T) {
	table := New(start)
	key := func(ip string) Key { return table.Client(1, netip.MustParseAddr(ip)) }
	for _, tc := range []struct {
		a, b      string
		one, wide bool
	}{
		{"192.0.2.1", "::ffff:192.0.2.1", true, true},
		{"192.0.2.1", "192.0.2.2", false, true},
		{"192.0.2.1", "192.1.2.1", false, false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::2", true, true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false, true},
		{"2001:db8:1:2::1", "2001:db9:1:2::1", false, false},
	} {
		a, b := key(tc.a), key(tc.b)
		if a.one == b.one != tc.one || a.wide == b.wide != tc.wide {
			t.Errorf("%s and %s: one %v, wide %v", tc.a, tc.b, a.one == b.one, a.wide == b.wide)
		}
	}
}

// naive remembers when everything happened.
type naive map[Key][]time.Time

// within counts what happened in a time that ends now.
func (n naive) within(k Key, now time.Time, d time.Duration) int {
	count := 0
	for _, t := range n[k] {
		if now.Sub(t) < d {
			count++
		}
	}
	return count
}

// Whoever does what at whatever moments: nobody gets more than the burst and the rate
// allow; who is told to wait, and does, gets what he asked for; who has been silent for
// as long as it takes has everything again. It makes no difference who else is there.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := newTable(start, 4, 4)
		limit := Limit{rapid.IntRange(1, 5).Draw(rt, "count"), time.Duration(rapid.IntRange(1, 100).Draw(rt, "per")) * time.Second}
		did, now := naive{}, start
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(limit.Per)).Draw(rt, "later")))
			who := table.User(1, fmt.Sprint(rapid.IntRange(0, 6).Draw(rt, "who"))) // as many as one set has slots
			wait := table.Take(now, who, limit)
			recent := did.within(who, now, limit.Per)
			switch {
			case wait == 0:
				did[who] = append(did[who], now)
				if n := did.within(who, now, limit.Per); n >= 2*limit.Count {
					rt.Fatalf("%d within %v, the limit is %d", n, limit.Per, limit.Count)
				}
			case recent == 0:
				rt.Fatal("was silent, and has to wait")
			case wait > limit.Per:
				rt.Fatalf("is to wait for %v", wait)
			default:
				if table.Wait(now.Add(wait-1), who, limit) == 0 || table.Wait(now.Add(wait), who, limit) != 0 {
					rt.Fatalf("it is not %v that he has to wait", wait)
				}
			}
		}
	})
}

// However many addresses somebody has: what he gets is bounded by the slots and his
// share of the crowd, nobody else's count is forgotten over it, and who comes from
// elsewhere is served.
func TestCrowd(t *testing.T) {
	const sets = 16
	table, limit := newTable(start, sets, 64), Limit{10, time.Hour}
	victim := table.Client(1, netip.MustParseAddr("192.0.2.1"))
	for range limit.Count {
		if table.Take(start, victim, limit) != 0 {
			t.Fatal("too early")
		}
	}
	taken := 0
	for i := range 100_000 {
		ip := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 4: byte(i >> 16), 5: byte(i >> 8), 6: byte(i)})
		if table.Take(start, table.Client(1, ip), limit) == 0 {
			taken++
		}
	}
	if most := sets*slotsOfSet*limit.Count + crowdLimit*limit.Count; taken > most {
		t.Errorf("%d taken, at most %d", taken, most)
	}
	if table.Wait(start, victim, limit) == 0 {
		t.Error("the count of one was forgotten")
	}
	if table.Take(start, table.Client(1, netip.MustParseAddr("198.51.100.1")), limit) != 0 {
		t.Error("somebody from elsewhere is refused")
	}
}

func TestHugeLimits(t *testing.T) {
	table := New(start)
	k := table.User(1, "alice")
	for range 1000 {
		if table.Take(start, k, Limit{math.MaxInt32, time.Hour}) != 0 {
			t.Fatal("refused")
		}
	}
}

func BenchmarkTake(b *testing.B) {
	table, limit := New(start), Limit{1000, time.Minute}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ip := netip.MustParseAddr("2001:db8::1")
		for i := 0; pb.Next(); i++ {
			table.Take(start.Add(time.Duration(i)*time.Millisecond), table.Client(1, ip), limit)
		}
	})
}

// BenchmarkCrowd is the same when all slots are taken.
func BenchmarkCrowd(b *testing.B) {
	table, limit := newTable(start, 1, 1), Limit{1, time.Hour}
	for i := range 100 {
		table.Take(start, table.User(1, fmt.Sprint(i)), limit)
	}
	b.ReportAllocs()
	ip := netip.MustParseAddr("192.0.2.1")
	for range b.N {
		table.Take(start, table.Client(1, ip), limit)
	}
}
