package obs

import (
	"context"
	"log/slog"
	"time"
)

// Recorder keeps events. Record does not block, and does not hold on to the event.
type Recorder interface{ Record(e *Event) }

// Trail is what a part of the server leaves behind of what it does to messages: the
// log and the history, always both, so that nobody can forget one of them.
type Trail struct {
	Log      *slog.Logger
	Recorder Recorder // nil: there is no history
}

// Tell writes an event into both. One without a time happened now.
func (t Trail) Tell(ctx context.Context, e *Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if t.Recorder != nil {
		t.Recorder.Record(e)
	}
	if h := t.Log.Handler(); h.Enabled(ctx, e.Level) {
		r := slog.NewRecord(time.Now(), e.Level, e.Kind.String(), 0) // without looking up who calls, which no line tells
		r.AddAttrs(e.attrs()...)
		_ = h.Handle(ctx, r)
	}
}
