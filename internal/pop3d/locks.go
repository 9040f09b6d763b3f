package pop3d

import (
	"sync"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// Locks are the maildrops that have a session, and when each was opened last. They are
// of the process alone: two sessions at different nodes do each other no harm, as each
// works on its own snapshot and a message can be removed only once.
type Locks struct {
	mu     sync.Mutex
	held   map[store.AccountID]struct{}
	opened map[store.AccountID]time.Time // of those that may not be opened again yet
	sweep  int                           // with so many, those whose time is over are forgotten
}

// NewLocks makes a set of locks, all of them free.
func NewLocks() *Locks {
	return &Locks{held: make(map[store.AccountID]struct{}), opened: make(map[store.AccountID]time.Time)}
}

// errTooSoon is that of a client that comes again before the LOGIN-DELAY is over.
var errTooSoon = fault.New(fault.Limit, "pop3d: the last login was too short ago")

// take takes a maildrop for a session. Errors: InUse, errTooSoon.
func (l *Locks) take(id store.AccountID, delay time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.held[id]; taken {
		return fault.New(fault.InUse, "pop3d: account %d has a session already", id)
	}
	if delay > 0 {
		now := time.Now()
		if now.Sub(l.opened[id]) < delay {
			return errTooSoon
		}
		l.forget(now.Add(-delay))
		l.opened[id] = now
	}
	l.held[id] = struct{}{}
	return nil
}

const fewOpened = 1024

// forget bounds the memory: it drops what was opened before a time, now and then.
func (l *Locks) forget(before time.Time) {
	if len(l.opened) < max(l.sweep, fewOpened) {
		return
	}
	for id, at := range l.opened {
		if at.Before(before) {
			delete(l.opened, id)
		}
	}
	l.sweep = 2 * len(l.opened)
}

func (l *Locks) release(id store.AccountID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, id)
}
