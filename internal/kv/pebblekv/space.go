package pebblekv

import (
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthorn/internal/fault"
)

// space keeps the disk from filling up to the last byte, where Pebble could not
// write its log any more and the process would have to end.
//
// Who writes is stopped early and in this order: maintenance that could wait,
// Updates, and last the flushes that get memory onto the disk. Updates fail with
// fault.StorageFull; maintenance and flushes wait. Readers go on. When there is
// space again, so does everything.
type space struct {
	free    func() (uint64, error)
	reserve uint64
	log     *slog.Logger
	closing chan struct{}

	mu    sync.Mutex
	left  int64     // what Updates may write until the next look
	until time.Time // when that is due at the latest
	full  bool
}

// lookEvery is how old the knowledge of the free space may be, and how often those
// look who wait for some.
const lookEvery = 100 * time.Millisecond

func newSpace(o Options) *space {
	return &space{free: o.FreeSpace, reserve: o.Reserve, log: o.Logger, closing: make(chan struct{})}
}

// take allows the writing of n bytes, or says that the disk is full.
func (s *space) take(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); n > s.left || !now.Before(s.until) {
		s.look(now)
	}
	if full := n > s.left; full != s.full {
		s.full = full
		if full {
			s.log.Error("the disk is full; nothing is stored until there is space", "reserve", s.reserve)
		} else {
			s.log.Info("there is space on the disk again")
		}
	}
	if s.full {
		return fault.New(fault.StorageFull, "pebblekv: the disk is full up to a reserve of %d MB", s.reserve>>20)
	}
	s.left -= n
	return nil
}

func (s *space) look(now time.Time) {
	s.until = now.Add(lookEvery)
	free, err := s.free()
	if err != nil { // a file system that does not tell
		s.left = 1 << 40
		return
	}
	s.left = int64(free) - int64(s.reserve)
}

// wait returns when that much is free, or with an error when the engine closes.
func (s *space) wait(enough uint64) error {
	for {
		if free, err := s.free(); err != nil || free >= enough {
			return nil
		}
		select {
		case <-s.closing:
			return syscall.ENOSPC
		case <-time.After(lookEvery):
		}
	}
}

// close makes an end of all waiting.
func (s *space) close() { close(s.closing) }

// patientFS is the file system as Pebble sees it: a file for which there is no
// space is created later. Pebble would try again and again without a pause.
type patientFS struct {
	vfs.FS
	space *space
}

// Create creates a file, when the time has come for files of this category.
func (fs patientFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	var enough uint64
	switch category {
	case "pebble-memtable-flush":
		enough = fs.space.reserve / 4
	case "pebble-compaction", "pebble-blob-file-rewrite":
		enough = 4 * fs.space.reserve // its files grow to more than the reserve
	}
	if enough > 0 {
		if err := fs.space.wait(enough); err != nil {
			return nil, err
		}
	}
	return fs.FS.Create(name, category)
}

// Unwrap gives the file system below.
func (fs patientFS) Unwrap() vfs.FS { return fs.FS }
