package history

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/obs"
)

// traffic makes events as a busy server has them: many senders, recipients and
// clients, and what became of each message.
type traffic struct {
	dice *rand.Rand
	at   time.Time
	n    int
}

func newTraffic() *traffic {
	return &traffic{dice: rand.New(rand.NewPCG(1, 2)), at: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
}

// message gives the events of one message: it came in, and a third of them went out.
func (t *traffic) message() []*obs.Event {
	t.n++
	t.at = t.at.Add(time.Duration(t.dice.IntN(1_200_000)) * time.Microsecond)
	name := func(kind string, n int) string { return fmt.Sprintf("%s%d", kind, t.dice.IntN(n)) }
	in := &obs.Event{
		Kind: obs.Accepted, Time: t.at, Message: fmt.Sprintf("06h%07x%06x", t.at.UnixMilli()>>8&0xfffffff, t.dice.IntN(1<<24)),
		MessageID: fmt.Sprintf("<%016x.%08x@%s.test>", t.dice.Uint64(), t.dice.Uint32(), name("mail", 5000)),
		Conn:      fmt.Sprintf("%08x", t.dice.Uint32()), Protocol: "smtp", TLS: "TLS 1.3",
		Remote: netip.AddrFrom4([4]byte{192, 0, byte(t.dice.IntN(40)), byte(t.dice.IntN(256))}), Hello: name("relay", 5000) + ".remote.test",
		From: name("sender", 50_000) + "@" + name("remote", 5000) + ".test", Size: int64(t.dice.IntN(100_000)),
		Took: time.Duration(t.dice.IntN(2_000_000)) * time.Microsecond,
		To:   []obs.EventRecipient{{Address: name("user", 2000) + "@example.test", Accounts: []uint64{uint64(t.dice.IntN(2000))}}},
	}
	if t.n%3 != 0 {
		return []*obs.Event{in}
	}
	domain := name("remote", 5000) + ".test"
	out := &obs.Event{
		Kind: obs.Delivered, Time: t.at.Add(time.Second), Message: in.Message, From: in.From,
		To: []obs.EventRecipient{{Address: name("bob", 50_000) + "@" + domain}}, Destination: domain,
		Host:  fmt.Sprintf("mx%d.%s [198.51.%d.%d]", t.dice.IntN(3), domain, t.dice.IntN(100), t.dice.IntN(256)),
		Reply: fmt.Sprintf("250 2.0.0 Ok: queued as %010X", t.dice.Uint64()>>24), Attempts: 1,
	}
	in.To[0] = obs.EventRecipient{Address: out.To[0].Address, Queued: true}
	return []*obs.Event{in, out}
}

// unlogged is a history without a log.
func unlogged(engine kv.Engine) *History {
	return New(Options{Engine: engine, Days: 14, Logger: slog.New(slog.DiscardHandler)})
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRecord is what an event costs whoever tells it; cpu-ns is with what writes
// it, stored-B what there then is of it.
func BenchmarkRecord(b *testing.B) {
	engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Close()
	h := unlogged(engine)
	t := newTraffic()
	var events []*obs.Event
	for len(events) < 5000 {
		events = append(events, t.message()...)
	}
	b.ReportAllocs()
	n, before := 0, cpuTime()
	for ; b.Loop(); n++ {
		h.Record(events[n%len(events)])
		h.catchUp()
	}
	h.Close(context.Background())
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(n), "cpu-ns/event")
	h.report(b)
}

// catchUp waits for the writer, so that no event is given up.
func (h *History) catchUp() {
	for h.waitingBytes() > maxWaiting/2 {
		time.Sleep(10 * time.Millisecond) // of which no time of the processor is measured
	}
}

// report tells how many bytes a stored event has.
func (h *History) report(b *testing.B) {
	bytes, events, indexes := 0, 0, 0
	err := h.engine.Shards(context.Background(), h.prefix, func(s kv.Shard) bool {
		return h.engine.View(context.Background(), s, func(r kv.Reader) error {
			return r.Scan(kv.Range{}, func(k, v []byte) bool {
				bytes += len(k) + len(v)
				if k[0] == indexKey {
					indexes += len(v)
				} else if err := readBatch(v, func(*obs.Event) { events++ }); err != nil {
					b.Error(err)
				}
				return true
			})
		}) == nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(bytes)/float64(events), "stored-B/event")
	b.ReportMetric(float64(indexes)/float64(events), "index-B/event")
}

// BenchmarkSearch looks for something among a million events of fourteen days.
func BenchmarkSearch(b *testing.B) {
	engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Close()
	h := unlogged(engine)
	t := newTraffic()
	var rare *obs.Event
	for n := 0; n < 1_000_000; {
		for _, e := range t.message() {
			h.Record(e)
			n++
			if n == 10_000 {
				rare = e
			}
		}
		h.catchUp()
	}
	h.Close(context.Background())
	for what, name := range map[string]string{
		"id": rare.Message, "address": rare.To[0].Address, "ip": "192.0.7.7", "domain": "remote77.test", "own": "example.test", "nothing": "nobody@nowhere.test",
	} {
		b.Run(what, func(b *testing.B) {
			found := 0
			for b.Loop() {
				answer, err := h.Search(context.Background(), Query{What: name})
				if err != nil {
					b.Fatal(err)
				}
				found = len(answer.Lives)
			}
			b.ReportMetric(float64(found), "found")
		})
	}
	h.report(b)
}
