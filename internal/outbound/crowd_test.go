package outbound

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/queue"
)

// shared is n domains that have one host.
func shared(n int) (zone string) {
	zone = "mx.test A 192.0.2.1\n"
	for i := range n {
		zone += fmt.Sprintf("d%d.test MX 10 mx.test.\nd%d.test MX 20 other.test.\n", i, i)
	}
	return zone + "other.test A 192.0.2.2\n"
}

// Many domains, one host that has died in the middle of a message: no more than so many
// find that out, some wait a moment, and none holds up what goes elsewhere for longer.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, shared(40), map[string]string{"192.0.2.1": "end: hang", "192.0.2.2": ""}, func(o *Options) { o.PerHost = 5 })
		began := time.Now()
		var mu sync.Mutex
		got := map[string]int{}
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				r := w.out.deliver(t.Context(), mail(fmt.Sprintf("x@d%d.test", i)))[0]
				mu.Lock()
				defer mu.Unlock()
				got[fmt.Sprint(r.Outcome == queue.Crowded, " after ", time.Since(began))]++
			})
		}
		synctest.Wait()
		if n := w.connections(); n != 5 {
			t.Errorf("%d connections", n)
		}
		all.Wait()
		if got["true after 0s"] != 25 || got["true after 10s"] != 10 || got["false after 10m0s"] != 5 {
			t.Errorf("crowded: %v", got)
		}
		if n := len(w.servers["192.0.2.2"].Messages()); n != 0 {
			t.Errorf("%d messages have gone to the host that is less preferred", n)
		}
		if len(w.out.crowd.hosts) != 0 {
			t.Errorf("%v is remembered", w.out.crowd.hosts)
		}
	})
}

// Nobody is refused, and nobody is asked for again at once, while another host is
// crowded.
func TestCrowdedInPart(t *testing.T) {
	for rules, want := range map[string]string{
		"RCPT: 450 4.2.0 Greylisted": "deferred: 450 4.2.0 Greylisted (equal.test [192.0.2.2])",
		"offers: SIZE 1":             "deferred: 451 4.3.2 Enough mail from here is on its way to mx.test already; this waits for its turn",
		"":                           "accepted: 250 2.0.0 Taken (equal.test [192.0.2.2])",
	} {
		synctest.Test(t, func(t *testing.T) {
			const zone = "a.test MX 10 mx.test.\na.test MX 10 equal.test.\nmx.test A 192.0.2.1\nequal.test A 192.0.2.2"
			w := newWorld(t, zone, map[string]string{"192.0.2.1": "", "192.0.2.2": rules}, func(o *Options) { o.PerHost = 1 })
			w.out.crowd.enter(t.Context(), "mx.test")
			if got := w.deliver(mail("x@a.test")); got != want {
				t.Errorf("%s:\ngot  %s\nwant %s", rules, got, want)
			}
			w.out.crowd.leave("mx.test", true)
		})
	}
}

// With a queue behind it, everything arrives over the few connections that there may be,
// and waiting for them is no attempt.
func TestCrowdedQueue(t *testing.T) {
	const domains = 200
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, shared(domains), map[string]string{"192.0.2.1": ""}, func(o *Options) { o.PerHost = 2 })
		engine := memkv.New(memkv.Options{})
		q := queue.New(queue.Options{
			Settings: queue.Settings{Hostname: "our.example.test", Postmaster: mailbox("postmaster@example.test")},
			Engine:   engine, Blobs: memblob.New(memblob.Options{}),
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		busy := 0
		var mu sync.Mutex
		running.Go(func() {
			_ = q.Run(ctx, func(ctx context.Context, j *queue.Job) []queue.Result {
				results := w.out.Deliver(ctx, j)
				mu.Lock()
				defer mu.Unlock()
				if results[0].Outcome == queue.Crowded {
					busy++
				} else if results[0].Outcome != queue.Accepted {
					t.Error(tell(results[0]))
				}
				return results
			})
		})
		for i := range domains {
			m := mail(fmt.Sprintf("x@d%d.test", i)).message
			m.Body = queue.Body{Data: []byte(letter)}
			shard := queue.ShardOf(m.ID)
			if err := engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return queue.Put(tx.In(shard), m) }); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute) // less than the first pause after an attempt that failed
		if n := len(w.servers["192.0.2.1"].Messages()); n != domains {
			t.Errorf("%d messages have arrived, after %d deliveries stepped aside", n, busy)
		}
		cancel()
		running.Wait()
	})
}

// The window grows with what goes well, and is halved by what does not.
func TestWindow(t *testing.T) {
	c := newCrowd(20)
	host := &throng{window: firstInside, inside: 2000}
	c.hosts["mx.test"] = host
	var got []string
	for _, good := range []bool{true, true, false, false, false, false, false, true} {
		c.leave("mx.test", good)
		got = append(got, fmt.Sprintf("%.1f", host.window))
	}
	for range 1000 {
		c.leave("mx.test", true)
	}
	if got := strings.Join(append(got, fmt.Sprint(host.window)), " "); got != "10.1 10.2 5.1 2.5 1.3 1.0 1.0 2.0 20" {
		t.Error(got)
	}
}

// Whoever has no more time is let go, and takes no place with him.
func TestCrowdCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(1)
		c.enter(t.Context(), "mx.test")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if c.enter(ctx, "mx.test") {
			t.Error("entered")
		}
		c.leave("mx.test", true)
		if !c.enter(t.Context(), "mx.test") {
			t.Error("there is no place any more")
		}
		c.leave("mx.test", true)
	})
}
