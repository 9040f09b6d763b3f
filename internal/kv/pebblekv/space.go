package pebblekv

import (
	"log/slog"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthorn/internal/fault"
)

// space keeps the disk from filling up to the last byte, where Pebble could not
// write its log any more and the process would have to end.
//
// Who writes is stopped early and in this order: compactions, Updates, and last the
// flushes that put the log into tables. Updates fail with fault.StorageFull, the
// others wait. Readers go on. When there is space again, so does everything.
type space struct {
	free    func() (uint64, error)
	reserve uint64
	log     *slog.Logger
	closing chan struct{}

	mu    sync.Mutex
	left  int64     // what Updates may write until the next look
	until time.Time // when that is due at the latest
	full  bool
	quiet time.Time // maintenance has failed and is not tried again before
}

const (
	// lookEvery is how old the knowledge of the free space may be, and how often
	// those look who wait for some.
	lookEvery = 100 * time.Millisecond
	// quietFor is how long maintenance rests after a failure.
	quietFor = time.Second
)

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

// pause has maintenance rest for a while.
func (s *space) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = time.Now().Add(quietFor)
}

// has says whether that much is free for maintenance, and no pause is on.
func (s *space) has(enough uint64) bool {
	free, err := s.free()
	s.mu.Lock()
	defer s.mu.Unlock()
	return (err != nil || free >= enough) && !time.Now().Before(s.quiet)
}

// forFlush waits until a flush may go on. It fails when the engine closes.
func (s *space) forFlush() error {
	enough := s.reserve / 8
	for first := true; !s.has(enough); first = false {
		if first {
			s.log.Warn("putting the log into tables waits for space on the disk", "needed", enough)
		}
		select {
		case <-s.closing:
			return syscall.ENOSPC
		case <-time.After(lookEvery):
		}
	}
	return nil
}

// forCompaction says whether there is space for a compaction, which may write much
// before it deletes something.
func (s *space) forCompaction() bool { return s.has(2 * s.reserve) }

// close makes an end of all waiting.
func (s *space) close() { close(s.closing) }

// patientFS is the file system as Pebble sees it. Pebble tries again at once what
// has failed; so a table that is flushed is created when there is space, and the
// scheduler has a compaction that finds none wait before it begins again.
type patientFS struct {
	vfs.FS
	space *space
}

// Create creates a file, if there is space for files of this category.
func (fs patientFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	switch category {
	case "pebble-memtable-flush":
		if err := fs.space.forFlush(); err != nil {
			return nil, err
		}
	case "pebble-compaction", "pebble-blob-file-rewrite":
		if !fs.space.forCompaction() {
			return nil, syscall.ENOSPC
		}
	}
	f, err := fs.FS.Create(name, category)
	switch {
	case err != nil:
	case category == logCategory:
		f = newLogFile(f)
	default:
		f = &politeFile{f}
	}
	return f, err
}

// politeFile lets those go first who wait for a processor.
type politeFile struct{ vfs.File }

func (f *politeFile) Write(p []byte) (int, error) {
	runtime.Gosched()
	return f.File.Write(p)
}

// ReuseForWrite gives an old log a new name.
func (fs patientFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(oldname, newname, category)
	if err == nil && category == logCategory {
		f = newLogFile(f)
	}
	return f, err
}

// logCategory is what Pebble calls its log.
const logCategory = "pebble-wal"

// Unwrap gives the file system below.
func (fs patientFS) Unwrap() vfs.FS { return fs.FS }
