package outbound

import (
	"context"
	"slices"
	"sync"
	"time"
)

// crowd bounds how many conversations there are with one host at a time, whichever
// destinations they are for: many domains may share a provider, whose servers look at
// what comes from us in all. How many a host bears is found out as TCP does it.
//
// A delivery is in one conversation at most, and takes no other place while it waits for
// one, so that nobody waits for ever; and it waits for a bounded time, with a bounded
// number of others, so that one host does not hold up what is for the rest of the world.
type crowd struct {
	most int

	mu    sync.Mutex
	hosts map[string]*throng
}

// throng is who speaks with a host, and who would like to.
type throng struct {
	window  float64 // so many may speak
	inside  int
	waiting []chan struct{} // closed when there is room
}

const (
	firstInside = 10
	// crowdPatience is how long a delivery waits for a place.
	crowdPatience = 10 * time.Second
)

func newCrowd(most int) *crowd { return &crowd{most: most, hosts: map[string]*throng{}} }

// enter takes a place at a host, which leave gives back.
func (c *crowd) enter(ctx context.Context, host string) bool {
	c.mu.Lock()
	t := c.hosts[host]
	if t == nil {
		t = &throng{window: float64(min(firstInside, c.most))}
		c.hosts[host] = t
	}
	if t.inside < int(t.window) {
		t.inside++
		c.mu.Unlock()
		return true
	}
	if len(t.waiting) >= 2*int(t.window) {
		c.mu.Unlock()
		return false
	}
	turn := make(chan struct{})
	t.waiting = append(t.waiting, turn)
	c.mu.Unlock()
	patience := time.NewTimer(crowdPatience)
	defer patience.Stop()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	case <-patience.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(t.waiting, turn); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
		return false
	}
	return true // at the last moment
}

// leave gives a place back. good says that the conversation was one.
func (c *crowd) leave(host string, good bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.hosts[host]
	t.inside--
	if good {
		t.window = min(t.window+1/t.window, float64(c.most))
	} else {
		t.window = max(1, t.window/2)
	}
	for t.inside < int(t.window) && len(t.waiting) > 0 {
		close(t.waiting[0])
		t.waiting = t.waiting[1:]
		t.inside++
	}
	if t.inside == 0 { // and nobody is waiting: what was learned is not worth its memory
		delete(c.hosts, host)
	}
}
