package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/obs"
)

// story is a Recorder that writes events down as people tell them.
type story struct {
	mu    sync.Mutex
	lines []string
}

func (s *story) Record(e *obs.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%s %v", e.Message, e.Kind)
	for _, to := range e.To {
		line += " " + to.Address
	}
	for _, more := range []string{e.Host, e.Reply, e.Action, e.Related} {
		if more != "" {
			line += "; " + more
		}
	}
	if e.Mailbox {
		line += "; in the mailbox"
	}
	s.lines = append(s.lines, line)
}

// of tells what happened to a message, with its name as ID and others as NEW.
func (s *story) of(id ID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, line := range s.lines {
		if rest, ok := strings.CutPrefix(line, string(id)+" "); ok {
			words := strings.Split(rest, "; ")
			for i, word := range words {
				if ID(word).check() == nil {
					words[i] = "NEW"
				}
			}
			lines = append(lines, strings.Join(words, "; "))
		}
	}
	return strings.Join(lines, "\n")
}

// Whatever ends, and whatever is tried, leaves its line.
func TestStories(t *testing.T) {
	const mx = "mx.test [192.0.2.1]"
	for _, tc := range []struct {
		name   string
		to     []string
		answer func(w *world)
		then   func(w *world, id ID)
		want   []string
	}{
		{
			name: "delivered", to: []string{"bob@one.test", "carol@two.test"},
			want: []string{"delivered bob@one.test; " + mx + "; 250 2.0.0 OK", "delivered carol@two.test; " + mx + "; 250 2.0.0 OK"},
		},
		{
			name: "first later, then taken", to: []string{"bob@one.test"},
			answer: func(w *world) { w.answer("one.test", always(deferred("Greylisted"))) },
			then: func(w *world, _ ID) {
				w.answer("one.test", nil)
				w.pass(3 * time.Minute)
			},
			want: []string{"deferred bob@one.test; " + mx + "; 450 4.2.0 Greylisted", "delivered bob@one.test; " + mx + "; 250 2.0.0 OK"},
		},
		{
			name: "refused", to: []string{"bob@one.test"},
			answer: func(w *world) { w.answer("one.test", always(refuse("Who?"))) },
			want:   []string{"failed bob@one.test; " + mx + "; 550 5.1.1 Who?", "notification sent bob@one.test; failed; NEW"},
		},
		{
			name: "given up by the operator", to: []string{"bob@one.test", "carol@two.test"},
			answer: func(w *world) {
				w.answer("one.test", always(deferred("Later")))
				w.answer("two.test", always(deferred("Later")))
			},
			then: func(w *world, id ID) {
				w.operate(Filter{Domain: "one.test"}, Order{Operation: Hold})
				w.operate(Filter{Domain: "one.test"}, Order{Operation: Bounce, Reason: "He has left"})
				w.operate(Filter{IDs: []ID{id}}, Order{Operation: Delete})
			},
			want: []string{
				"deferred bob@one.test; " + mx + "; 450 4.2.0 Later", "deferred carol@two.test; " + mx + "; 450 4.2.0 Later",
				"held by the operator bob@one.test", "bounced by the operator bob@one.test; 554 5.0.0 He has left",
				"notification sent bob@one.test; failed; NEW", "deleted by the operator carol@two.test",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				s := &story{}
				w.options.Recorder = s
				if tc.answer != nil {
					tc.answer(w)
				}
				w.start()
				id := w.put(w.message(tc.to...))
				w.pass(0)
				if tc.then != nil {
					tc.then(w, id)
				}
				got := strings.Split(s.of(id), "\n")
				if len(tc.to) > 1 {
					slices.Sort(got[:2]) // destinations are tried at the same time
				}
				if text, want := strings.Join(got, "\n"), strings.Join(tc.want, "\n"); text != want {
					t.Errorf("told\n%s\nwant\n%s", text, want)
				}
			})
		})
	}
}

// Messages for a destination that rests come to their end without an attempt of
// their own; that is told all the same.
func TestTheEndWithoutAnAttemptIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := &story{}
		w.options.Recorder = s
		w.answer("down.test", always(unreachable()))
		w.start()
		var ids []ID
		for range 50 {
			ids = append(ids, w.put(w.message("bob@down.test")))
		}
		w.pass(6 * 24 * time.Hour)
		w.wantEmpty()
		for _, id := range ids {
			lines := strings.Split(s.of(id), "\n")
			last := lines[len(lines)-2:]
			if !strings.HasPrefix(last[0], "expired bob@down.test; 451 4.4.1 connection timed out") || last[1] != "notification sent bob@down.test; failed; NEW" {
				t.Errorf("%s ended with\n%s", id, strings.Join(last, "\n"))
			}
			if n := strings.Count(s.of(id), "expired"); n != 1 {
				t.Errorf("%s expired %d times", id, n)
			}
		}
	})
}

// A dry run is told to nobody.
func TestPreviewIsNotTold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := &story{}
		w.options.Recorder = s
		w.answer("one.test", always(deferred("Later")))
		w.start()
		id := w.put(w.message("bob@one.test"))
		w.pass(0)
		if _, err := w.queue.Operate(context.Background(), Filter{}, Order{Operation: Delete, Preview: true}); err != nil {
			t.Fatal(err)
		}
		if got := s.of(id); strings.Contains(got, "deleted") {
			t.Errorf("told\n%s", got)
		}
	})
}
