package queue

import (
	"cmp"
	"context"
	"slices"
	"time"

	"posthorn/internal/kv"
)

// loader brings what the slices say into the schedule. It belongs to Run.
type loader struct {
	queue  *Queue
	seen   [numSlices]uint64 // the last serial that the schedule knows
	agenda agenda            // used again and again
	// fresh is what has been read since the schedule was asked last: who works on it
	// now need not read it again.
	fresh map[key]*stored

	within time.Duration // how long news may gather
	looked time.Time     // when it was last taken in
}

// mostFresh is how much of it is kept.
const mostFresh = 256

// all loads the messages of every slice.
func (l *loader) all(ctx context.Context) error {
	for slice := range numSlices {
		if err := l.added(ctx, slice); err != nil {
			return err
		}
	}
	return nil
}

// news takes in what has been announced, unless that was just done: each look at a slice
// costs about the same, whatever is found. wait is when to come again then. What fails is
// left for the next time.
func (l *loader) news(ctx context.Context) (wait time.Duration, failed error) {
	if !l.queue.news.some() {
		return -1, nil
	}
	if wait = l.within - time.Since(l.looked); wait > 0 {
		return wait, nil
	}
	defer func() { l.looked = time.Now() }()
	added, changed := l.queue.news.collect()
	for slice := range numSlices {
		if added[slice] {
			if err := l.added(ctx, slice); err != nil {
				failed = err
				l.queue.news.keepSlice(slice)
			}
		}
		if len(changed[slice]) > 0 {
			if err := l.changed(ctx, slice, changed[slice]); err != nil {
				failed = err
				l.queue.news.keepKeys(changed[slice])
			}
		}
	}
	return -1, failed
}

// added loads the messages of a slice that the schedule does not know: one scan.
// Where it is not known which is the last, all are loaded.
func (l *loader) added(ctx context.Context, slice int) error {
	var last uint64
	err := l.queue.engine.View(ctx, sliceShard(slice), func(r kv.Reader) error {
		var sound bool
		var err error
		if last, sound, err = lastSerial(r); err != nil || sound && last == l.seen[slice] {
			return err
		}
		if !sound {
			l.queue.log.Error("the queue's record of its last message is damaged; the next message will write it anew", "shard", sliceShard(slice))
			l.seen[slice] = 0
		}
		return readMessages(r, slice, messagesFrom(l.seen[slice]+1), l.plan, l.queue.damaged)
	})
	if err == nil {
		l.seen[slice] = last
	}
	return err
}

// changed loads messages of a slice again.
func (l *loader) changed(ctx context.Context, slice int, keys []key) error {
	return l.queue.engine.View(ctx, sliceShard(slice), func(r kv.Reader) error {
		for _, k := range keys {
			found := false
			delete(l.fresh, k)
			err := readMessages(r, slice, messageRange(k.serial()),
				func(st *stored) bool { found = true; return l.plan(st) }, l.queue.damaged)
			if err != nil {
				return err
			}
			if !found {
				l.queue.schedule.set(&agenda{key: k})
			}
		}
		return nil
	})
}

// damaged logs trouble with one message. It stays where it is, for people to look
// at, and is not tried.
func (q *Queue) damaged(k key, err error) {
	q.log.Error("damaged message in the queue", "shard", k.shard(), "serial", k.serial(), "err", err)
}

// plan gives the schedule a message.
func (l *loader) plan(st *stored) bool {
	a := &l.agenda
	a.key, a.priority, a.owes = st.key, int8(st.Priority), false
	a.entries = a.entries[:0]
	for i := range st.progress {
		a.owes = a.owes || st.progress[i].owed
		if e, ok := l.queue.entry(st, i); ok {
			a.entries = append(a.entries, e)
		}
	}
	a.entries = merge(a.entries)
	l.queue.schedule.set(a)
	if len(l.fresh) < mostFresh {
		l.fresh[st.key] = st
	}
	return true
}

// entry is what the schedule has to know of one recipient; false if it is nothing.
func (q *Queue) entry(st *stored, i int) (entry, bool) {
	p := &st.progress[i]
	if p.State != Pending || p.Held {
		return entry{}, false
	}
	to := st.destination(i)
	return entry{to, p.Next.UnixMilli(), st.deadline(i, q.policyOf(to)).UnixMilli()}, true
}

// merge makes one entry of those with the same destination.
func merge(entries []entry) []entry {
	if len(entries) < 2 {
		return entries
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.destination, b.destination) })
	merged := entries[:1]
	for _, e := range entries[1:] {
		last := &merged[len(merged)-1]
		if last.destination == e.destination {
			last.at, last.deadline = min(last.at, e.at), min(last.deadline, e.deadline)
		} else {
			merged = append(merged, e)
		}
	}
	return merged
}

// left is what remains to be done for a message at a destination; nil if nothing
// does.
func (q *Queue) left(st *stored, destination string) *entry {
	var all []entry
	for i := range st.progress {
		if e, ok := q.entry(st, i); ok && e.destination == destination {
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &merge(all)[0]
}
