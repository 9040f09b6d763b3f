package queue

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// gather makes one commit of results that come at about the same time, since what a
// commit costs is mostly its sync. The first of them waits for the others, while
// nobody waits for it: until its result is on record a job is under way.
type gather struct {
	queue  *Queue
	within time.Duration // how long the first waits for others

	mu   sync.Mutex
	open *group // takes more; nil: there is none
}

// group is commits that are made together.
type group struct {
	commits []*commit
	done    chan struct{} // closed when they are made, or were not
	err     error         // of all of them
}

// mostTogether is how many commits are made together at most.
const mostTogether = 128

// commit makes a commit together with others.
func (g *gather) commit(ctx context.Context, c *commit) error {
	g.mu.Lock()
	together := g.open
	first := together == nil || len(together.commits) == mostTogether
	if first {
		together = &group{done: make(chan struct{})}
		g.open = together
	}
	together.commits = append(together.commits, c)
	g.mu.Unlock()
	if first {
		g.lead(ctx, together)
	} else {
		<-together.done
	}
	if together.err == nil && c.apart {
		return c.run(ctx)
	}
	return together.err
}

// lead waits for others, and makes their commits.
func (g *gather) lead(ctx context.Context, together *group) {
	defer close(together.done)
	if g.within > 0 && g.queue.schedule.underWay() > 1 {
		time.Sleep(g.within)
	}
	g.mu.Lock()
	if g.open == together {
		g.open = nil
	}
	g.mu.Unlock()
	together.err = g.queue.update(ctx, together.commits)
}

// update makes commits in one Update, except for those that must be made apart: of a
// message that another of them changes, or that cannot be read, or of which somebody is
// to be told.
func (q *Queue) update(ctx context.Context, commits []*commit) error {
	shards := make([]kv.Shard, 0, min(len(commits), numSlices))
	for _, c := range commits {
		if s := c.key.shard(); !slices.Contains(shards, s) {
			shards = append(shards, s)
		}
	}
	return q.engine.Update(ctx, shards, func(tx kv.Tx) error {
		// What is read after something was written costs more.
		for i, c := range commits {
			c.apart = c.notification != nil || slices.ContainsFunc(commits[:i], func(other *commit) bool { return other.key == c.key })
			if c.apart {
				continue
			}
			err := c.read(tx.In(c.key.shard()))
			c.apart = errors.Is(err, errNotification) || fault.Is(err, fault.Corrupt)
			if err != nil && !c.apart {
				return err
			}
		}
		for _, c := range commits {
			if c.apart {
				continue
			}
			if err := c.write(tx.In(c.key.shard())); err != nil {
				return err
			}
		}
		return nil
	})
}
