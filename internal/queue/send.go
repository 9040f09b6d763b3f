package queue

import (
	"context"

	"posthorn/internal/kv"
	"posthorn/internal/obs"
)

// Send brings a message of our own to its one recipient, in one commit with somebody's
// change, whose Apply may be nil. From the null sender it goes straight into a mailbox
// here, as notifications do; else it is signed and queued. The error is that of Apply,
// fault.Invalid, or the engine's.
func (q *Queue) Send(ctx context.Context, m *Message, with Change) error {
	shards := []kv.Shard{ShardOf(m.ID)}
	switch {
	case with.Apply == nil:
		with = Change{shards[0], func(kv.Writer) error { return nil }}
	case with.Shard != shards[0]:
		shards = append(shards, with.Shard)
	}
	boxed, err := q.box(ctx, m, with)
	if !boxed {
		err = q.enqueue(ctx, m, with, shards)
	}
	if err == nil {
		q.sent(ctx, m, boxed)
	}
	return err
}

// box puts a message into its recipient's mailbox; false if it is to be queued.
func (q *Queue) box(ctx context.Context, m *Message, with Change) (boxed bool, err error) {
	if q.local == nil || !m.From.IsZero() {
		return false, nil
	}
	if boxed, err = q.local(ctx, m, with); !boxed && err != nil {
		q.log.WarnContext(ctx, "a letter is queued, for its mailbox does not take it",
			"id", m.ID, "to", m.Recipients[0].Address.String(), "err", err)
	}
	return boxed, err
}

func (q *Queue) enqueue(ctx context.Context, m *Message, with Change, shards []kv.Shard) error {
	author := m.From
	if author.IsZero() {
		author = q.settings.Load().Postmaster
	}
	if q.sign != nil {
		m.Header = q.sign(ctx, author, m.Body.Data)
	}
	return q.engine.Update(ctx, shards, func(tx kv.Tx) error {
		if err := with.Apply(tx.In(with.Shard)); err != nil {
			return err
		}
		return Put(tx.In(shards[0]), m)
	})
}

// sent tells where a message of ours is now.
func (q *Queue) sent(ctx context.Context, m *Message, boxed bool) {
	to := []obs.EventRecipient{{Address: m.Recipients[0].Address.String(), Queued: !boxed}}
	e := obs.Event{Kind: obs.Accepted, Time: m.Created, Message: string(m.ID), From: m.From.String(), To: to, Size: int64(len(m.Body.Data))}
	q.trail.Tell(ctx, &e)
	if boxed {
		e.Kind, e.Mailbox = obs.Delivered, true
		q.trail.Tell(ctx, &e)
	}
}
