package abuse

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

var limits = Limits{Hour: 1000, Burst: 500, Refused: 100, Percent: 33, Abroad: 100}

func TestDecide(t *testing.T) {
	for _, tc := range []struct {
		facts Facts
		want  Rule
	}{
		{Facts{}, ""},
		{Facts{Hour: 1000, Burst: 500, Refused: 99, Abroad: 100}, ""},
		{Facts{Hour: 1001, Burst: 1}, Recipients},
		{Facts{Hour: 501, Burst: 501}, Burst},
		{Facts{Hour: 303, Refused: 100}, Refusals},
		{Facts{Hour: 304, Refused: 100}, ""},
		{Facts{Refused: 100}, Refusals}, // of what was submitted before
		{Facts{Hour: 101, Abroad: 101}, Country},
	} {
		if got := Decide(&limits, &tc.facts); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.facts, got, tc.want)
		}
		if got := Decide(&Limits{}, &tc.facts); got != "" {
			t.Errorf("%+v: without limits %q", tc.facts, got)
		}

	}
}

func TestWhy(t *testing.T) {
	if h := (Hold{Rule: Secured}); !strings.Contains(h.Why(), "secured") {
		t.Error(h.Why())
	}
	facts := Facts{Hour: 700, Burst: 600, Refused: 300, Abroad: 200}
	for rule, want := range map[Rule]string{
		Recipients: "mail to 700 recipients within 60 minutes",
		Burst:      "mail to 600 recipients within 5 minutes",
		Refusals:   "mail to 700 recipients within 60 minutes, of whom 300 do not exist or were refused",
		Country:    "mail to 200 recipients within 60 minutes, from a country that is new to the account",
	} {
		if h := (Hold{Rule: rule, Facts: facts}); h.Why() != want {
			t.Errorf("%s: %s", rule, h.Why())
		}
	}
}

// countries are where addresses are in these tests.
func countries(ip netip.Addr) string {
	return map[string]string{"192.0.2.1": "DE", "192.0.2.2": "FR", "192.0.2.3": "CN"}[ip.String()]
}

func open(t *testing.T, engine kv.Engine) *Watch {
	t.Helper()
	w := New(Options{Engine: engine, Country: countries})
	if err := w.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// submit is a message to so many from an address.
func submit(w *Watch, account uint64, ip string, recipients int) (Rule, bool) {
	h, held := w.Count(context.Background(), Act{
		Account: account, Address: fmt.Sprintf("user%d@example.test", account), Remote: netip.MustParseAddr(ip), Recipients: recipients, Limits: &limits,
	})
	return h.Rule, held
}

// TestHour: what was done an hour ago does not count, and five minutes ago is no burst.
func TestHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, memkv.New(memkv.Options{}))
		for i := range 24 {
			if rule, held := submit(w, 1, "10.0.0.1", 500); held {
				t.Fatalf("held after %d: %s", i, rule)
			}
			time.Sleep(31 * time.Minute)
		}
		time.Sleep(time.Hour)
		for i := range 10 {
			if rule, held := submit(w, 2, "10.0.0.1", 100); held {
				t.Fatalf("held after %d: %s", i, rule)
			}
			time.Sleep(100 * time.Second)
		}
		if rule, _ := submit(w, 2, "10.0.0.1", 1); rule != Recipients {
			t.Errorf("the 1001st: %q", rule)
		}
		if l := w.ledgers[2]; len(l.minutes) > 60 {
			t.Errorf("%d minutes are kept", len(l.minutes))
		}
	})
}

// TestKept: a hold is there after a restart, and on other nodes, and so is its end; nothing
// is counted against whoever was released.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{Rerun: true})
		w, other := open(t, engine), open(t, engine)
		go other.Run(t.Context(), func(context.Context, Hold) error { return nil })
		if rule, held := submit(w, 1, "10.0.0.1", 501); rule != Burst || !held {
			t.Fatalf("%q, %v", rule, held)
		}
		synctest.Wait()
		for name, w := range map[string]*Watch{"here": w, "on another node": other, "after a restart": open(t, engine)} {
			if rule, held := submit(w, 1, "10.0.0.1", 1); rule != Burst || !held {
				t.Errorf("%s: %q, %v", name, rule, held)
			}
			if _, held := submit(w, 2, "10.0.0.1", 1); held {
				t.Errorf("%s: somebody else is held, too", name)
			}
			h, _ := w.Held(1)
			if h.Why() != "mail to 501 recipients within 5 minutes" || h.Address != "user1@example.test" || !h.Since.Equal(time.Now()) || len(w.List()) != 1 {
				t.Errorf("%s: %+v", name, h)
			}
		}
		if _, err := other.Release(t.Context(), 2); !fault.Is(err, fault.NotFound) {
			t.Errorf("released who was not held: %v", err)
		}
		if h, err := other.Release(t.Context(), 1); err != nil || h.Rule != Burst {
			t.Errorf("%+v, %v", h, err)
		}
		if err := w.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, w := range []*Watch{w, other, open(t, engine)} {
			if rule, held := submit(w, 1, "10.0.0.1", 500); held {
				t.Errorf("held again: %q", rule)
			}
		}
	})
}

// TestRefused: what others refuse counts, whenever they say it, under the limits that
// the account had; of an account that has submitted nothing of late nothing follows.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, memkv.New(memkv.Options{}))
		refuse := func(account uint64) bool {
			_, held := w.Count(t.Context(), Act{Account: account, Refused: 1})
			return held
		}
		submit(w, 1, "10.0.0.1", 300)
		submit(w, 2, "10.0.0.1", 400)
		for i := range 200 {
			if held := refuse(1); held != (i >= 99) {
				t.Fatalf("after %d refusals of 300: %v", i+1, held)
			}
			if held := refuse(2); held != (i >= 131) {
				t.Fatalf("after %d refusals of 400: %v", i+1, held)
			}
			if refuse(3) || refuse(0) {
				t.Fatal("held whose limits are not known")
			}
		}
		var none *Watch
		if _, held := none.Count(t.Context(), Act{Account: 1, Refused: 1000, Limits: &limits}); held {
			t.Error("no watch holds")
		}
	})
}

// TestCountry: whoever comes to another country may write to some people; after a week, or
// when somebody has said that it is him, to as many as at home.
func TestCountry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{Rerun: true})
		w := open(t, engine)
		want := func(what, ip string, n int, want Rule) {
			t.Helper()
			if rule, _ := submit(w, 1, ip, n); rule != want {
				t.Errorf("%s: %q, want %q", what, rule, want)
			}
		}
		want("the first country", "192.0.2.1", 300, "")
		time.Sleep(2 * time.Hour)
		want("a traveller", "192.0.2.2", 100, "")
		want("nobody knows where", "10.0.0.1", 101, "")
		want("at home", "192.0.2.1", 101, "")
		w = open(t, engine)
		want("many, after a restart", "192.0.2.2", 101, Country)
		if _, err := w.Release(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		want("said to be him", "192.0.2.2", 300, "")
		time.Sleep(2 * time.Hour)
		want("a traveller again", "192.0.2.3", 100, "")
		time.Sleep(settling)
		want("after a week", "192.0.2.3", 300, "")
	})
}

func TestManyCountries(t *testing.T) {
	h, now := homes{}, time.Unix(0, 0)
	for i := range 1000 {
		now = now.Add(time.Hour)
		h.visit(fmt.Sprint(i), now)
		h.visit("home", now)
		if len(h) > maxCountries || h.isNew("home", now) || i > 0 && !h.isNew(fmt.Sprint(i), now) {
			t.Fatalf("after %d: %v", i, h)
		}
	}
}

// TestTold: each hold is told once, on whichever node; again, if that failed.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{})
		var told []string
		down := true
		tell := func(_ context.Context, h Hold) error {
			told = append(told, h.Why())
			if down {
				return errors.New("down")
			}
			return nil
		}
		a, b := open(t, engine), open(t, engine)
		ctx, stop := context.WithCancel(t.Context())
		go a.Run(ctx, tell)
		submit(a, 1, "10.0.0.1", 501)
		submit(a, 1, "10.0.0.1", 501)
		synctest.Wait()
		stop()
		synctest.Wait()
		if len(told) != 1 {
			t.Fatalf("told %q", told)
		}
		down = false
		go a.Run(t.Context(), tell)
		go b.Run(t.Context(), tell)
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(told) != 2 || told[1] != told[0] {
			t.Errorf("told %q", told)
		}
		if err := a.Remove(t.Context(), 1); err != nil || len(a.List()) != 0 {
			t.Error(err)
		}
	})
}

// TestMemory: however many accounts there are, those that have done nothing for an hour
// make room.
func TestMemory(t *testing.T) {
	w := New(Options{Engine: memkv.New(memkv.Options{})})
	now := time.Unix(0, 0)
	count := func(account uint64) bool {
		l := w.ledger(account, now)
		if l != nil {
			l.add(now, minute{tried: 1})
		}
		return l != nil
	}
	for i := range maxLedgers + 10 {
		if count(uint64(i)) != (i < maxLedgers) {
			t.Fatalf("account %d", i)
		}
	}
	now = now.Add(2 * time.Hour)
	if !count(maxLedgers) || len(w.ledgers) != 1 {
		t.Errorf("%d are counted", len(w.ledgers))
	}
}

// TestFull: what is held of one account is bounded, until it is released.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, memkv.New(memkv.Options{Rerun: true}))
		submit(w, 1, "10.0.0.1", 501)
		for i := range 20 {
			if full := w.Full(1); full != (i >= 16) || w.Full(2) {
				t.Fatalf("after %d: %v", i, full)
			}
			w.Count(t.Context(), Act{Account: 1, Recipients: 1, Size: 64 << 20})
			w.Count(t.Context(), Act{Account: 2, Recipients: 1, Size: 64 << 20, Limits: &limits})
		}
		if _, err := w.Release(t.Context(), 1); err != nil || w.Full(1) {
			t.Errorf("full when released, %v", err)
		}
		var none *Watch
		if none.Full(1) || len(none.List()) > 0 || none.Load(t.Context()) != nil {
			t.Error("no watch is full")
		}
	})
}

func BenchmarkCount(b *testing.B) {
	w := New(Options{Engine: memkv.New(memkv.Options{})})
	all := Limits{Hour: 1 << 60}
	b.ReportAllocs()
	for b.Loop() {
		w.Count(b.Context(), Act{Account: 1, Address: "alice@example.test", Recipients: 1, Limits: &all})
	}
}
