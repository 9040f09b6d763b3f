package pebblekv

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// scheduler decides when Pebble may run a compaction: as many at a time as Pebble
// itself thinks right, but none while the disk has no space for it. Unlike
// Pebble's own it sleeps while there is nothing to do.
type scheduler struct {
	space *space
	db    pebble.DBForCompaction

	wake    chan struct{} // something may have changed
	stop    chan struct{}
	stopped chan struct{}

	mu      sync.Mutex
	running int
	closed  bool
}

var (
	_ pebble.CompactionScheduler   = (*scheduler)(nil)
	_ pebble.CompactionGrantHandle = (*scheduler)(nil)
)

func newScheduler(s *space) *scheduler {
	return &scheduler{space: s, wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
}

// Register begins to work for a database that has been opened.
func (s *scheduler) Register(_ int, db pebble.DBForCompaction) {
	s.db = db
	go s.loop()
}

// Unregister ends that. The database is not called afterwards.
func (s *scheduler) Unregister() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	<-s.stopped
}

// TrySchedule answers a database that would like to run a compaction. If it may
// not, it will be asked again.
func (s *scheduler) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	if s.begin() {
		return true, s
	}
	s.poke()
	return false, nil
}

// UpdateGetAllowedWithoutPermission hears that more may be allowed than before.
func (s *scheduler) UpdateGetAllowedWithoutPermission() { s.poke() }

// Done hears that a compaction has ended.
func (s *scheduler) Done() {
	s.end()
	s.poke()
}

// Started, MeasureCPU and CumulativeStats tell of a compaction's progress.
func (s *scheduler) Started()                                          {}
func (s *scheduler) MeasureCPU(pebble.CompactionGoroutineKind)         {}
func (s *scheduler) CumulativeStats(pebble.CompactionGrantHandleStats) {}

func (s *scheduler) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// begin counts one more compaction, if it may run.
func (s *scheduler) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.running >= s.db.GetAllowedWithoutPermission() || !s.space.forCompaction() {
		return false
	}
	s.running++
	return true
}

func (s *scheduler) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}

func (s *scheduler) loop() {
	defer close(s.stopped)
	for {
		var later <-chan time.Time
		if waiting := s.grant(); waiting {
			later = time.After(lookEvery)
		}
		select {
		case <-s.wake:
		case <-later:
		case <-s.stop:
			return
		}
	}
}

// grant lets those compactions begin that wait and may. It says whether one still
// waits.
func (s *scheduler) grant() (waiting bool) {
	for {
		if waiting, _ = s.db.GetWaitingCompaction(); !waiting {
			return false
		}
		if !s.begin() {
			return true
		}
		if !s.db.Schedule(s) {
			s.end()
			return false
		}
	}
}
