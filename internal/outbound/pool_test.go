package outbound

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/queue"
	"posthorn/internal/smtpclient"
)

const taken = "accepted: 250 2.0.0 Taken (mx.test [192.0.2.1])"

// Domains that share a host share connections to it.
func TestReuse(t *testing.T) {
	const zone = "a.test MX 1 mx.test.\nb.test MX 1 mx.test.\nmx.test A 192.0.2.1"
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, zone, map[string]string{"192.0.2.1": ""}, nil)
		s := w.servers["192.0.2.1"]
		for i, step := range []struct {
			to          string
			wait        time.Duration
			connections int
		}{
			{"x@a.test", 0, 1},
			{"x@a.test", 9 * time.Second, 1},
			{"x@b.test", 9 * time.Second, 1},
			{"x@b.test", 11 * time.Second, 2}, // we have said goodbye in the meantime
		} {
			time.Sleep(step.wait)
			if got := w.deliver(mail(step.to)); got != taken {
				t.Error(got)
			}
			if n := s.Connections(); n != step.connections {
				t.Errorf("%d connections after %d messages", n, i+1)
			}
		}
		time.Sleep(11 * time.Second)
		said := s.Said()
		if w.connections() != 0 || said[len(said)-1] != "QUIT" {
			t.Errorf("%d connections are open; the last word was %s", w.connections(), said[len(said)-1])
		}
	})
}

// A connection that the server has given up while it waited is replaced without a
// word, whatever way it went.
func TestStale(t *testing.T) {
	for _, rules := range []string{"MAIL: close", "MAIL: 421 4.4.2 Too long!close", "MAIL: garbage", "RCPT: close", "DATA: close"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "a.test MX 1 mx.test.\nmx.test A 192.0.2.1", map[string]string{"192.0.2.1": ""}, nil)
			s := w.servers["192.0.2.1"]
			w.deliver(mail("x@a.test"))
			s.Set(rules)
			w.onDial = func() { s.Set("") } // the new connection finds the server in order again
			if got := w.deliver(mail("x@a.test")); got != taken {
				t.Errorf("%s: %s", rules, got)
			}
			if n := len(s.Messages()); n != 2 {
				t.Errorf("%s: %d messages", rules, n)
			}
		})
	}
}

// A refusal over a connection that had waited is a refusal all the same.
func TestNotStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a.test MX 1 mx.test.\nmx.test A 192.0.2.1", map[string]string{"192.0.2.1": ""}, nil)
		s := w.servers["192.0.2.1"]
		w.deliver(mail("x@a.test"))
		for rules, want := range map[string]string{
			"MAIL: 550 5.7.1 No": "refused: 550 5.7.1 No (mx.test [192.0.2.1])",
			"RCPT: 450 4.2.0 No": "deferred: 450 4.2.0 No (mx.test [192.0.2.1])",
			"end: 450 4.2.0 No":  "deferred: 450 4.2.0 No (mx.test [192.0.2.1])",
		} {
			s.Set(rules)
			if got := w.deliver(mail("x@a.test")); got != want || s.Connections() != 1 {
				t.Errorf("%s: %s, after %d connections", rules, got, s.Connections())
			}
		}
	})
}

// Connections are not shared between those who are somebody else to the server, and
// carry no more than so many messages each.
func TestDoors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zone := "a.test MX 1 mx.test.\nb.test MX 1 mx.test.\nmx.test A 192.0.2.1"
		w := newWorld(t, zone, map[string]string{"192.0.2.1": "offers: STARTTLS, AUTH PLAIN"}, func(o *Options) {
			o.Routes = []Route{
				{Domains: []string{"a.test"}, Transport: SmartHost, Hosts: []string{"mx.test:25"}, Auth: &smtpclient.Credentials{User: "u"}, TLS: smtpclient.TLSRequired},
			}
		})
		for _, to := range []string{"x@a.test", "x@b.test", "x@a.test", "x@b.test"} {
			if got := w.deliver(mail(to)); got != taken {
				t.Error(got)
			}
		}
		if n := w.servers["192.0.2.1"].Connections(); n != 2 {
			t.Errorf("%d connections", n)
		}
		for range maxMessages {
			w.deliver(mail("x@b.test"))
		}
		if n := w.servers["192.0.2.1"].Connections(); n != 3 {
			t.Errorf("%d connections", n)
		}
	})
}

// The pool is bounded, and closed it keeps nothing.
func TestPoolIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a.test A 192.0.2.1", map[string]string{"192.0.2.1": "DATA: 354 Go on"}, nil)
		var all sync.WaitGroup
		deliver := func() {
			for range 2 * maxIdlePerDoor {
				all.Go(func() { w.deliver(mail("x@a.test")) })
			}
			all.Wait()
			synctest.Wait()
		}
		deliver()
		if n := w.connections(); n > maxIdlePerDoor {
			t.Errorf("%d connections wait", n)
		}
		w.out.Close()
		if n := w.connections(); n != 0 {
			t.Errorf("%d connections are open after Close", n)
		}
		deliver()
		if n := w.connections(); n != 0 {
			t.Errorf("%d connections wait after Close", n)
		}
	})
}

// A delivery that is broken off returns at once and leaves nothing behind, wherever
// it was.
func TestBrokenOff(t *testing.T) {
	for _, tc := range []struct{ zone, rules string }{
		{"a.test !timeout", ""},
		{"a.test MX 1 mx.test.\nmx.test !timeout", ""},
		{"a.test A 203.0.113.1", ""},
		{"a.test A 192.0.2.1", "greeting: hang"},
		{"a.test A 192.0.2.1", "offers: STARTTLS\nhandshake: hang"},
		{"a.test A 192.0.2.1", "RCPT: hang"},
		{"a.test A 192.0.2.1", "end: hang"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, tc.zone, map[string]string{"192.0.2.1": tc.rules}, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			start := time.Now()
			results := w.out.deliver(ctx, mail("x@a.test", "y@a.test"))
			if len(results) != 2 || time.Since(start) != 2*time.Second {
				t.Errorf("%s, %s: after %v: %v", tc.zone, tc.rules, time.Since(start), results)
			}
			for _, r := range results {
				if r.Outcome != queue.Deferred || fmt.Sprint(r.Reply) != "451 4.3.2 The attempt was broken off; it will be repeated" {
					t.Errorf("%s, %s: %s", tc.zone, tc.rules, tell(r))
				}
			}
			synctest.Wait()
			if n := w.connections(); n != 0 {
				t.Errorf("%s, %s: %d connections are open", tc.zone, tc.rules, n)
			}
		})
	}
}
