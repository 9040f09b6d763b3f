package audit

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// maxWaiting is how many bytes of lines may wait for an output.
	maxWaiting = 4 << 20
	// again is when to try again what could not be written.
	again = 5 * time.Second
)

// line is an entry on its way to an output.
type line struct {
	text []byte
	at   time.Time
}

// output takes lines, in their order. It says how many it has taken; the others are
// tried again.
type output interface {
	write(lines []line) (taken int, err error)
	close() error
}

// sink writes lines to an output, in a goroutine of its own.
type sink struct {
	name string
	out  output
	log  *slog.Logger
	kick chan struct{}
	stop chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex // guards what follows
	waiting []line
	bytes   int
	lost    int // lines given up since the log was told
}

func newSink(name string, out output, log *slog.Logger) *sink {
	s := &sink{name: name, out: out, log: log, kick: make(chan struct{}, 1), stop: make(chan struct{})}
	s.done.Go(s.run)
	return s
}

// add has a line written. If too much waits, the oldest is given up.
func (s *sink) add(text []byte, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting, s.bytes = append(s.waiting, line{text, at}), s.bytes+len(text)
	for s.bytes > maxWaiting {
		s.bytes -= len(s.waiting[0].text)
		s.waiting = s.waiting[1:]
		s.lost++
	}
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *sink) run() {
	for {
		select {
		case <-s.stop:
			return
		case <-s.kick:
		}
		for s.flush() != nil {
			select {
			case <-s.stop:
				return
			case <-time.After(again):
			}
		}
	}
}

// flush writes what waits. What cannot be written goes on waiting.
func (s *sink) flush() error {
	s.mu.Lock()
	lines, lost := s.waiting, s.lost
	s.waiting, s.bytes, s.lost = nil, 0, 0
	s.mu.Unlock()
	if lost > 0 {
		s.log.Error("lines of the audit trail are missing there; they are in the store", "output", s.name, "lines", lost)
	}
	if len(lines) == 0 {
		return nil
	}
	taken, err := s.out.write(lines)
	if err != nil {
		s.log.Error("the audit trail cannot be written there now", "output", s.name, "error", err, "again", again)
		s.back(lines[taken:])
	}
	return err
}

// back puts lines in front of those that have come since.
func (s *sink) back(lines []line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(lines[:len(lines):len(lines)], s.waiting...)
	for _, l := range lines {
		s.bytes += len(l.text)
	}
}

// close writes what waits, and ends.
func (s *sink) close(context.Context) {
	close(s.stop)
	s.done.Wait()
	_ = s.flush() // the log has the error
	if err := s.out.close(); err != nil {
		s.log.Error("closing an output of the audit trail failed", "output", s.name, "error", err)
	}
}
