package store

import (
	"bytes"
	"context"
	"encoding/binary"

	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// Age turns an account into what a program would have written that kept a record of each
// message in its mailbox; in version 1, which content it has was said there alone.
func (a *Account) Age(ctx context.Context, version int) error {
	return a.store.engine.Update(ctx, []kv.Shard{a.shard}, func(tx kv.Tx) error {
		g := ager{tx.In(a.shard), version}
		err := inBatches(g.w, kv.Prefix([]byte{'M'}), func(k, b []byte) error {
			m, err := decodeMailbox(MailboxID(uidOf(k)), b)
			if err == nil {
				err = g.mailbox(m)
			}
			return err
		})
		if err == nil {
			err = g.notes()
		}
		if err == nil {
			err = g.w.DeleteRange([]byte{'C'}, []byte{'D'})
		}
		return err
	})
}

type ager struct {
	w       kv.Writer
	version int
}

func (g ager) mailbox(m *mailbox) error {
	if err := writeCheckpoint(g.w, m); err != nil {
		return err
	}
	chunks, err := readChunks(g.w, m.ID, 0, ^uint32(0))
	if err != nil {
		return err
	}
	for _, c := range chunks {
		for _, e := range c.entries {
			if e.inMailbox() {
				continue
			}
			if err := g.record(m.ID, e.UID, e.Content, e.Saved); err != nil {
				return err
			}
		}
		c.entries = ofVersion(g.version, c.entries)
		if err := g.w.Put(keyChunk(m.ID, c.number), c.encode()); err != nil {
			return err
		}
	}
	m.identified = false
	return g.w.Put(keyMailbox(m.ID), m.encode())
}

// record puts a message's record into its mailbox.
func (g ager) record(id MailboxID, uid UID, email EmailID, saved uint32) error {
	raw, err := mustGet(g.w, keyContent(email), "the record")
	if err != nil {
		return err
	}
	raw = bytes.Clone(raw)
	binary.BigEndian.PutUint64(raw[saveDateAt:], uint64(saved))
	return g.w.Put(keyRecord(id, uid), raw)
}

func (g ager) notes() error {
	return inBatches(g.w, kv.Prefix([]byte{'X'}), func(k, b []byte) error {
		notes, err := decodeNotes(b)
		if err != nil || len(k) == 21 {
			return err
		}
		id, n := noteMailbox(k), notes[0]
		for _, one := range n.gone {
			if _, ok, err := g.w.Get(keyEmail(one.content, id, one.uid)); err != nil {
				return err
			} else if !ok {
				continue
			}
			if err := g.record(id, one.uid, one.content, 1); err != nil {
				return err
			}
		}
		var c record.Encoder
		if old, ok, err := g.w.Get(k[:21]); err != nil {
			return err
		} else if ok {
			c.Raw(old)
		} else {
			c.Byte(1)
		}
		c.Byte(byte(n.why))
		c.String(n.name)
		encodeRanges(&c, n.ranges())
		if err := g.w.Put(k[:21], c.Record()); err != nil {
			return err
		}
		return g.w.Delete(k)
	})
}
