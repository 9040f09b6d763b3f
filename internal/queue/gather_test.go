package queue

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
)

// counting has the world's engine count its commits, which may fail.
func (w *world) counting(commit func() error) *atomic.Int64 {
	var commits atomic.Int64
	w.engine = memkv.New(memkv.Options{Commit: func() error { commits.Add(1); return commit() }})
	return &commits
}

func fine() error { return nil }

// Results that come at about the same time are one commit; those of one message, and
// one that the sender must be told of, have their own.
func TestResultsTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		commits := w.counting(fine)
		w.options.Together = 3 * time.Millisecond
		for i := range 30 {
			w.answer(fmt.Sprintf("d%d.test", i), after(time.Minute+time.Duration(i)*50*time.Microsecond, accept()))
		}
		w.answer("bad.test", after(time.Minute, refuse("no such user")))
		w.answer("late.test", after(time.Hour, accept()))
		w.put(w.message("alice@late.test")) // keeps the queue from being idle
		for i := range 28 {
			w.put(w.message(fmt.Sprintf("bob@d%d.test", i)))
		}
		two := w.put(w.message("bob@d28.test", "bob@d29.test"))
		w.put(w.message("carol@bad.test"))
		put := commits.Load()
		w.start()
		w.pass(time.Minute + time.Second)
		// All first results but one of d28 and d29; that; the refusal with its notification; and the result of that.
		if n := commits.Load() - put; n != 4 {
			t.Errorf("31 results and a notification took %d commits, want 4", n)
		}
		if len(w.notes("alice@example.test")) != 1 || w.queued() != 1 {
			t.Errorf("%d notifications, %d messages left", len(w.notes("alice@example.test")), w.queued())
		}
		if _, err := w.queue.Show(t.Context(), two); !fault.Is(err, fault.NotFound) {
			t.Errorf("the message with two recipients: %v", err)
		}
		w.pass(time.Hour)
		w.wantEmpty()
	})
}

// The result of the only job there is waits for nobody.
func TestResultAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.options.Together = time.Minute
		w.start()
		w.put(w.message("bob@remote.test"))
		w.pass(0)
		w.wantEmpty()
	})
}

// News that come alone are taken in at once, and further ones a moment later.
func TestNewsTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.options.Together = 3 * time.Millisecond
		for _, domain := range []string{"one.test", "two.test", "three.test"} {
			w.answer(domain, after(time.Hour, accept()))
		}
		w.start()
		w.pass(time.Second)
		busy := func(domain string, want int) {
			t.Helper()
			if n := w.most(domain); n != want {
				t.Errorf("%s has had %d jobs at once, want %d", domain, n, want)
			}
		}
		w.put(w.message("bob@one.test"))
		w.pass(0)
		busy("one.test", 1)
		w.put(w.message("bob@two.test"))
		w.put(w.message("bob@three.test"))
		w.pass(time.Millisecond)
		busy("two.test", 0)
		w.pass(2 * time.Millisecond)
		busy("two.test", 1)
		busy("three.test", 1)
		w.pass(2 * time.Hour)
		w.wantEmpty()
	})
}

// While nothing can be written, nobody's result is lost.
func TestTogetherOnFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var full atomic.Bool
		w.counting(func() error {
			if full.Load() {
				return fault.New(fault.StorageFull, "the disk is full")
			}
			return nil
		})
		w.options.Together = 3 * time.Millisecond
		w.start()
		for i := range 20 {
			domain := fmt.Sprintf("d%d.test", i)
			w.answer(domain, after(time.Minute, accept()))
			w.put(w.message("bob@" + domain))
		}
		full.Store(true)
		w.pass(10 * time.Hour)
		full.Store(false)
		w.pass(time.Minute)
		for i := range 20 {
			if n := len(w.tried(fmt.Sprintf("bob@d%d.test", i))); n != 1 {
				t.Errorf("bob of d%d.test got it %d times", i, n)
			}
		}
		w.wantEmpty()
	})
}
