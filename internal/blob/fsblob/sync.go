package fsblob

import "sync"

// sharedSync lets those who want the same folder synced at the same time share
// one sync. A sync that has begun already does not count: it may have missed what
// the caller has just renamed.
type sharedSync struct {
	turn chan struct{} // holds a token while somebody syncs

	mu   sync.Mutex
	next *syncRound // those who wait for the sync that has not begun; nil: nobody
}

func newSharedSync() *sharedSync { return &sharedSync{turn: make(chan struct{}, 1)} }

type syncRound struct {
	done chan struct{}
	err  error // set before done is closed
}

// Do returns when a sync that began after the call has ended. The first of those
// who wait runs it for all.
func (s *sharedSync) Do(sync func() error) error {
	s.mu.Lock()
	r := s.next
	if r != nil {
		s.mu.Unlock()
		<-r.done
		return r.err
	}
	r = &syncRound{done: make(chan struct{})}
	s.next = r
	s.mu.Unlock()

	s.turn <- struct{}{}
	s.mu.Lock()
	s.next = nil
	s.mu.Unlock()
	r.err = sync()
	<-s.turn
	close(r.done)
	return r.err
}
