package history

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/obs"
)

// log is a log that is read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func open(t testing.TB, engine kv.Engine) (*History, *logBuffer) {
	log := &logBuffer{}
	h := New(Options{Engine: engine, Days: 14, Logger: slog.New(slog.NewTextHandler(log, nil))})
	t.Cleanup(func() { h.Close(context.Background()) })
	return h, log
}

// accepted is a message that came in; n tells it from others.
func accepted(n int) *obs.Event {
	return &obs.Event{
		Kind: obs.Accepted, Time: time.Now(), Message: fmt.Sprintf("message%09d", n), MessageID: fmt.Sprintf("<Mail-%d@remote.test>", n),
		Conn: "abcdefgh", Protocol: "smtp", Remote: netip.MustParseAddr("192.0.2.1"), Hello: "relay.remote.test",
		From: "Sender@Remote.test", Size: 4711, Took: 1500 * time.Microsecond, TLS: "TLS 1.3",
		To: []obs.EventRecipient{{Address: fmt.Sprintf("to%d@example.test", n), Accounts: []uint64{uint64(100 + n)}}, {Address: "carol@elsewhere.test", Queued: true}},
	}
}

// delivered is what became of it.
func delivered(n int) *obs.Event {
	return &obs.Event{
		Kind: obs.Delivered, Time: time.Now(), Message: fmt.Sprintf("message%09d", n), From: "Sender@Remote.test",
		To: []obs.EventRecipient{{Address: "carol@elsewhere.test"}}, Destination: "elsewhere.test", Host: "mx.elsewhere.test [198.51.100.7]",
		Reply: "250 2.0.0 Queued", Attempts: 1,
	}
}

func find(t testing.TB, h *History, what string) []Life {
	t.Helper()
	answer, err := h.Search(context.Background(), Query{What: what})
	if err != nil {
		t.Fatalf("Search(%q): %v", what, err)
	}
	return answer.Lives
}

// names are those of lives.
func names(lives []Life) string {
	var all []string
	for _, l := range lives {
		var kinds []string
		for _, e := range l.Events {
			kinds = append(kinds, e.Kind.String())
		}
		all = append(all, l.Message+": "+strings.Join(kinds, ", "))
	}
	return strings.Join(all, "\n")
}

// Whoever and whatever was involved leads to the message, before it is written and
// after.
func TestEveryNameFindsTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := open(t, memkv.New(memkv.Options{Rerun: true}))
		h.Record(accepted(7))
		h.Record(accepted(8))
		h.Record(delivered(7))
		h.Record(delivered(8))
		h.Record(&obs.Event{Kind: obs.SenderRefused, Time: time.Now(), Message: "message000000009", Remote: netip.MustParseAddr("2001:db8::9"), Rule: "auth-required"})
		const life = "message000000007: message accepted, delivered"
		const both = life + "\nmessage000000008: message accepted, delivered"
		for _, when := range []string{"before it is written", "after"} {
			for what, want := range map[string]string{
				"message000000007": life, "MESSAGE000000007": life,
				"<Mail-7@remote.test>": life, "mail-7@remote.test": life,
				"to7@example.test": life, "TO7@EXAMPLE.TEST": life,
				"192.0.2.1": both, "::ffff:192.0.2.1": both, "[192.0.2.1]": both, "198.51.100.7": both,
				"sender@remote.test": both, "remote.test": both, "elsewhere.test": both, "carol@elsewhere.test": both,
				"2001:db8:0::9":       "message000000009: sender refused",
				"nobody@example.test": "", "example.org": "", "192.0.2.2": "", "message000000006": "",
			} {
				if got := names(find(t, h, what)); got != want {
					t.Errorf("%s, %s leads to\n%s\nwant\n%s", when, what, got, want)
				}
			}
			answer, err := h.Search(t.Context(), Query{What: "alias@example.test", Accounts: []uint64{107}})
			if got := names(answer.Lives); err != nil || got != life {
				t.Errorf("%s, the account leads to %q, %v", when, got, err)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if n := h.unwritten(); n != 0 {
				t.Fatalf("%d events are not written", n)
			}
		}
	})
}

// An event comes back as it went in.
func TestNothingIsLostOfAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{})
		h, _ := open(t, engine)
		for n := range 3 {
			h.Record(accepted(n))
		}
		h.Close(t.Context())
		h, _ = open(t, engine)
		want := accepted(1)
		lives := find(t, h, "message000000001")
		if len(lives) != 1 || len(lives[0].Events) != 1 || fmt.Sprint(*lives[0].Events[0]) != fmt.Sprint(*want) {
			t.Errorf("%+v\nwant %+v", lives, want)
		}
		h.Record(accepted(4))
		if lives := find(t, h, "192.0.2.1"); len(lives) != 4 {
			t.Errorf("after a restart: %s", names(lives))
		}
	})
}

// The notification about a message belongs to its life, whoever asks.
func TestNotificationsBelongToTheirMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := open(t, memkv.New(memkv.Options{}))
		tell := func(kind obs.EventKind, message, related, to string) {
			time.Sleep(time.Minute)
			h.Record(&obs.Event{Kind: kind, Time: time.Now(), Message: message, Related: related, To: []obs.EventRecipient{{Address: to}}})
		}
		tell(obs.Accepted, "original", "", "bob@remote.test")
		tell(obs.Failed, "original", "", "bob@remote.test")
		tell(obs.Notified, "original", "notification", "bob@remote.test")
		tell(obs.Accepted, "other", "", "alice@elsewhere.test")
		tell(obs.Deferred, "notification", "", "alice@elsewhere.test")
		tell(obs.Delivered, "notification", "", "alice@elsewhere.test")
		const whole = "original: message accepted, failed, notification sent, deferred, delivered"
		for what, want := range map[string]string{
			"original": whole, "notification": whole, "bob@remote.test": whole,
			"alice@elsewhere.test": whole + "\nother: message accepted",
		} {
			if got := names(find(t, h, what)); got != want {
				t.Errorf("%s leads to\n%s\nwant\n%s", what, got, want)
			}
		}
	})
}

// Connections that never got to a message are lives of their own.
func TestConnectionsWithoutAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := open(t, memkv.New(memkv.Options{}))
		for _, conn := range []string{"first", "first", "second"} {
			h.Record(&obs.Event{Kind: obs.AuthFailed, Time: time.Now(), Conn: conn, Remote: netip.MustParseAddr("192.0.2.66"), User: "root", Error: "no such user"})
			time.Sleep(time.Second)
		}
		const want = ": authentication failed, authentication failed\n: authentication failed"
		for _, what := range []string{"192.0.2.66", "root"} {
			if got := names(find(t, h, what)); got != want {
				t.Errorf("%s leads to\n%s", what, got)
			}
		}
	})
}

func TestLimitAndSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := open(t, memkv.New(memkv.Options{}))
		start := time.Now()
		for n := range 72 {
			h.Record(accepted(n))
			time.Sleep(time.Hour)
		}
		h.Record(delivered(1)) // long after its beginning
		search := func(q Query) (string, bool) {
			t.Helper()
			q.What = "192.0.2.1"
			if q.Since.IsZero() {
				q.What = "sender@remote.test"
			}
			answer, err := h.Search(t.Context(), q)
			if err != nil || answer.Kept.After(start) || answer.Kept.Before(start.Add(-24*time.Hour)) {
				t.Fatalf("%+v, %v", answer, err)
			}
			return names(answer.Lives), answer.More
		}
		if got, more := search(Query{Limit: 2}); !more || got != "message000000001: message accepted, delivered\nmessage000000071: message accepted" {
			t.Errorf("the latest two: %v\n%s", more, got)
		}
		if got, more := search(Query{Since: time.Now().Add(-150 * time.Minute)}); more || got != "message000000070: message accepted\nmessage000000071: message accepted" {
			t.Errorf("the last hours: %v\n%s", more, got)
		}
		if got, more := search(Query{Limit: 73}); more || strings.Count(got, "\n") != 71 {
			t.Errorf("all: %v\n%s", more, got)
		}
	})
}

func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{})
		h, log := open(t, engine)
		for n := range 20 { // days
			h.Record(accepted(n))
			time.Sleep(24 * time.Hour)
			if err := h.Forget(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		lives := find(t, h, "192.0.2.1")
		if len(lives) != 14 || lives[0].Message != "message000000006" {
			t.Errorf("left:\n%s", names(lives))
		}
		if n := strings.Count(log.String(), "a day of the history is over"); n != 6 {
			t.Errorf("the log:\n%s", log)
		}
		h.SetDays(0)
		h.Record(accepted(99))
		if err := h.Forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := engine.Shards(t.Context(), "", func(s kv.Shard) bool { t.Errorf("shard %s is left", s); return true }); err != nil {
			t.Fatal(err)
		}
	})
}

// A message to many is found by each of them.
func TestManyRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := open(t, memkv.New(memkv.Options{}))
		e := accepted(1)
		e.To = nil
		for n := range 2*maxTo + 1 {
			e.To = append(e.To, obs.EventRecipient{Address: fmt.Sprintf("bob%d@example.test", n)})
		}
		h.Record(e)
		for _, n := range []int{0, maxTo - 1, maxTo, 2 * maxTo} {
			lives := find(t, h, fmt.Sprintf("bob%d@example.test", n))
			if len(lives) != 1 || len(lives[0].Events) != 3 {
				t.Errorf("bob%d: %s", n, names(lives))
			}
		}
	})
}

// While the engine hangs, nobody waits for it, memory stays bounded, and when it comes
// back the log tells what is missing: the oldest.
func TestSlowEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan struct{})
		engine := memkv.New(memkv.Options{Commit: func() error { <-held; return nil }})
		h, log := open(t, engine)
		n := 0
		for h.lostSoFar() == 0 {
			for range 1000 {
				h.Record(accepted(n))
				n++
			}
			synctest.Wait()
		}
		if h.waitingBytes() > maxWaiting+2*maxBytes {
			t.Errorf("%d bytes wait", h.waitingBytes())
		}
		lost := h.lostSoFar()
		close(held)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if want := fmt.Sprintf(`msg="the store does not keep up: events are missing from the history" events=%d`, lost); !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, log)
		}
		found := 0
		for i := range n {
			if i%500 == 0 {
				found += len(find(t, h, fmt.Sprintf("message%09d", i)))
			}
		}
		if want := (n - lost) / 500; found < want-3 || found > want+3 {
			t.Errorf("%d of %d samples are found, %d of %d events were given up", found, n/500, lost, n)
		}
		if lives := find(t, h, fmt.Sprintf("message%09d", n-1)); len(lives) != 1 {
			t.Error("the latest event is missing")
		}
	})
}

func (h *History) lostSoFar() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

func (h *History) waitingBytes() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bytes
}

// An engine that fails for a while costs nothing.
func TestFailingEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		broken := fault.New(fault.StorageFull, "no room")
		engine := memkv.New(memkv.Options{Commit: func() error { mu.Lock(); defer mu.Unlock(); return broken }})
		h, log := open(t, engine)
		for n := range 2500 {
			h.Record(accepted(n))
		}
		time.Sleep(time.Minute)
		if text := log.String(); !strings.Contains(text, "no room") || strings.Count(text, "cannot be written") > 15 {
			t.Errorf("the log:\n%s", text)
		}
		if lives := find(t, h, "message000000007"); len(lives) != 1 {
			t.Error("what waits is not found")
		}
		mu.Lock()
		broken = nil
		mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := h.unwritten(); n != 0 {
			t.Errorf("%d events are not written", n)
		}
		for _, n := range []int{0, 1000, 2499} {
			if lives := find(t, h, fmt.Sprintf("message%09d", n)); len(lives) != 1 {
				t.Errorf("message %d: %s", n, names(lives))
			}
		}
	})
}

// The end of a process that the engine does not let go in peace is told.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{Commit: func() error { return fault.New(fault.StorageFull, "no room") }})
		h, log := open(t, engine)
		h.Record(accepted(1))
		h.Close(t.Context())
		h.Close(t.Context())
		h.Record(accepted(2))
		if text := log.String(); strings.Count(text, "the last events of the history are lost") != 1 || !strings.Contains(text, "events=1 ") {
			t.Errorf("the log:\n%s", text)
		}
	})
}

// Several processes write to the same engine, and none overwrites another.
func TestManyWriters(t *testing.T) {
	engine := memkv.New(memkv.Options{})
	var group sync.WaitGroup
	at := time.Now()
	for node := range 4 {
		h, _ := open(t, engine)
		group.Go(func() {
			for n := range 3000 {
				e := accepted(node*10_000 + n)
				e.Time = at
				h.Record(e)
				if n%1000 == 0 {
					find(t, h, e.Message)
				}
			}
			h.Close(context.Background())
		})
	}
	group.Wait()
	h, _ := open(t, engine)
	answer, err := h.Search(t.Context(), Query{What: "remote.test", Limit: 20_000})
	if err != nil || len(answer.Lives) != 12_000 || answer.More {
		t.Errorf("%d lives, more %v, %v", len(answer.Lives), answer.More, err)
	}
}

// Damage of one batch costs that batch.
func TestDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memkv.New(memkv.Options{})
		h, log := open(t, engine)
		for n := range 6 {
			h.Record(accepted(n))
			time.Sleep(2 * time.Second)
		}
		shard := h.shardOf(time.Now())
		must(t, engine.Update(t.Context(), []kv.Shard{shard}, func(tx kv.Tx) error {
			w := tx.In(shard)
			var keys [][]byte
			if err := w.Scan(kv.Range{}, func(k, _ []byte) bool { keys = append(keys, slices.Clone(k)); return true }); err != nil {
				return err
			}
			// Of six batches and their indexes: garbage, the future, nothing; an index of the future.
			return firstError(w.Put(keys[0], []byte{batchVersion, 1, 2, 3}), w.Put(keys[1], []byte{99}), w.Delete(keys[2]), w.Put(keys[9], []byte{99}))
		}))
		lives := find(t, h, "192.0.2.1")
		if got := names(lives); got != "message000000003: message accepted\nmessage000000004: message accepted\nmessage000000005: message accepted" {
			t.Errorf("left:\n%s", got)
		}
		if n := strings.Count(log.String(), "a part of the history is damaged"); n < 4 {
			t.Errorf("the log:\n%s", log)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestWhatNamesNothing(t *testing.T) {
	h, _ := open(t, memkv.New(memkv.Options{}))
	for _, what := range []string{"", "  ", "<>"} {
		if _, err := h.Search(t.Context(), Query{What: what}); !fault.Is(err, fault.Invalid) {
			t.Errorf("Search(%q) = %v", what, err)
		}
	}
}

// What somebody has submitted is told apart from what he got, and from what others sent
// in his name.
func TestSubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := open(t, memkv.New(memkv.Options{Rerun: true}))
		mine, theirs := accepted(1), accepted(2)
		mine.User, mine.From = "alice@example.test", "sales@example.test"
		theirs.From, theirs.To[0].Address = "alice@example.test", "alice@example.test"
		for _, e := range []*obs.Event{mine, theirs, delivered(1), delivered(2)} {
			h.Record(e)
		}
		refused := accepted(3)
		refused.Kind, refused.User = obs.RecipientRefused, "alice@example.test"
		h.Record(refused)
		answer, err := h.Search(t.Context(), Query{What: "Alice@Example.test", Submitted: true})
		if got := names(answer.Lives); err != nil || got != "message000000001: message accepted, delivered" {
			t.Errorf("%q, %v", got, err)
		}
	})
}
