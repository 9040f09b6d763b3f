package pebblekv

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// snapshot is a Pebble snapshot with a count of its users.
type snapshot struct {
	*pebble.Snapshot
	users atomic.Int32
}

// release closes the snapshot after its last user. Pebble may look for work and
// wait for its manifest then, so no lock must be held.
func (s *snapshot) release() {
	if s.users.Add(-1) == 0 {
		_ = s.Close()
	}
}

// snapshots takes the snapshots of commits. Pebble looks for compactions each time
// the oldest snapshot is closed, which would be a good part of what a small commit
// costs; so while there are commits, one that is older than theirs is kept.
type snapshots struct {
	db *pebble.DB

	mu     sync.Mutex
	oldest *pebble.Snapshot // nil if there were no commits for a while
	expiry *time.Timer      // gives it up

	closing sync.WaitGroup // what expires at the moment
}

// keepOldest is how long a snapshot is kept to spare others the search. Data that
// is overwritten or deleted in that time cannot be compacted away before its end.
const keepOldest = 100 * time.Millisecond

func (s *snapshots) take() *snapshot {
	s.mu.Lock()
	if s.oldest == nil {
		s.oldest = s.db.NewSnapshot()
		s.expiry = time.AfterFunc(keepOldest, s.expire)
	}
	s.mu.Unlock()
	return &snapshot{Snapshot: s.db.NewSnapshot()}
}

// expire gives up the oldest snapshot.
func (s *snapshots) expire() {
	s.mu.Lock()
	oldest := s.oldest
	s.oldest = nil
	if oldest != nil {
		s.closing.Add(1)
		defer s.closing.Done()
	}
	s.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
}

// close leaves no snapshot behind. There must be no more commits.
func (s *snapshots) close() {
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.expire()
	s.closing.Wait() // for an expiry that came just before
}
