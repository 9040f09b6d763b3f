package queue

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
)

// A destination that is crowded comes back in a moment. That is no attempt, and no
// reason to think less of it.
func TestCrowded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		n := 0
		w.answer("remote.test", func(context.Context, *Message, addr.Address) Result {
			if n++; n <= 3 {
				r := deferred("Enough of ours")
				r.Outcome = Crowded
				return r
			}
			return deferred("Not now")
		})
		id := w.put(w.message("bob@remote.test"))
		w.start()
		w.pass(time.Minute)
		var at []string
		for _, try := range w.tried("bob@remote.test") {
			at = append(at, fmt.Sprint(try.at.Round(time.Second)))
		}
		if got := strings.Join(at, " "); got != "0s 2s 4s 6s" {
			t.Errorf("tried after %s", got)
		}
		if p := w.status(id).Progress[0]; p.Attempts != 1 {
			t.Errorf("%+v", p)
		}
		if log := w.log.String(); strings.Contains(log, "Enough of ours") {
			t.Errorf("the log makes much of it:\n%s", log)
		}
	})
}
