package queue

import (
	"context"
	"slices"
	"time"

	"posthorn/internal/dsn"
	"posthorn/internal/obs"
)

// event begins an event about some recipients of a message.
func (st *stored) event(kind obs.EventKind, at time.Time, recipients ...int) *obs.Event {
	e := &obs.Event{Kind: kind, Time: at, Message: string(st.ID), From: st.From.String()}
	for _, i := range recipients {
		e.To = append(e.To, obs.EventRecipient{Address: st.Recipients[i].Address.String()})
	}
	return e
}

// kindOf is what is told of a recipient that was tried or has come to its end.
func (s State) kindOf() obs.EventKind {
	return [numStates]obs.EventKind{
		Pending: obs.Deferred, Delivered: obs.Delivered, Failed: obs.Failed, Expired: obs.Expired, Deleted: obs.Deleted,
	}[s]
}

// attempted tells what became of the recipients of a job.
func (q *Queue) attempted(ctx context.Context, c *commit, j *Job, results []Result) {
	for n, i := range j.Recipients {
		r := &results[n]
		if r.interrupted {
			continue
		}
		p := &c.st.progress[i]
		e := c.st.event(p.State.kindOf(), c.now, i)
		e.Destination, e.Host, e.Reply, e.Attempts, e.Mailbox = j.Destination, r.Remote, r.Reply.String(), p.Attempts, r.Mailbox
		e.TLS = r.TLS
		if p.State == Pending {
			e.Next = p.Next
		}
		q.trail.Tell(ctx, e)
	}
	q.ended(ctx, c, j.Recipients)
}

// ended tells of the recipients whose end a commit was without an attempt, all but
// some; and then what the sender is told.
func (q *Queue) ended(ctx context.Context, c *commit, but []int) {
	for _, i := range c.st.ended {
		if slices.Contains(but, i) {
			continue
		}
		p := &c.st.progress[i]
		e := c.st.event(p.State.kindOf(), c.now, i)
		e.Destination, e.Host, e.Reply, e.Attempts = c.st.destination(i), p.Remote, p.Reply.String(), p.Attempts
		q.trail.Tell(ctx, e)
	}
	q.notified(ctx, c)
}

// notified tells what the sender is told by a commit, if anything.
func (q *Queue) notified(ctx context.Context, c *commit) {
	if c.notification == nil {
		return
	}
	for _, action := range []dsn.Action{dsn.Failed, dsn.Delayed, dsn.Relayed, dsn.Delivered} {
		var about []int
		for _, one := range c.about {
			if one.action == action {
				about = append(about, one.number)
			}
		}
		if len(about) > 0 {
			e := c.st.event(obs.Notified, c.now, about...)
			e.Related, e.Action, e.Mailbox = string(c.notification.ID), action.String(), c.boxed
			q.trail.Tell(ctx, e)
		}
	}
}

// ordered is what an order did to a message.
type ordered struct {
	st         *stored
	recipients []int
}

// orderKinds are the kinds of events by operation.
var orderKinds = [...]obs.EventKind{
	Retry: obs.Retried, Hold: obs.Held, Release: obs.Released, Bounce: obs.Bounced, Delete: obs.Deleted, Reroute: obs.Rerouted,
}

// tell tells what the order did to messages, once it is done.
func (op *operation) tell(ctx context.Context, at time.Time) {
	for _, one := range op.told {
		e := one.st.event(orderKinds[op.order.Operation], at, one.recipients...)
		switch op.order.Operation {
		case Bounce:
			e.Reply = one.st.progress[one.recipients[0]].Reply.String()
		case Reroute:
			e.Destination = op.order.Route
		case Hold:
			if op.order.Reason != "" {
				e.Kind, e.Rule = obs.HeldBack, op.order.Reason
			}
		}
		op.queue.trail.Tell(ctx, e)
	}
}
