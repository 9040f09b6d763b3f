package store

import (
	"context"

	"posthorn/internal/kv"
)

// Entries of the first form do not say which content a message has, so every search has
// to look into its record. Maintain finds it out, once for each mailbox.

// identifyAtOnce is how many chunks one commit writes anew.
const identifyAtOnce = 4

// identify completes the entries of the account's mailboxes. What is done stays done:
// cut short, it goes on the next time.
func (a *Account) identify(ctx context.Context) error {
	var old []MailboxID
	err := a.view(ctx, func(r kv.Reader) error {
		old = old[:0]
		return scan(r, kv.Prefix([]byte{'M'}), func(k, v []byte) error {
			m, err := decodeMailbox(MailboxID(uidOf(k)), v)
			if err == nil && !m.identified {
				old = append(old, m.ID)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	for _, id := range old {
		for next, more := uint32(0), true; more; {
			from := next
			err := a.Update(ctx, func(tx *Tx) (err error) {
				next, more, err = tx.identify(id, from)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// identify completes some entries of a mailbox, from a chunk on; next is where to go on,
// if there is more.
func (tx *Tx) identify(id MailboxID, from uint32) (next uint32, more bool, err error) {
	b, err := tx.box(id)
	if err != nil {
		return 0, false, err
	}
	b.dirty, b.stale = true, true
	if b.backlog.records > 0 {
		if err := writeCheckpoint(tx.w, b.mailbox); err != nil {
			return 0, false, err
		}
	}
	chunks, more, err := tx.unidentified(id, from)
	if err != nil {
		return 0, false, err
	}
	for _, c := range chunks {
		if err := tx.identifyChunk(id, c); err != nil {
			return 0, false, err
		}
		next = c.number + 1
	}
	b.identified = !more
	return next, more, nil
}

// unidentified reads the next chunks in which a content is unknown.
func (tx *Tx) unidentified(id MailboxID, from uint32) (chunks []*chunk, more bool, err error) {
	rg := kv.Range{From: keyChunk(id, from), To: kv.PrefixEnd(mailboxPrefix('K', id))}
	var bad error
	err = tx.w.Scan(rg, func(k, v []byte) bool {
		var c *chunk
		if c, bad = decodeChunk(uint32(uidOf(k)), v); bad != nil {
			return false
		}
		for _, e := range c.entries {
			if e.Content == 0 {
				chunks = append(chunks, c)
				break
			}
		}
		return len(chunks) < identifyAtOnce
	})
	if err == nil {
		err = bad
	}
	return chunks, len(chunks) == identifyAtOnce, err
}

// identifyChunk completes the entries of a chunk. Those whose record is damaged stay as
// they are.
func (tx *Tx) identifyChunk(id MailboxID, c *chunk) error {
	keys := make([][]byte, len(c.entries))
	for i, e := range c.entries {
		keys[i] = keyRecord(id, e.UID)
	}
	err := tx.w.GetEach(keys, func(i int, raw []byte, ok bool) bool {
		var rec Record
		if e := &c.entries[i]; ok && e.Content == 0 && rec.decode(raw) == nil {
			e.identify(rec.EmailID, rec.InternalDate)
		}
		return true
	})
	if err != nil {
		return err
	}
	return tx.w.Put(keyChunk(id, c.number), c.encode())
}
