package queue

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"posthorn/internal/addr"
	"posthorn/internal/dsn"
)

func TestPriority(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.options.Jobs = 1
		w.answer("remote.test", after(time.Second, accept()))
		w.start()
		w.put(w.message("first@remote.test")) // occupies the one job
		w.pass(0)
		for i, priority := range []int{0, -9, 9, 3, 0} {
			m := w.message(fmt.Sprintf("x%d@remote.test", i))
			m.Priority = priority
			if i == 3 {
				m.Recipients[0].Address.Domain = "other.test"
			}
			w.put(m)
			w.pass(time.Millisecond)
		}
		w.pass(time.Minute)
		var order []string
		for _, each := range w.tries {
			order = append(order, each.to)
		}
		want := "[first@remote.test x2@remote.test x3@other.test x0@remote.test x4@remote.test x1@remote.test]"
		if fmt.Sprint(order) != want {
			t.Errorf("%v, want %v", order, want)
		}
	})
}

// A domain that hangs, with a thousand messages, holds up nobody else.
func TestSlowDomain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.options.Jobs = 30
		w.answer("slow.test", after(5*time.Minute, accept()))
		w.start()
		for range 1000 {
			w.put(w.message("x@slow.test"))
		}
		w.pass(time.Hour)
		if n := w.most("slow.test"); n != DefaultPolicy().Concurrency {
			t.Errorf("%d jobs at once for one domain", n)
		}
		for i := range 50 {
			w.put(w.message(fmt.Sprintf("x@fast%d.test", i)))
		}
		w.pass(time.Second)
		for i := range 50 {
			if n := len(w.tried(fmt.Sprintf("x@fast%d.test", i))); n != 1 {
				t.Errorf("fast%d.test: tried %d times within a second", i, n)
			}
		}
	})
}

// Dead domains in any number leave room for those that are known to live.
func TestDeadDomains(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.options.Jobs = 20
		w.start()
		w.put(w.message("x@alive.test"))
		w.pass(time.Second)
		for i := range 2000 {
			domain := fmt.Sprintf("dead%d.test", i)
			w.answer(domain, after(30*time.Second, unreachable()))
			w.put(w.message("x@" + domain))
		}
		w.pass(time.Minute)
		for i := range 100 {
			w.put(w.message(fmt.Sprintf("x%d@alive.test", i)))
		}
		w.pass(time.Second)
		for i := range 100 {
			if n := len(w.tried(fmt.Sprintf("x%d@alive.test", i))); n != 1 {
				t.Errorf("message %d: tried %d times within a second", i, n)
			}
		}
	})
}

// The messages for a host that is down do not each wait for it to time out; when
// it is back, all of them go.
func TestRest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("down.test", after(time.Minute, unreachable()))
		w.start()
		for range 500 {
			w.put(w.message("x@down.test"))
		}
		w.pass(3 * time.Hour)
		if n := len(w.tried("x@down.test")); n > 60 {
			t.Errorf("%d attempts in three hours", n)
		}
		all := w.queue.Destinations()
		for range 20 {
			if !all[0].RestUntil.IsZero() {
				break
			}
			w.pass(10 * time.Second)
			all = w.queue.Destinations()
		}
		if len(all) != 1 || all[0].Messages != 500 || all[0].RestUntil.IsZero() || all[0].Failure.Reply.Lines[0] != "connection timed out" {
			t.Errorf("%+v", all)
		}
		w.answer("down.test", after(time.Second, accept()))
		w.pass(time.Hour)
		if n := w.queued(); n != 0 {
			t.Errorf("%d messages are left an hour after the host came back", n)
		}
		if n := w.most("down.test"); n < 10 {
			t.Errorf("only %d jobs at once after the host came back", n)
		}
	})
}

// A message that no server survives does not keep the others from finding out that
// the host is alive.
func TestPoison(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		poison := w.message("x@remote.test")
		w.answer("remote.test", func(_ context.Context, m *Message, _ addr.Address) Result {
			if m.ID == poison.ID {
				return unreachable()
			}
			return accept()
		})
		w.put(poison)
		w.start()
		w.pass(3 * time.Hour)
		for range 20 {
			w.put(w.message("y@remote.test"))
		}
		w.pass(20 * time.Minute)
		if n := len(w.tried("y@remote.test")); n != 20 {
			t.Errorf("%d of 20 messages were tried", n)
		}
	})
}

// Senders are told in time even of what is not tried because its destination rests,
// and nothing is given up untried.
func TestRestEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("down.test", after(time.Minute, unreachable()))
		w.start()
		for range 50 {
			w.put(w.message("x@down.test"))
		}
		w.pass(5 * time.Hour)
		if n := len(w.notes("alice@example.test")); n != 50 {
			t.Errorf("%d of 50 senders know of the delay", n)
		}
		w.stop()
		w.pass(10 * 24 * time.Hour)
		w.answer("down.test", nil)
		w.start()
		w.pass(time.Hour)
		if n := len(w.notes("alice@example.test")); n != 50 {
			t.Errorf("%d notifications: some were given up without another attempt", n)
		}
		w.wantEmpty()
	})
}

func TestGivenUpAtRest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("down.test", after(time.Minute, unreachable()))
		w.start()
		for range 50 {
			w.put(w.message("x@down.test"))
		}
		w.pass(5*24*time.Hour + 20*time.Minute)
		if n := len(w.notes("alice@example.test")); n != 100 {
			t.Errorf("%d notifications, want 50 of the delay and 50 of the end", n)
		}
		w.wantEmpty()
	})
}

func TestConcurrency(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.options.Policy = func(string) Policy {
			p := DefaultPolicy()
			p.Concurrency = 50
			return p
		}
		// A host that takes eight connections and turns the ninth away.
		open := 0
		w.answer("remote.test", func(context.Context, *Message, addr.Address) Result {
			w.mu.Lock()
			open++
			full := open > 8
			w.mu.Unlock()
			time.Sleep(time.Second)
			w.mu.Lock()
			open--
			w.mu.Unlock()
			if full {
				return unreachable()
			}
			return accept()
		})
		w.start()
		for range 2000 {
			w.put(w.message("x@remote.test"))
		}
		w.pass(20 * time.Minute)
		failed := 0
		for _, each := range w.tried("x@remote.test") {
			if each.r.Outcome == Unreachable {
				failed++
			}
		}
		if n := w.queued(); n > 0 {
			t.Errorf("%d of 2000 messages are left", n)
		}
		if failed > 600 {
			t.Errorf("%d attempts were turned away: the concurrency does not find its level", failed)
		}
	})
}

// Destinations that nothing waits for are not remembered for ever.
func TestDestinationsAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start()
		for i := range 5 * fewestKept {
			w.put(w.message(fmt.Sprintf("x@d%d.test", i)))
			if i%500 == 499 {
				w.pass(2 * remembered)
			}
		}
		w.queue.schedule.mu.Lock()
		n := len(w.queue.schedule.destinations)
		w.queue.schedule.mu.Unlock()
		if n > 2*fewestKept {
			t.Errorf("%d destinations are remembered", n)
		}
	})
}

// The heap gives its elements in order, whatever is taken out from its middle.
func TestHeap(t *testing.T) {
	type element struct{ value, position int }
	rapid.Check(t, func(t *rapid.T) {
		h := heap[*element]{
			less:  func(a, b *element) bool { return a.value < b.value },
			place: func(e *element, position int) { e.position = position },
		}
		in := map[*element]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				e := &element{value: rapid.IntRange(0, 20).Draw(t, "value")}
				h.push(e)
				in[e] = true
			},
			"remove": func(t *rapid.T) {
				if h.len() == 0 {
					t.Skip()
				}
				e := h.all[rapid.IntRange(0, h.len()-1).Draw(t, "position")]
				h.remove(e.position)
				delete(in, e)
			},
			"pop": func(t *rapid.T) {
				if h.len() == 0 {
					t.Skip()
				}
				least := h.pop()
				delete(in, least)
				for e := range in {
					if e.value < least.value {
						t.Fatalf("popped %d before %d", least.value, e.value)
					}
				}
			},
			"": func(t *rapid.T) {
				if h.len() != len(in) {
					t.Fatalf("%d elements, want %d", h.len(), len(in))
				}
				for i, e := range h.all {
					if !in[e] || e.position != i {
						t.Fatalf("element %d believes to be at %d", i, e.position)
					}
				}
			},
		})
	})
}

// Other settings reach what is queued, and who is told of it, without a restart.
func TestChange(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		slow := DefaultPolicy()
		slow.Concurrency = 1
		w.options.Policy = func(string) Policy { return slow }
		w.answer("slow.test", after(time.Minute, accept()))
		w.answer("down.test", always(deferred("later")))
		w.start()
		for range 10 {
			w.put(w.message("x@slow.test"))
		}
		w.put(w.message("y@down.test"))
		w.pass(time.Hour)
		if n := w.most("slow.test"); n != 1 {
			t.Errorf("%d jobs at once, want 1", n)
		}
		for range 10 {
			w.put(w.message("x@slow.test"))
		}
		w.pass(90 * time.Second)
		w.queue.Change(Settings{
			Hostname: "new.example.test", Postmaster: address("help@example.test"),
			Policy: func(destination string) Policy {
				p := DefaultPolicy()
				p.Concurrency, p.Pauses = 4, []time.Duration{time.Minute}
				if destination == "down.test" {
					p.Lifetime = 2 * time.Hour
				}
				return p
			},
		})
		w.pass(5 * time.Minute)
		if n := w.most("slow.test"); n != 4 {
			t.Errorf("%d jobs at once, want 4", n)
		}
		w.pass(2 * time.Hour)
		notes := w.notes("alice@example.test")
		if len(notes) != 1 || about(notes[0], dsn.Failed) != 1 || !strings.Contains(notes[0], "help@example.test") || !strings.Contains(notes[0], "Reporting-MTA: dns; new.example.test") {
			t.Errorf("%q", notes)
		}
		if n := len(w.tried("y@down.test")); n < 30 { // one each minute of the second hour, or so
			t.Errorf("down.test was tried %d times", n)
		}
		w.wantEmpty()
	})
}
