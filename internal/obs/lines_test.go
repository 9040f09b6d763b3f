package obs

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writes is a file that knows what it was given at a time.
type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(p))
	return len(p), nil
}

func (w *writes) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}

// Lines in quick succession are one write, within a pause of the last; what warns, or
// comes alone, does not wait.
func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file writes
		lines := NewLines(&file)
		log := NewLogger(lines, LogJSON, slog.LevelInfo).With("conn", 1).WithGroup("g")
		want := func(writes int, last ...string) {
			t.Helper()
			synctest.Wait()
			all := file.list()
			if len(all) != writes {
				t.Fatalf("there were %d writes, want %d: %q", len(all), writes, all)
			}
			if n := strings.Count(all[writes-1], "\n"); n != len(last) {
				t.Errorf("the last write has %d lines, want %d", n, len(last))
			}
			for _, text := range last {
				if !strings.Contains(all[writes-1], `"`+text+`"`) {
					t.Errorf("%q is not in the last write, %q", text, all[writes-1])
				}
			}
		}
		log.Info("alone")
		want(1, "alone")
		log.Info("soon")
		log.Info("together")
		want(1, "alone")
		time.Sleep(linesPause)
		want(2, "soon", "together")
		log.Info("before")
		log.Warn("careful")
		want(3, "before", "careful")
		time.Sleep(time.Second)
		want(3, "before", "careful")
		log.Info("once more")
		want(4, "once more")
		log.Info("last")
		if err := lines.Flush(); err != nil {
			t.Error(err)
		}
		want(5, "last")
		time.Sleep(time.Second)
		want(5, "last")
	})
}

// Nothing is held without bounds, and nothing gets out of order.
func TestManyLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file writes
		lines := NewLines(&file)
		var all bytes.Buffer
		line := []byte(strings.Repeat("x", 999) + "\n")
		for i := range 200 {
			line[0] = byte('a' + i%26)
			all.Write(line)
			if n, err := lines.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := strings.Join(file.list(), ""); got != all.String() {
			t.Errorf("%d bytes were written, want %d in their order", len(got), all.Len())
		}
		if n := len(file.list()); n != 5 { // the first; three times 66 KB; the rest
			t.Errorf("%d writes", n)
		}
	})
}
