package pebblekv

import (
	"testing"
	"time"
)

// A commit that comes alone never waits for others; the more there are, the longer a sync
// waits for them, up to a limit. A moment's crowd changes little.
func TestPace(t *testing.T) {
	var p pace
	settle := func(waiting int64) (interval time.Duration) {
		p.waiting.Store(waiting)
		for range 100 {
			interval = p.interval()
		}
		return interval
	}
	if got := settle(1); got != 0 {
		t.Errorf("alone: %v", got)
	}
	last := time.Duration(0)
	for _, waiting := range []int64{2, 4, 8, 16} {
		got := settle(waiting)
		if want := time.Duration(waiting-1) * paceEach; got <= last || got < want*3/4 || got > want {
			t.Errorf("with %d waiting: %v; want about %v", waiting, got, want)
		}
		last = got
	}
	if got := settle(1000); got != paceMost {
		t.Errorf("with 1000 waiting: %v; want %v", got, paceMost)
	}
	if got := settle(1); got != 0 {
		t.Errorf("alone again: %v", got)
	}
	p.waiting.Store(4)
	if got := p.interval(); got != 0 {
		t.Errorf("a moment's crowd: %v", got)
	}
}
