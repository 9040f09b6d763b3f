package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

// operate carries an order out, after its preview has promised the same and
// changed nothing.
func (w *world) operate(f Filter, o Order) Affected {
	w.t.Helper()
	o.Preview = true
	promised, err := w.queue.Operate(context.Background(), f, o)
	if err != nil {
		w.t.Fatalf("preview: %v", err)
	}
	again, err := w.queue.Operate(context.Background(), f, o)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(promised) {
		w.t.Errorf("a preview changed something: %v, then %v, %v", promised, again, err)
	}
	o.Preview = false
	done, err := w.queue.Operate(context.Background(), f, o)
	if err != nil {
		w.t.Fatalf("Operate: %v", err)
	}
	if fmt.Sprint(done) != fmt.Sprint(promised) {
		w.t.Errorf("promised %v, done %v", promised, done)
	}
	w.pass(0)
	return done
}

func TestRetryNow(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("down.test", always(unreachable()))
		w.start()
		for range 20 {
			w.put(w.message("bob@down.test"))
		}
		w.put(w.message("carol@other.test"))
		w.pass(2 * time.Hour)
		w.answer("down.test", nil)
		if got := w.operate(Filter{Domain: "Down.Test"}, Order{Operation: Retry}); got.Recipients != 20 {
			t.Errorf("%d recipients affected", got.Recipients)
		}
		if n := w.queued(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}

func TestHoldAndRelease(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", always(deferred("later")))
		w.start()
		id := w.put(w.message("bob@slow.test", "carol@slow.test"))
		held := w.message("dave@fast.test")
		held.Hold = true
		w.put(held)
		w.pass(time.Minute)
		w.operate(Filter{Recipient: "BOB@"}, Order{Operation: Hold})
		w.stop()
		w.start()
		w.pass(10 * 24 * time.Hour)
		if n := len(w.tried("bob@slow.test")); n != 1 {
			t.Errorf("bob was tried %d times, though on hold", n)
		}
		if n := len(w.tried("dave@fast.test")); n != 0 {
			t.Errorf("dave was tried %d times, though on hold", n)
		}
		if st := w.status(id); st.Progress[1].State != Expired || !st.Progress[0].Held || st.Progress[0].State != Pending {
			t.Errorf("%+v", st.Progress)
		}
		w.answer("slow.test", nil)
		if got := w.operate(Filter{Held: true}, Order{Operation: Retry}); got.Recipients != 0 {
			t.Errorf("Retry tries what is on hold: %v", got)
		}
		if got := w.operate(Filter{Held: true}, Order{Operation: Release}); got.Recipients != 2 || len(got.Messages) != 2 {
			t.Errorf("released: %v", got)
		}
		if b, d := len(w.tried("bob@slow.test")), len(w.tried("dave@fast.test")); b != 2 || d != 1 {
			t.Errorf("bob was tried %d times, dave %d times", b, d)
		}
		w.wantEmpty()
	})
}

func TestBounceAndDelete(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", always(deferred("mailbox busy")))
		w.start()
		w.put(w.message("bob@slow.test", "carol@slow.test", "dave@slow.test"))
		w.pass(time.Minute)
		w.operate(Filter{Recipient: "bob"}, Order{Operation: Bounce, Reason: "Ask for the new address"})
		notes := w.notes("alice@example.test")
		if len(notes) != 1 || !strings.Contains(notes[0], "bob@slow.test") || !strings.Contains(notes[0], "Ask for the new address") || strings.Contains(notes[0], "carol") {
			t.Fatalf("%q", notes)
		}
		w.operate(Filter{Recipient: "carol"}, Order{Operation: Delete})
		w.operate(Filter{Error: "MAILBOX BUSY"}, Order{Operation: Delete})
		if n := len(w.notes("alice@example.test")); n != 1 {
			t.Errorf("%d notifications", n)
		}
		w.wantEmpty()
	})
}

// What a batch would leave untold is told.
func TestDeleteOfTheLastTellsOfTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", after(time.Hour, deferred("later")))
		w.answer("bad.test", always(refuse("no such user")))
		w.start()
		w.put(w.message("bob@slow.test", "carol@bad.test"))
		w.pass(time.Minute) // bob is under way, so alice was not told of carol yet
		w.operate(Filter{}, Order{Operation: Delete})
		if notes := w.notes("alice@example.test"); len(notes) != 1 || !strings.Contains(notes[0], "carol@bad.test") {
			t.Errorf("%q", notes)
		}
		w.pass(2 * time.Hour)
		if n := len(w.notes("alice@example.test")); n != 1 {
			t.Errorf("%d notifications", n)
		}
		w.wantEmpty()
	})
}

func TestReroute(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("down.test", always(unreachable()))
		w.start()
		id := w.put(w.message("bob@down.test", "carol@slow.test"))
		w.pass(time.Minute)
		w.operate(Filter{IDs: []ID{id}, Domain: "down.test"}, Order{Operation: Reroute, Route: "relay.test:26"})
		tries := w.tried("bob@down.test")
		if last := tries[len(tries)-1]; last.dest != "relay.test:26" || last.r.Outcome != Accepted {
			t.Errorf("%+v", tries)
		}
		w.wantEmpty()
	})
}

// An operator's change while an attempt is under way is not lost, and neither is
// what the attempt achieves.
func TestOperationsDuringAnAttempt(t *testing.T) {
	for _, tc := range []struct {
		order Order
		tries int
		state State
	}{
		{Order{Operation: Retry}, 3, Pending}, // at 0 and 10 min, and 2 min later
		{Order{Operation: Hold}, 1, Pending},
		{Order{Operation: Reroute, Route: "other.test"}, 2, Delivered},
	} {
		t.Run(fmt.Sprint(tc.order.Operation), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.answer("slow.test", after(10*time.Minute, deferred("later")))
				w.start()
				id := w.put(w.message("bob@slow.test"))
				w.pass(5 * time.Minute)
				if _, err := w.queue.Operate(context.Background(), Filter{}, tc.order); err != nil {
					t.Fatal(err)
				}
				w.pass(30 * time.Minute)
				if n := len(w.tried("bob@slow.test")); n != tc.tries-1 && n != tc.tries {
					t.Errorf("%d attempts", n)
				}
				st, err := w.queue.Show(context.Background(), id)
				if tc.state == Delivered && !fault.Is(err, fault.NotFound) || tc.state == Pending && (err != nil || st.Progress[0].State != Pending) {
					t.Errorf("%+v, %v", st, err)
				}
			})
		})
	}
}

func TestDeletedWhileUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", after(10*time.Minute, refuse("no such user")))
		w.start()
		w.put(w.message("bob@slow.test"))
		w.pass(5 * time.Minute)
		w.operate(Filter{}, Order{Operation: Delete})
		w.pass(time.Hour)
		if len(w.tries) != 1 {
			t.Errorf("%+v", w.tries)
		}
		w.wantEmpty()
	})
}

func TestFilter(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("one.test", always(deferred("mailbox is full")))
		w.answer("two.test", always(unreachable()))
		w.start()
		old := w.message("bob@one.test", "carol@two.test")
		w.put(old)
		w.pass(time.Hour)
		null := w.message("dave@xn--fsqu00a.test")
		null.From, null.Hold = addr.Address{}, true
		w.put(null)
		w.pass(time.Minute)
		for _, tc := range []struct {
			name string
			f    Filter
			want string // recipients
		}{
			{"all", Filter{}, "bob carol dave"},
			{"sender", Filter{Sender: "ALICE@"}, "bob carol"},
			{"null sender", Filter{Sender: "<>"}, "dave"},
			{"recipient", Filter{Recipient: "carol"}, "carol"},
			{"domain", Filter{Domain: "ONE.test"}, "bob"},
			{"part of a domain", Filter{Domain: "one"}, ""},
			{"domain in Unicode", Filter{Domain: "例子.test"}, "dave"},
			{"error", Filter{Error: "Full"}, "bob"},
			{"code", Filter{Error: "4.4.1"}, "carol"},
			{"remote", Filter{Remote: "192.0.2.1"}, "bob"},
			{"old", Filter{OlderThan: 30 * time.Minute}, "bob carol"},
			{"young", Filter{NewerThan: 30 * time.Minute}, "dave"},
			{"held", Filter{Held: true}, "dave"},
			{"untried", Filter{Untried: true}, "dave"},
			{"named", Filter{IDs: []ID{null.ID, NewID(time.Now())}}, "dave"},
			{"none named", Filter{IDs: []ID{}}, ""},
			{"named, and more", Filter{IDs: []ID{null.ID, old.ID}, Error: "full"}, "bob"},
		} {
			var got []string
			err := w.queue.List(t.Context(), tc.f, func(st Status) bool {
				for _, i := range st.Matching {
					got = append(got, st.Message.Recipients[i].Address.Local)
				}
				return true
			})
			slices.Sort(got)
			if err != nil || strings.Join(got, " ") != tc.want {
				t.Errorf("%s: %v, %v; want %s", tc.name, got, err, tc.want)
			}
		}
		if err := w.queue.List(t.Context(), Filter{IDs: []ID{"nonsense"}}, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("a name that is none: %v", err)
		}
		if _, err := w.queue.Show(t.Context(), NewID(time.Now())); !fault.Is(err, fault.NotFound) {
			t.Errorf("a message that is not there: %v", err)
		}
	})
}

// Thousands are listed and changed in batches.
func TestBatches(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		const n = numSlices*batch + 500
		for range n {
			m := w.message("bob@remote.test")
			m.Hold = true
			w.put(m)
		}
		w.start()
		if got := w.queued(); got != n {
			t.Errorf("%d listed, want %d", got, n)
		}
		stop := 0
		if err := w.queue.List(t.Context(), Filter{}, func(Status) bool { stop++; return stop < 10 }); err != nil || stop != 10 {
			t.Errorf("listing went on to %d, %v", stop, err)
		}
		if got := w.operate(Filter{}, Order{Operation: Release}); len(got.Messages) != n {
			t.Errorf("%d released, want %d", len(got.Messages), n)
		}
		w.pass(time.Minute)
		w.wantEmpty()
	})
}

// What one account has submitted is held and released by itself; and not sooner than its
// sender wants.
func TestOfAccount(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start()
		later := time.Now().Add(time.Hour)
		put := func(account uint64, to string, notBefore time.Time) {
			m := w.message(to)
			m.Account, m.Hold, m.NotBefore = account, account == 7, notBefore
			w.put(m)
		}
		put(7, "bob@a.test", time.Time{})
		put(7, "carol@a.test", later)
		put(8, "dave@a.test", later)
		w.pass(time.Minute)
		if got := w.operate(Filter{Account: 9}, Order{Operation: Hold}); got.Recipients != 0 {
			t.Errorf("held of nobody: %v", got)
		}
		if got := w.operate(Filter{Account: 8}, Order{Operation: Hold, Reason: "bounces"}); got.Recipients != 1 {
			t.Errorf("held: %v", got)
		}
		if got := w.operate(Filter{Account: 7, Held: true}, Order{Operation: Release}); got.Recipients != 2 {
			t.Errorf("released: %v", got)
		}
		if b, c := len(w.tried("bob@a.test")), len(w.tried("carol@a.test")); b != 1 || c != 0 {
			t.Errorf("bob was tried %d times, carol %d times", b, c)
		}
		w.pass(2 * time.Hour)
		if c, d := len(w.tried("carol@a.test")), len(w.tried("dave@a.test")); c != 1 || d != 0 {
			t.Errorf("carol was tried %d times, dave %d times", c, d)
		}
	})
}
