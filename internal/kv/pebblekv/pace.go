package pebblekv

import (
	"sync/atomic"
	"time"
)

// pace has the log synced less often the more commits wait for it. One that comes alone
// is synced at once; where many come, the next sync waits a little for more of them. It
// covers them all, and each of them costs less: on a busy machine they are done sooner,
// too.
type pace struct {
	waiting atomic.Int64 // commits that are not yet durable
	mean    atomic.Int64 // of waiting when a sync ends; 1 << 10 is one
}

const (
	paceEach = 70 * time.Microsecond // that a sync waits, for each commit besides the first
	paceMost = 2 * time.Millisecond
)

// begin says that a commit waits for the disk, end that it does no longer.
func (p *pace) begin() { p.waiting.Add(1) }
func (p *pace) end()   { p.waiting.Add(-1) }

// interval is how long the sync after one that has just ended is to wait, at least. It is
// called after each.
func (p *pace) interval() time.Duration {
	mean := p.mean.Load()
	mean += (p.waiting.Load()<<10 - mean) / 8
	p.mean.Store(mean)
	others := mean - 1<<10
	if others < 1<<9 { // there is hardly ever one
		return 0
	}
	return min(paceEach*time.Duration(others)>>10, paceMost)
}
