// Package queue owns what is still to be delivered: messages that have been
// acknowledged to somebody, and have not yet reached their recipients.
//
// It speaks no protocol and looks nothing up: whoever runs it brings the function
// that tries a delivery. Who accepts messages adds them with Put, within the commit
// that makes them acknowledged.
//
// The truth is in the engine, in 16 slices that messages fall into by chance: per
// message an envelope that never changes, per recipient its progress. The schedule
// is in memory, made at start by one scan of each slice, and worth nothing without
// the slices.
//
// Flow: the engine's Watch tells of a commit in a slice; one scan finds the new
// messages; the schedule (schedule.go) puts each into the line of its destinations
// and hands out jobs; a job reads from the slice who is due, has them tried, and
// commits all their results in one Update (commit.go), mostly together with those of other
// jobs (gather.go), which removes the message when it was the last, and adds what the
// sender is told. Then log and history hear of it (trail.go).
//
// Invariants:
//   - A recipient is tried until its state is final; its state is final once, and
//     from the commit of that on it is never tried again. Between the other side's
//     "250" and that commit lies the only moment in which a crash leads to a second
//     delivery.
//   - Attempts are counted in the slice, so that a restart forgets none.
//   - The commit that removes a message contains the notification that the sender
//     wants of its end, or the sender has been told before.
//   - What is wrong with one record concerns its message only.
package queue

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/blob"
	"posthorn/internal/kv"
	"posthorn/internal/obs"
)

// Options configure a Queue. Engine, Blobs, Hostname and Postmaster are required.
type Options struct {
	Settings
	Engine   kv.Engine
	Blobs    blob.Store
	Logger   *slog.Logger // default: discards
	Recorder obs.Recorder // keeps the history; default: nobody does

	// Local puts a notification into its recipient's mailbox if it has one here: by
	// one Update that also holds the change, after which it returns true and that
	// Update's error. It returns false if it has made none; the notification is then
	// queued like any message. Default: all are queued.
	Local func(ctx context.Context, notification *Message, with Change) (bool, error)
	// Sign gives the Message.Header of a notification that goes elsewhere: signatures.
	// Default: none.
	Sign func(ctx context.Context, from addr.Address, message []byte) []byte

	Jobs int // at once, over all destinations; default 400
	// Together is how long the result of a job waits for those of others, to be
	// recorded in one commit with them, and how long it is until the slices are looked at
	// again. Default: not at all.
	Together time.Duration
	Grace    time.Duration // for jobs under way when Run is to end; default 30 s
}

// Settings are what may change while a Queue runs.
type Settings struct {
	Hostname   string       // ours, in notifications
	Postmaster addr.Address // who answers those that reply to notifications
	// Policy of a destination: a domain in canonical form, or whatever else the
	// operator has chosen. It must not block. Default: DefaultPolicy for all.
	Policy func(destination string) Policy
}

// Queue is the queue. All methods may be called from any goroutine.
type Queue struct {
	engine   kv.Engine
	blobs    blob.Store
	log      *slog.Logger
	trail    obs.Trail // log, and history
	settings atomic.Pointer[Settings]
	local    func(context.Context, *Message, Change) (bool, error)
	sign     func(context.Context, addr.Address, []byte) []byte
	grace    time.Duration

	schedule *schedule
	news     *news
	gather   gather
}

// New makes a Queue. It does nothing by itself until Run; the operations work all
// the same. The engine and the blob store stay the caller's to close.
func New(o Options) *Queue {
	q := &Queue{
		engine: o.Engine, blobs: o.Blobs, log: o.Logger, local: o.Local, sign: o.Sign, grace: o.Grace, news: newNews(),
	}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	q.gather.queue, q.gather.within = q, o.Together
	q.trail = obs.Trail{Log: q.log, Recorder: o.Recorder}
	if q.grace == 0 {
		q.grace = 30 * time.Second
	}
	if o.Jobs == 0 {
		o.Jobs = 400
	}
	q.schedule = newSchedule(o.Jobs, q.policyOf)
	q.Change(o.Settings)
	return q
}

// Change goes over to other settings. For what is queued already they count from the
// next attempt on; only how many jobs a destination has at once changes now.
func (q *Queue) Change(s Settings) {
	if s.Policy == nil {
		s.Policy = func(string) Policy { return DefaultPolicy() }
	}
	q.settings.Store(&s)
	q.schedule.applyPolicies()
	q.news.wake()
}

func (q *Queue) policyOf(destination string) *Policy {
	p := q.settings.Load().Policy(destination)
	return &p
}
