// Package audit owns the trail of who did what: logins and those that failed, what
// operators changed, and what users deleted.
//
// It is a second stream of package history, which keeps it, and finds things in it; and
// the same events as lines of JSON (entry.go), for other programs: in a file (file.go),
// to syslog (syslog.go). It decides nothing, and nobody waits for it: Record notes an
// event in memory, as history does, and a sink (sink.go) writes lines behind its back.
// If an output does not keep up or is broken, its oldest lines are given up, and the log
// says how many; the stream in the store is not concerned.
//
// Invariants: nothing here is ever changed, only the days that are over are forgotten;
// what is recorded was written by us, never copied out of a request, so that no secret
// can get in.
package audit

import (
	"context"
	"log/slog"
	"time"

	"posthorn/internal/history"
	"posthorn/internal/kv"
	"posthorn/internal/obs"
)

// Options configure a Log. Engine is required.
type Options struct {
	Engine   kv.Engine
	Logger   *slog.Logger // default: discards
	Days     int          // that entries are kept; 0: nothing is recorded
	File     string       // lines go there, too; "": they do not
	Syslog   string       // or to udp:HOST:PORT, tcp:HOST:PORT or unix:PATH
	Hostname string       // that syslog is told
}

// Log is the trail. All methods may be called from any goroutine. It is an obs.Recorder.
type Log struct {
	stream *history.History
	sinks  []*sink
}

// Itself stands in By for what the server has done of its own accord.
const Itself = "this server"

// kinds are those of events in the trail, by the word that people look for them with.
var kinds = []struct {
	name  string
	kinds []obs.EventKind
}{
	{"login", []obs.EventKind{obs.LoggedIn}},
	{"failure", []obs.EventKind{obs.AuthFailed}},
	{"change", []obs.EventKind{obs.Administered}},
	{"deletion", []obs.EventKind{obs.Expunged, obs.Erased}},
}

// What lists the words by which kinds of entries are looked for.
func What() []string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = k.name
	}
	return words
}

// New makes a Log and starts its writers, which Close ends.
func New(o Options) *Log {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{stream: history.New(history.Options{Engine: o.Engine, Logger: o.Logger, Days: o.Days, Stream: "u"})}
	if o.File != "" {
		l.sinks = append(l.sinks, newSink("the audit file", &file{path: o.File, days: o.Days}, o.Logger))
	}
	if o.Syslog != "" {
		l.sinks = append(l.sinks, newSink("syslog", &syslog{to: o.Syslog, hostname: o.Hostname}, o.Logger))
	}
	return l
}

// Record takes an event into the trail. One without a time happened now. It does not
// block, and does not hold on to the event.
func (l *Log) Record(e *obs.Event) {
	if l.stream.Days() == 0 {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	l.stream.Record(e)
	if len(l.sinks) > 0 {
		line := EntryOf(e).line()
		for _, s := range l.sinks {
			s.add(line, e.Time)
		}
	}
}

// Query is what is looked for: what meets all of it.
type Query struct {
	Who   string    // an address, a domain, or an operator; "": anybody
	IP    string    // "": from anywhere
	What  []string  // words of What; none: anything
	Since time.Time // zero: all that is kept
	Until time.Time // zero: up to now
	Limit int
}

// Search gives the latest entries that meet a query, in their order, and whether there
// are older ones. Kind of error: Invalid.
func (l *Log) Search(ctx context.Context, q Query) ([]Entry, bool, error) {
	f := history.Filter{Since: q.Since, Until: q.Until, Limit: q.Limit}
	for _, name := range []string{q.Who, q.IP} {
		if name != "" {
			f.Names = append(f.Names, name)
		}
	}
	for _, word := range q.What {
		for _, k := range kinds {
			if k.name == word {
				f.Kinds = append(f.Kinds, k.kinds...)
			}
		}
	}
	events, more, err := l.stream.List(ctx, f)
	entries := make([]Entry, len(events))
	for i, e := range events {
		entries[i] = EntryOf(e)
	}
	return entries, more, err
}

// Days is how many days entries are kept.
func (l *Log) Days() int { return l.stream.Days() }

// SetDays changes how many days entries are kept.
func (l *Log) SetDays(days int) { l.stream.SetDays(days) }

// Forget deletes the days that are over.
func (l *Log) Forget(ctx context.Context) error { return l.stream.Forget(ctx) }

// Close writes what is not yet written, as far as ctx leaves time for it.
func (l *Log) Close(ctx context.Context) {
	for _, s := range l.sinks {
		s.close(ctx)
	}
	l.stream.Close(ctx)
}
