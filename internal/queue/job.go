package queue

import (
	"bytes"
	"context"
	"runtime/debug"
	"slices"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/smtpwire"
)

// Job is one attempt to bring a message to its recipients at one destination.
type Job struct {
	Message     *Message // the whole envelope; the body's bytes come from Open
	Destination string   // a domain in canonical form, or a route that the operator has chosen
	Recipients  []int    // who is to be tried: indices of Message.Recipients

	queue *Queue
	key   key
	body  []byte // if it is so small that it was read with the envelope
}

// Open opens the message as it is to be sent; the caller closes it. fault.NotFound:
// it is no longer queued. fault.Corrupt: it is damaged, and will not get better.
func (j *Job) Open(ctx context.Context) (Content, error) {
	if j.body != nil {
		return withHeader(j.Message.Header, small{bytes.NewReader(j.body)}), nil
	}
	return j.queue.open(ctx, j.key, j.Message)
}

// Deliver tries a job. It returns one Result for each of the job's Recipients, in
// their order; those that are missing are tried again. When ctx is done it should
// return soon.
type Deliver func(ctx context.Context, j *Job) []Result

// ending is what the schedule is told at the end of an item's turn.
type ending struct {
	feedback feedback
	failure  Result
	left     *entry
	owes     bool
}

// work does what an item was handed out for.
func (q *Queue) work(ctx context.Context, st start, deliver Deliver) {
	var e ending
	if st.settle {
		e = q.settle(ctx, st)
	} else {
		e = q.attempt(ctx, st, deliver)
	}
	if q.schedule.done(st, e) {
		q.news.about(st.item.key)
	}
	q.news.wake()
}

// laterAfter is when to try again what could not be read or written.
const laterAfter = 30 * time.Second

func later(it *item) *entry {
	at := time.Now().Add(laterAfter).UnixMilli()
	return &entry{it.dest.name, at, at}
}

// attempt reads who is due, has them tried, and records what became of it.
func (q *Queue) attempt(ctx context.Context, st start, deliver Deliver) ending {
	j, found, err := q.job(ctx, st)
	switch {
	case fault.Is(err, fault.Corrupt):
		q.damaged(st.item.key, err)
		return ending{}
	case err != nil:
		q.log.WarnContext(ctx, "a queued message cannot be read now", "shard", st.item.key.shard(), "serial", st.item.key.serial(), "err", err)
		return ending{left: later(st.item)}
	case found == nil:
		return ending{}
	case len(j.Recipients) == 0:
		return ending{left: q.left(found, j.Destination)}
	}
	results := q.try(ctx, j, deliver)
	now := time.Now()
	if !slices.ContainsFunc(results, func(r Result) bool { return r.Outcome != Crowded }) {
		return ending{feedback: crowded, failure: results[0], left: q.left(found, j.Destination), owes: found.owes(q.policyOf, now)}
	}
	c := &commit{
		queue: q, key: j.key, now: now, tell: q.schedule.alone(st.item),
		change: func(st *stored, now time.Time) { j.record(st, results, now) },
	}
	after, err := q.persist(ctx, c, q.gather.commit)
	if err != nil {
		q.log.ErrorContext(ctx, "the results of an attempt could not be recorded: it will be made again",
			"id", j.Message.ID, "destination", j.Destination, "replies", replies(results), "err", err)
		return ending{left: later(st.item)}
	}
	e := ending{}
	e.feedback, e.failure = judge(results)
	if after != nil {
		q.attempted(ctx, c, j, results)
		e.left, e.owes = q.left(after, j.Destination), after.owes(q.policyOf, now)
	}
	return e
}

// settle has the sender told what he should hear by now of a message whose
// destination is not tried at present.
func (q *Queue) settle(ctx context.Context, st start) ending {
	to, now := st.item.dest, time.Now()
	c := &commit{
		queue: q, key: st.item.key, now: now, tell: q.schedule.alone(st.item),
		change: func(m *stored, now time.Time) {
			if !st.resting {
				return
			}
			for _, i := range m.due(to.name, now) {
				m.postpone(i, st.failure, q.policyOf(to.name), now)
			}
		},
	}
	after, err := q.persist(ctx, c, alone)
	switch {
	case err != nil:
		q.log.ErrorContext(ctx, "a sender could not be told of a delay", "shard", st.item.key.shard(), "serial", st.item.key.serial(), "err", err)
		return ending{left: later(st.item)}
	case after == nil:
		return ending{}
	}
	q.ended(ctx, c, nil)
	return ending{left: q.left(after, to.name), owes: after.owes(q.policyOf, now)}
}

// readAlong is how large a body may be to be read before somebody asks for it.
const readAlong = 32 << 10

// job reads an item's message, and who is due at its destination. The message is
// nil if it is no longer there.
func (q *Queue) job(ctx context.Context, st start) (*Job, *stored, error) {
	it, found := st.item, st.found
	j := &Job{Destination: it.dest.name, queue: q, key: it.key}
	err := q.engine.View(ctx, it.key.shard(), func(r kv.Reader) error {
		var err error
		if st.found == nil {
			if found, err = readMessage(r, it.key); err != nil || found == nil {
				return err
			}
		}
		j.Message, j.Recipients = found.Message, found.due(j.Destination, time.Now())
		if len(j.Recipients) > 0 && found.Body.Blob == "" && found.Body.Size <= readAlong {
			j.body, err = readBody(r, it.key)
		}
		if fault.Is(err, fault.Corrupt) || fault.Is(err, fault.NotFound) {
			err = nil // whoever opens it will find out
		}
		return err
	})
	return j, found, err
}

// noReply stands for a reply where there is none.
var noReply = smtpwire.NewReply(451, smtpwire.EnhancedCode{4, 3, 0}, "The attempt was broken off; it will be repeated")

// try has a job tried and makes sure that there is a result with a reply for each
// recipient. A panic is a defect of the one attempt.
func (q *Queue) try(ctx context.Context, j *Job, deliver Deliver) (results []Result) {
	defer func() {
		if v := recover(); v != nil {
			q.log.ErrorContext(ctx, "panic in a delivery", "id", j.Message.ID, "destination", j.Destination,
				"panic", v, "stack", string(debug.Stack()))
			results = complete(nil, len(j.Recipients))
		}
	}()
	results = complete(deliver(ctx, j), len(j.Recipients))
	if ctx.Err() != nil {
		// That we had to stop is nobody's fault, and no attempt.
		for i := range results {
			if o := results[i].Outcome; o == Deferred || o == Unreachable {
				results[i].interrupted = true
			}
		}
	}
	return results
}

// complete gives each of n recipients a result with a reply.
func complete(results []Result, n int) []Result {
	results = append(make([]Result, 0, n), results[:min(n, len(results))]...)
	for len(results) < n {
		results = append(results, Result{})
	}
	for i := range results {
		if r := &results[i]; r.Reply.IsZero() && r.Outcome != Accepted {
			r.Reply = noReply
		}
	}
	return results
}

// record takes the results over, but for recipients that others have dealt with in
// the meantime.
func (j *Job) record(st *stored, results []Result, now time.Time) {
	policy := j.queue.policyOf(j.Destination)
	for n, i := range j.Recipients {
		if st.progress[i].State == Pending && !results[n].interrupted {
			st.record(i, results[n], policy, now)
		}
	}
}

// replies lists what was said, for the log.
func replies(results []Result) []string {
	texts := make([]string, len(results))
	for i, r := range results {
		texts[i] = r.Reply.String()
	}
	return texts
}

// judge says what the results show of the destination.
func judge(results []Result) (feedback, Result) {
	fb, failure := nothing, Result{}
	for _, r := range results {
		switch {
		case r.interrupted:
		case r.Outcome != Unreachable:
			return reached, Result{}
		default:
			fb, failure = unreached, r
		}
	}
	return fb, failure
}

const (
	firstPersist   = time.Second
	longestPersist = 30 * time.Second
	persistTimeout = 30 * time.Second
)

// alone makes a commit by itself.
func alone(ctx context.Context, c *commit) error { return c.run(ctx) }

// persist makes a commit that tells what has happened outside and must not be
// forgotten: while the disk is full or the engine away it is tried again and again,
// and the item stays taken. At the end of Run there is one last try.
func (q *Queue) persist(ctx context.Context, c *commit, once func(context.Context, *commit) error) (*stored, error) {
	for pause := firstPersist; ; pause = min(2*pause, longestPersist) {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
		err := once(limited, c)
		cancel()
		if err == nil || fault.Is(err, fault.Corrupt) || ctx.Err() != nil {
			return c.st, err
		}
		q.log.WarnContext(ctx, "the queue cannot be written now", "shard", c.key.shard(), "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}
