package store

import (
	"posthorn/internal/fault"
)

var errNoRecord = fault.New(fault.Corrupt, "store: the message's record is missing or damaged")

// Copied says where messages went: From[i] became To[i].
type Copied struct{ From, To []UID }

// Copy puts copies of the messages in these ranges into a mailbox of the account,
// in their order, with their flags and dates (RFC 9051 §6.4.7). Bodies are shared. If
// one of them is damaged none is copied, for whoever copies may delete afterwards.
// Errors: NotFound, OverQuota, Limit, Corrupt.
func (tx *Tx) Copy(from MailboxID, rs []UIDRange, to MailboxID) (Copied, error) {
	return tx.copy(from, rs, to, copying)
}

// Move is Copy, and then the messages that it copied leave their mailbox (RFC 6851 §3).
// Damaged ones stay where they are. Errors: NotFound, Limit.
func (tx *Tx) Move(from MailboxID, rs []UIDRange, to MailboxID) (Copied, error) {
	res, err := tx.copy(from, rs, to, moving)
	if err != nil || len(res.From) == 0 {
		return res, err
	}
	copied := make([]UIDRange, len(res.From))
	for i, uid := range res.From {
		copied[i] = UIDRange{uid, uid}
	}
	_, err = tx.takeOut(from, copied, moved, func(Entry) bool { return true })
	return res, err
}

// transfer is why messages are copied.
type transfer bool

const (
	copying transfer = true
	moving  transfer = false // no more is stored than before, so the quota does not matter
)

// copy does the work of both.
func (tx *Tx) copy(from MailboxID, rs []UIDRange, to MailboxID, why transfer) (Copied, error) {
	var res Copied
	src, err := tx.box(from)
	if err != nil {
		return res, err
	}
	dst, err := tx.box(to)
	if err != nil {
		return res, err
	}
	snap, err := tx.snapshot(src)
	if err != nil {
		return res, err
	}
	records, err := tx.collect(snap, rs, why)
	if err != nil {
		return res, err
	}
	if err := tx.chargeCopies(records, why); err != nil {
		return res, err
	}
	for _, r := range records {
		flags, err := tx.translate(src, dst, r.entry.Flags)
		if err != nil {
			return res, err
		}
		email, err := recordEmail(r.record)
		if err != nil {
			return res, err
		}
		e := Entry{Flags: flags, Size: r.entry.Size, InternalDate: r.entry.InternalDate, Zone: r.entry.Zone}
		e.Content = contentOf(email)
		uid, err := tx.place(dst, e, email, r.record)
		if err != nil {
			return res, err
		}
		res.From = append(res.From, r.entry.UID)
		res.To = append(res.To, uid)
	}
	return res, nil
}

// stored is a message with the bytes of its record.
type stored struct {
	entry  Entry
	record []byte
}

// collect reads the records of messages, as they are before anything is written. A
// message whose record is missing or damaged cannot be copied, and is not moved.
func (tx *Tx) collect(snap *Snapshot, rs []UIDRange, why transfer) ([]stored, error) {
	var all []stored
	for _, rg := range normalize(rs) {
		at := len(all)
		snap.EachUID([]UIDRange{rg}, func(_ int, e Entry) bool {
			all = append(all, stored{entry: e})
			return true
		})
		if at == len(all) {
			continue
		}
		rg = UIDRange{all[at].entry.UID, all[len(all)-1].entry.UID}
		err := scan(tx.w, recordRange(snap.id, rg), func(k, v []byte) error {
			for at < len(all) && all[at].entry.UID < uidOf(k) {
				at++
			}
			if at < len(all) && all[at].entry.UID == uidOf(k) && new(Record).decode(v) == nil {
				all[at].record = copyRecord(v, tx.now)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	kept := all[:0]
	for _, s := range all {
		if s.record == nil {
			tx.account.damaged(snap.id, s.entry.UID, errNoRecord)
			if why == copying {
				return nil, errNoRecord
			}
			continue
		}
		kept = append(kept, s)
	}
	return kept, nil
}

func (tx *Tx) chargeCopies(records []stored, why transfer) error {
	var bytes int64
	for _, r := range records {
		bytes += int64(r.entry.Size)
	}
	if why == copying {
		return tx.charge(int64(len(records)), bytes)
	}
	tx.head.usedBytes += bytes
	tx.head.usedCount += int64(len(records))
	return nil
}

// translate gives flags of one mailbox the bits that they have in another.
func (tx *Tx) translate(src, dst *boxTx, f Flags) (Flags, error) {
	const system = 1<<firstKeyword - 1
	if src == dst || f&^system == 0 {
		return f, nil
	}
	return tx.flags(dst, f.Names(nil, src.keywords))
}
