// Package history owns what has happened to messages: the events that the server
// tells (obs.Event), kept for some days, to be found by whoever was involved.
//
// It decides nothing about mail, and mail never waits for it. Events are gathered in
// memory and written together, about once a second; so a crash, which costs no mail,
// may cost the last second of its history. If the engine does not keep up, the
// oldest events that are not yet written are given up, and the log says how many.
//
// Flow: Record appends an event's record to the open batch (event.go, batch.go) and
// notes what it can be found by (token.go). The writer (writer.go) puts full batches,
// and what is a second old, into the shard of their day: the events and a small index
// (index.go). Search (search.go) reads the indexes of the days in question, opens the
// batches that may have what it looks for, and puts the events together to lives of
// messages (life.go); List gives them as they are (list.go). Forget deletes the days that
// are over.
//
// Invariants: Record never blocks on the engine, and takes bounded memory; a batch is
// written once, by one process, under a name that no other has; what Record was given
// is found by Search at once, written or not; damage of one batch costs that batch.
package history

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/obs"
)

// Options configure a History. Engine is required.
type Options struct {
	Engine kv.Engine
	Logger *slog.Logger // default: discards
	Days   int          // that events are kept; 0: nothing is recorded
	Stream string       // of several that one engine has: "h" unless set
	// Began says when a message began, by its name; false if that cannot be told. With
	// it Search reads less. Default: it cannot be told.
	Began func(message string) (time.Time, bool)
}

// History keeps events. All methods may be called from any goroutine. It is an
// obs.Recorder.
type History struct {
	engine  kv.Engine
	log     *slog.Logger
	began   func(string) (time.Time, bool)
	prefix  string // of the shards
	process uint64 // names this History among all that write to the engine

	kick   chan struct{} // tells the writer that there is something to write
	stop   chan struct{} // closed when it is to end
	cut    func()        // ends what it is at
	writer sync.WaitGroup

	mu       sync.Mutex // guards what follows
	days     int
	open     *batch   // gathers; nil: nothing has happened
	sealed   []*batch // to be written, the oldest first; never changed any more
	writing  []*batch // on their way to the engine
	bytes    int      // of all but the open one
	numbered uint32   // batches so far
	room     int      // bytes that the last of them had, and marks: the next will have as many
	marks    int
	lost     int // events that were given up since the log was told
	ended    bool
}

// New makes a History and starts its writer, which Close ends.
func New(o Options) *History {
	ctx, cut := context.WithCancel(context.Background())
	h := &History{
		engine: o.Engine, log: o.Logger, began: o.Began, process: rand.Uint64(), days: o.Days,
		prefix: cmp.Or(o.Stream, "h") + "/", kick: make(chan struct{}, 1), stop: make(chan struct{}), cut: cut,
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.began == nil {
		h.began = func(string) (time.Time, bool) { return time.Time{}, false }
	}
	h.writer.Go(func() { h.write(ctx) })
	return h
}

// Days is how many days events are kept.
func (h *History) Days() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.days
}

// SetDays changes how many days events are kept. With 0 nothing is recorded any more.
func (h *History) SetDays(days int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.days = days
}

// span is how much later than its first event the others of a batch may be.
const span = 10 * time.Second

// maxWaiting is how many bytes may wait to be written.
const maxWaiting = 8 << 20

// Record takes an event into the history. It does not hold on to it.
func (h *History) Record(e *obs.Event) {
	if len(e.To) > maxTo {
		h.recordParts(e)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.days == 0 || h.ended {
		return
	}
	if h.open != nil && e.Time.Sub(h.open.name.at()) > span {
		h.seal() // the writer is busy
	}
	if h.open == nil {
		h.numbered++
		h.open = newBatch(newName(e.Time, h.process, h.numbered), h.room, h.marks)
		h.wake()
	}
	h.open.add(e)
	if h.open.full() {
		h.seal()
		h.wake()
	}
}

// recordParts takes in an event with many recipients as several with some.
func (h *History) recordParts(e *obs.Event) {
	for rest := e.To; len(rest) > 0; {
		n := min(len(rest), maxTo)
		part := *e
		part.To, rest = rest[:n], rest[n:]
		h.Record(&part)
	}
}

// seal puts the open batch among those to be written. If there are too many, the
// oldest are given up. The caller holds the lock.
func (h *History) seal() {
	if h.open == nil {
		return
	}
	h.sealed, h.bytes = append(h.sealed, h.open), h.bytes+h.open.size()
	h.room, h.marks = len(h.open.out.Record()), len(h.open.marks)
	h.open = nil
	for h.bytes > maxWaiting && len(h.sealed) > 1 {
		given := h.sealed[0]
		h.sealed = h.sealed[1:]
		h.bytes -= given.size()
		h.lost += given.events
	}
}

// wake tells the writer that there is something to write.
func (h *History) wake() {
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// Close writes what is not yet written, and ends the writer. What ctx leaves no time
// for is lost, and the log says how much that is. Nothing is recorded any more.
func (h *History) Close(ctx context.Context) {
	h.mu.Lock()
	first := !h.ended
	h.ended = true
	h.mu.Unlock()
	if !first {
		return
	}
	close(h.stop)
	defer h.cut()
	defer context.AfterFunc(ctx, h.cut)()
	h.writer.Wait()
	h.sealOpen()
	err := h.flush(ctx)
	if n := h.unwritten(); n > 0 {
		h.log.Error("the last events of the history are lost", "events", n, "error", err)
	}
}
