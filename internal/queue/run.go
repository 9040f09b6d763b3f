package queue

import (
	"context"
	"sync"
	"time"
)

// Run delivers until ctx is done: it loads the schedule, and has deliver try what is
// due, many jobs at once. It returns when the last job has ended. Only one Run may
// be at work on a queue, in this process or any other. The error is that of loading.
func (q *Queue) Run(ctx context.Context, deliver Deliver) error {
	for slice := range numSlices {
		defer q.engine.Watch(sliceShard(slice), func() { q.news.of(slice) })()
	}
	began := time.Now()
	l := &loader{queue: q, fresh: make(map[key]*stored), within: q.gather.within}
	if err := l.all(ctx); err != nil {
		return err
	}
	q.log.InfoContext(ctx, "queue loaded", "messages", q.schedule.size(), "took", time.Since(began).Round(time.Millisecond))

	jobs, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	c := crew{idle: make(chan start), work: func(st start) { q.work(jobs, st, deliver) }}
	q.loop(ctx, l, c.begin)
	defer time.AfterFunc(q.grace, cut).Stop()
	close(c.idle)
	c.members.Wait()
	return nil
}

// crew is the goroutines that do jobs. One that has done its job waits for another:
// its stack has grown to what jobs need.
type crew struct {
	idle    chan start // somebody receives if he has nothing to do
	work    func(start)
	members sync.WaitGroup
}

// begin has a job done.
func (c *crew) begin(st start) {
	select {
	case c.idle <- st:
	default:
		c.members.Go(func() {
			for more := true; more; st, more = <-c.idle {
				c.work(st)
			}
		})
	}
}

// readAgain is when to look again at slices that could not be read.
const readAgain = time.Second

// loop hands out what is due until ctx is done.
func (q *Queue) loop(ctx context.Context, l *loader, begin func(start)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		pause, err := l.news(ctx)
		if err != nil && ctx.Err() == nil {
			q.log.WarnContext(ctx, "the queue cannot be read now", "err", err)
			pause = readAgain
		}
		for _, st := range q.schedule.take(time.Now()) {
			st.found = l.fresh[st.item.key]
			begin(st)
		}
		clear(l.fresh)
		if at, ok := q.schedule.next(); ok && (pause < 0 || time.Until(at) < pause) {
			pause = max(0, time.Until(at))
		}
		if pause < 0 {
			timer.Stop()
		} else {
			timer.Reset(pause)
		}
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-q.news.kick:
		}
	}
}
