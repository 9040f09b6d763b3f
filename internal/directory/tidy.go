package directory

import (
	"sync"
	"time"
)

const (
	tidyAfter = time.Second      // of quiet
	tidyEvery = 10 * time.Second // at most
)

// tidier gives memory back after a rush of logins. Each argon2 hash takes 19 MiB,
// and the collector would keep what a rush has left for minutes, or for good when
// nothing else allocates.
type tidier struct {
	free  func()
	clock func() time.Time

	mu      sync.Mutex // not held while freeing, which takes its time
	timer   *time.Timer
	last    time.Time
	closed  bool
	freeing sync.WaitGroup
}

func newTidier(free func(), clock func() time.Time) *tidier {
	t := &tidier{free: free, clock: clock}
	t.timer = time.AfterFunc(time.Hour, t.tidy)
	t.timer.Stop()
	return t
}

// hashed says that a hash is done; others may be under way.
func (t *tidier) hashed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	wait := tidyAfter
	if soonest := t.last.Add(tidyEvery).Sub(t.clock()); soonest > wait && soonest <= tidyEvery {
		wait = soonest
	}
	t.timer.Reset(wait)
}

func (t *tidier) tidy() {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.last = t.clock()
	t.freeing.Add(1)
	t.mu.Unlock()
	defer t.freeing.Done()
	t.free()
}

// close returns when nothing is being freed, and will not be.
func (t *tidier) close() {
	t.mu.Lock()
	t.closed = true
	t.timer.Stop()
	t.mu.Unlock()
	t.freeing.Wait()
}
