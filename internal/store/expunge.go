package store

import "posthorn/internal/record"

// Expunge takes the messages in these ranges that have \Deleted out of a mailbox,
// and gives their UIDs. They can be brought back until Maintain removes them.
func (tx *Tx) Expunge(id MailboxID, rs []UIDRange) ([]UIDRange, error) {
	return tx.takeOut(id, rs, expunged, func(e Entry) bool { return e.Flags&Deleted != 0 })
}

// Remove takes the messages in these ranges out of a mailbox, whatever their flags.
func (tx *Tx) Remove(id MailboxID, rs []UIDRange) ([]UIDRange, error) {
	return tx.takeOut(id, rs, expunged, func(Entry) bool { return true })
}

// reason says why messages are no longer in their mailbox.
type reason byte

const (
	expunged reason = 1 // deleted; can be brought back
	moved    reason = 2 // in another mailbox now
	dropped  reason = 3 // deleted with the whole mailbox; can be brought back
)

// takeOut is one change in the feed and one note for Maintain, however many
// messages it takes out: records and bodies stay as they are for now.
func (tx *Tx) takeOut(id MailboxID, rs []UIDRange, why reason, which func(Entry) bool) ([]UIDRange, error) {
	b, err := tx.box(id)
	if err != nil {
		return nil, err
	}
	snap, err := tx.snapshot(b)
	if err != nil {
		return nil, err
	}
	var out collector
	var messages, bytes int64
	snap.EachUID(rs, func(seq int, e Entry) bool {
		if which(e) {
			out.add(seq, e.UID)
			b.count(e, -1)
			messages++
			bytes += int64(e.Size)
		}
		return true
	})
	if messages == 0 {
		return nil, nil
	}
	tx.record(b, change{kind: messagesGone, uids: out.ranges})
	if err := tx.charge(Resources{Messages: -messages, Bytes: -bytes}); err != nil {
		return nil, err
	}
	return out.ranges, tx.noteExpunged(b.ID, expungeNote{why: why, uids: out.ranges})
}

// expungeNote tells Maintain, and whoever wants mail back, what left a mailbox.
type expungeNote struct {
	why  reason
	name string // of the mailbox, if it was dropped
	uids ranges
}

const noteVersion = 1

// noteExpunged adds to what this Tx has taken out of a mailbox.
func (tx *Tx) noteExpunged(id MailboxID, n expungeNote) error {
	when := tx.now.Unix()
	if n.why == moved {
		when = 0 // nothing to bring back: due at once
	}
	k := keyExpunged(when, id, tx.head.modSeq)
	var c record.Encoder
	if b, ok, err := tx.w.Get(k); err != nil {
		return err
	} else if ok {
		c.Raw(b)
	} else {
		c.Byte(noteVersion)
	}
	c.Byte(byte(n.why))
	c.String(n.name)
	encodeRanges(&c, n.uids)
	return tx.w.Put(k, c.Record())
}

func decodeNotes(b []byte) ([]expungeNote, error) {
	d := record.NewDecoder(b)
	if _, err := d.Version(noteVersion, "store: a note of what was expunged"); err != nil {
		return nil, err
	}
	var notes []expungeNote
	for d.More() {
		notes = append(notes, expungeNote{why: reason(d.Byte()), name: d.String(), uids: decodeRanges(&d)})
	}
	return notes, d.Done("store: a note of what was expunged")
}
