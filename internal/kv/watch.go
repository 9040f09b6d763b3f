package kv

import (
	"slices"
	"sync"
)

// Watchers is the list of who watches which shard, for engines to build their
// Watch on. The zero value is empty and ready for use by any goroutine.
type Watchers struct {
	mu sync.RWMutex
	// The slices are never modified, only replaced, so that Notify can call
	// what it found without holding the lock.
	byShard map[Shard][]*watcher
}

type watcher struct{ notify func() }

// Watch adds notify to the watchers of s until stop is called; stop may be called
// from notify, and more than once.
func (w *Watchers) Watch(s Shard, notify func()) (stop func()) {
	added := &watcher{notify}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byShard == nil {
		w.byShard = make(map[Shard][]*watcher)
	}
	w.byShard[s] = append(slices.Clip(w.byShard[s]), added)
	return func() { w.remove(s, added) }
}

func (w *Watchers) remove(s Shard, gone *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.byShard[s]
	i := slices.Index(old, gone)
	switch {
	case i < 0:
	case len(old) == 1:
		delete(w.byShard, s)
	default:
		w.byShard[s] = slices.Concat(old[:i], old[i+1:])
	}
}

// Notify calls everyone who watches s.
func (w *Watchers) Notify(s Shard) {
	w.mu.RLock()
	watching := w.byShard[s]
	w.mu.RUnlock()
	for _, each := range watching {
		each.notify()
	}
}

// NotifyAll calls every watcher there is, for an engine that cannot tell what it
// has missed.
func (w *Watchers) NotifyAll() {
	w.mu.RLock()
	shards := make([]Shard, 0, len(w.byShard))
	for s := range w.byShard {
		shards = append(shards, s)
	}
	w.mu.RUnlock()
	for _, s := range shards {
		w.Notify(s)
	}
}
