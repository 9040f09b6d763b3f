package queue

import (
	"context"
	"errors"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/obs"
	"posthorn/internal/smtpwire"
)

// Operation is what an operator can do to recipients that are pending.
type Operation uint8

// The operations.
const (
	Retry   Operation = iota // try at once, also what is at rest; what is on hold stays there
	Hold                     // try no more until Release
	Release                  // from hold, and try at once, but not before its sender wants that
	Bounce                   // give up and tell the sender
	Delete                   // take out and tell nobody
	Reroute                  // to another destination, and try at once
)

// Order is an operation with what it needs.
type Order struct {
	Operation Operation
	Route     string // of Reroute: a domain or whatever else Deliver knows; "": the domain of the address
	// Reason, of Bounce: for the sender; may be empty. Of Hold: the rule by which the server
	// does it by itself; "": the operator does it.
	Reason  string
	Preview bool // change nothing, only say what would be changed
}

// Affected says what an order has changed, or would change.
type Affected struct {
	Messages   []ID
	Recipients int
	Missing    []ID // of Filter.IDs, those that are not queued
	Damaged    []ID // of Filter.IDs, those that can only be deleted
}

// Operate carries an order out for all that the filter picks. An attempt that is
// under way still counts: what it delivers is delivered. After an error, what is in
// Affected has been done. Damaged messages must be named to be deleted; that is all
// that can be done to them, and nobody can be told of it.
func (q *Queue) Operate(ctx context.Context, f Filter, o Order) (Affected, error) {
	var all Affected
	if o.Operation > Reroute {
		return all, fault.New(fault.Invalid, "queue: there is no operation %d", o.Operation)
	}
	for _, id := range f.IDs {
		if err := id.checkName(); err != nil {
			return all, err
		}
	}
	f = f.normal()
	do := func(slice int, found []*stored, _ time.Time) (bool, error) {
		op := &operation{queue: q, filter: &f, order: &o, slice: slice, found: found}
		err := op.run(ctx)
		all.Messages = append(all.Messages, op.affected.Messages...)
		all.Recipients += op.affected.Recipients
		return true, err
	}
	if f.IDs == nil {
		return all, q.find(ctx, &f, do)
	}
	for _, id := range f.IDs {
		st, err := q.named(ctx, id)
		switch {
		case fault.Is(err, fault.Corrupt):
			err = q.operateDamaged(ctx, id, &o, &all)
		case err != nil:
		case st == nil:
			all.Missing = append(all.Missing, id)
		case f.matching(st, time.Now()) != nil:
			_, err = do(st.key.slice(), []*stored{st}, time.Time{})
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// operateDamaged is Operate for a message that cannot be read.
func (q *Queue) operateDamaged(ctx context.Context, id ID, o *Order, all *Affected) error {
	if o.Operation != Delete {
		all.Damaged = append(all.Damaged, id)
		return nil
	}
	if !o.Preview {
		if err := q.discard(ctx, id); err != nil {
			return err
		}
		q.trail.Tell(ctx, &obs.Event{Kind: obs.Deleted, Time: time.Now(), Message: string(id)})
	}
	all.Messages = append(all.Messages, id)
	return nil
}

// operation carries an order out for some messages of one slice.
type operation struct {
	queue    *Queue
	filter   *Filter
	order    *Order
	slice    int
	found    []*stored
	affected Affected
	touched  []key           // messages that the schedule must read again
	told     []ordered       // what log and history are to hear
	rested   map[string]bool // destinations whose rest is over
}

func (op *operation) run(ctx context.Context) error {
	op.rested = map[string]bool{}
	err := op.carryOut(ctx)
	if !op.order.Preview {
		op.queue.schedule.wake(op.rested)
		op.queue.news.about(op.touched...)
	}
	return err
}

func (op *operation) carryOut(ctx context.Context) error {
	if op.order.Preview {
		for _, st := range op.found {
			op.change(st, time.Now())
		}
		return nil
	}
	if op.order.Operation != Bounce {
		err := op.together(ctx)
		if !errors.Is(err, errNotification) {
			return err
		}
	}
	for _, st := range op.found {
		if err := op.single(ctx, st.key); err != nil {
			return err
		}
	}
	return nil
}

// together changes all messages in one Update. It fails with errNotification if a
// sender has to be told something, which is done message by message.
func (op *operation) together(ctx context.Context) error {
	shard, now := sliceShard(op.slice), time.Now()
	err := op.queue.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error {
		op.affected, op.touched, op.told = Affected{}, nil, nil
		for _, st := range op.found {
			c := &commit{queue: op.queue, key: st.key, change: op.change, now: now}
			if err := c.apply(tx.In(shard)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		op.affected, op.touched = Affected{}, nil
		return err
	}
	op.tell(ctx, now)
	return nil
}

// single changes one message, with a notification if one is due.
func (op *operation) single(ctx context.Context, k key) error {
	before, touched := op.affected, len(op.touched)
	c := &commit{
		queue: op.queue, key: k, now: time.Now(), tell: true,
		change: func(st *stored, now time.Time) {
			op.affected, op.touched, op.told = before, op.touched[:touched], nil
			op.change(st, now)
		},
	}
	if err := c.run(ctx); err != nil {
		op.affected, op.touched = before, op.touched[:touched]
		return err
	}
	if c.st == nil {
		return nil // it has come to its end by itself
	}
	op.tell(ctx, c.now)
	var changed []int
	for _, one := range op.told {
		changed = one.recipients
	}
	op.queue.ended(ctx, c, changed)
	return nil
}

// change does to one message what is ordered.
func (op *operation) change(st *stored, now time.Time) {
	numbers := op.filter.matching(st, now)
	var changed []int
	for _, i := range numbers {
		if op.recipient(st, i, now) {
			changed = append(changed, i)
		}
	}
	if len(changed) > 0 {
		op.affected.Messages = append(op.affected.Messages, st.ID)
		op.affected.Recipients += len(changed)
		op.touched = append(op.touched, st.key)
		op.told = append(op.told, ordered{st, changed})
	}
}

// returned is what the sender of a message reads that the operator has given up.
var returned = smtpwire.NewReply(554, smtpwire.EnhancedCode{5, 0, 0}, "The administrator of this server has stopped the delivery")

// recipient does to one recipient what is ordered; it says whether that changes
// anything.
func (op *operation) recipient(st *stored, i int, now time.Time) bool {
	p := &st.progress[i]
	switch op.order.Operation {
	case Retry:
		if p.Held {
			return false
		}
		p.Next = now
	case Hold:
		if p.Held {
			return false
		}
		p.Held = true
	case Release:
		if !p.Held {
			return false
		}
		p.Held, p.Next = false, now
		if st.NotBefore.After(now) {
			p.Next = st.NotBefore
		}
	case Reroute:
		p.Route, p.Next = op.order.Route, now
	case Bounce:
		p.Reply, p.Remote = returned, ""
		if op.order.Reason != "" {
			p.Reply.Lines = []string{op.order.Reason}
		}
		p.Reply = bounded(p.Reply)
		st.end(i, Failed)
	case Delete:
		st.end(i, Deleted)
	}
	if p.State == Pending && !p.Held {
		op.rested[st.destination(i)] = true
	}
	st.dirty[i] = true
	return true
}
