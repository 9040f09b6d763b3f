package inbound

import (
	"posthorn/internal/kv"
	"posthorn/internal/queue"
	"posthorn/internal/store"
)

// outgoing is what the queue gets of a message; nil: nothing.
type outgoing struct{ *queue.Message }

// outgoing makes the queue's part of a message, for the recipients in other
// domains. It is valid as long as m is.
func (t *Transaction) outgoing(m *store.Message) *outgoing {
	var to []queue.Recipient
	for _, r := range t.recipients {
		if r.foreign {
			to = append(to, queue.Recipient{Address: r.address, Notify: r.params.Notify, Original: r.params.Original})
		}
	}
	if len(to) == 0 {
		return nil
	}
	inline, id := m.Body()
	return &outgoing{&queue.Message{
		ID: t.id, From: t.from, Recipients: to, Created: t.o.Clock(),
		// RFC 5321 §4.4: the Return-Path is for the final delivery, which is not ours.
		Body:       queue.Body{Data: inline, Blob: id, Size: m.Size, Skip: int64(len(appendReturnPath(nil, t.from)))},
		Return:     t.params.Return,
		EnvelopeID: t.params.EnvelopeID,
		// RFC 6152 §3: what the message is counts, not what the client has declared.
		EightBit: m.Parsed.Has8Bit, Binary: t.params.Binary,
	}}
}

// shards are those that the commit has on account of the queue.
func (o *outgoing) shards() []kv.Shard {
	if o == nil {
		return nil
	}
	return []kv.Shard{queue.ShardOf(o.ID)}
}

// put adds the message to the queue, as part of a commit that has the shards.
func (o *outgoing) put(tx *store.MultiTx) error {
	if o == nil {
		return nil
	}
	return queue.Put(tx.In(queue.ShardOf(o.ID)), o.Message)
}
