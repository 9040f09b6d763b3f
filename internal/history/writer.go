package history

import (
	"context"
	"time"

	"posthorn/internal/kv"
)

const (
	// gather is how long events are gathered.
	gather = time.Second
	// again is when to try again what could not be written.
	again = 5 * time.Second
	// maxGroup is how many batches are written by one Update.
	maxGroup = 16
)

// write writes what has been gathered, until stop. What it is at, ends when ctx is
// done.
func (h *History) write(ctx context.Context) {
	var due <-chan time.Time // when the open batch is written, full or not
	resting := false         // the engine has failed: nothing is tried before due
	for {
		select {
		case <-h.stop:
			return
		case <-h.kick:
			if due == nil {
				due = time.After(gather)
			}
			if resting {
				continue
			}
		case <-due:
			h.sealOpen()
			due = nil
		}
		err := h.flush(ctx)
		if resting = err != nil; resting {
			h.log.Warn("the history cannot be written now", "error", err, "again", again)
			due = time.After(again)
		}
	}
}

// sealOpen has the open batch written as it is.
func (h *History) sealOpen() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seal()
}

// flush writes the sealed batches. What cannot be written stays.
func (h *History) flush(ctx context.Context) error {
	for group := h.take(); len(group) > 0; group = h.take() {
		shard := h.shardOf(group[0].name.at())
		err := h.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error {
			for _, b := range group {
				if err := b.put(tx.In(shard)); err != nil {
					return err
				}
			}
			return nil
		})
		if lost := h.taken(err); lost > 0 {
			h.log.Warn("the store does not keep up: events are missing from the history", "events", lost)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take takes the oldest batches of one day, to write them.
func (h *History) take() []*batch {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for n < min(len(h.sealed), maxGroup) && h.shardOf(h.sealed[n].name.at()) == h.shardOf(h.sealed[0].name.at()) {
		n++
	}
	h.writing, h.sealed = h.sealed[:n:n], h.sealed[n:]
	return h.writing
}

// taken notes what became of them, and says how many events have been given up.
func (h *History) taken(err error) (lost int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.sealed, h.writing = append(h.writing, h.sealed...), nil
		return 0
	}
	for _, b := range h.writing {
		h.bytes -= b.size()
	}
	h.writing = nil
	lost, h.lost = h.lost, 0
	return lost
}

// unwritten counts the events that wait to be written.
func (h *History) unwritten() int {
	n := 0
	for _, b := range h.waiting() {
		n += b.events
	}
	return n
}

// waiting gives the batches that are not yet written, or just being so. They must
// not be modified.
func (h *History) waiting() []*batch {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := append(append([]*batch(nil), h.writing...), h.sealed...)
	if h.open != nil {
		all = append(all, h.open.copy())
	}
	return all
}
