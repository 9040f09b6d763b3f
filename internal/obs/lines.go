package obs

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Lines is a writer for a log that grows fast: lines that come in quick succession are
// written together. One that comes alone is written at once, and so is all there is when
// there is something to warn of; whoever ends the process calls Flush. A process that is
// killed loses what a pause was too short for.
type Lines struct {
	w     io.Writer
	pause time.Duration

	mu    sync.Mutex
	held  []byte
	wrote time.Time // when something was written last
}

const (
	linesPause = 10 * time.Millisecond
	mostHeld   = 64 << 10
)

// NewLines makes a Lines that writes to w.
func NewLines(w io.Writer) *Lines { return &Lines{w: w, pause: linesPause} }

// Write takes a line. What is held is written a pause after the last write.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if len(l.held) == 0 {
		since := now.Sub(l.wrote)
		if since >= l.pause {
			l.wrote = now
			return l.w.Write(p)
		}
		time.AfterFunc(l.pause-since, l.expire)
	}
	l.held = append(l.held, p...)
	if len(l.held) >= mostHeld {
		return len(p), l.flush(now)
	}
	return len(p), nil
}

// Flush writes what is held.
func (l *Lines) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush(time.Now())
}

func (l *Lines) expire() { _ = l.Flush() } // there is nowhere to tell that the log fails

func (l *Lines) flush(now time.Time) error {
	if len(l.held) == 0 {
		return nil
	}
	_, err := l.w.Write(l.held)
	l.held, l.wrote = l.held[:0], now
	return err
}

// prompt is a Handler for Lines that holds no warning back.
type prompt struct {
	slog.Handler
	lines *Lines
}

func (h prompt) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		_ = h.lines.Flush()
	}
	return err
}

func (h prompt) WithAttrs(attrs []slog.Attr) slog.Handler {
	return prompt{h.Handler.WithAttrs(attrs), h.lines}
}

func (h prompt) WithGroup(name string) slog.Handler {
	return prompt{h.Handler.WithGroup(name), h.lines}
}
