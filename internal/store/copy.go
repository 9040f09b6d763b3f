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
	return Transfer{Src: tx, From: from, UIDs: rs, Dst: tx, To: to, Keep: AllFlags}.Copy()
}

// Move is Copy, and then the messages that it copied leave their mailbox (RFC 6851 §3).
// Damaged ones stay where they are. Errors: NotFound, Limit.
func (tx *Tx) Move(from MailboxID, rs []UIDRange, to MailboxID) (Copied, error) {
	return Transfer{Src: tx, From: from, UIDs: rs, Dst: tx, To: to, Keep: AllFlags}.Move()
}

// Transfer is messages on their way to another mailbox, which may be of another account
// in the same Update: then bodies are copied, but for large ones, which accounts share.
type Transfer struct {
	Src  *Tx
	From MailboxID
	UIDs []UIDRange
	Dst  *Tx
	To   MailboxID
	Keep Flags // those of the flags that go along
}

// Copy is Tx.Copy.
func (t Transfer) Copy() (Copied, error) { return t.run(copying) }

// Move is Tx.Move. Between accounts it can be OverQuota.
func (t Transfer) Move() (Copied, error) {
	res, err := t.run(moving)
	if err != nil || len(res.From) == 0 {
		return res, err
	}
	copied := make([]UIDRange, len(res.From))
	for i, uid := range res.From {
		copied[i] = UIDRange{uid, uid}
	}
	_, err = t.Src.takeOut(t.From, copied, moved, func(Entry) bool { return true })
	return res, err
}

// transfer is why messages are copied.
type transfer bool

const (
	copying transfer = true
	moving  transfer = false // no more is stored than before, so the quota does not matter
)

// run does the work of both.
func (t Transfer) run(why transfer) (Copied, error) {
	var res Copied
	src, err := t.Src.box(t.From)
	if err != nil {
		return res, err
	}
	dst, err := t.Dst.box(t.To)
	if err != nil {
		return res, err
	}
	snap, err := t.Src.snapshot(src)
	if err != nil {
		return res, err
	}
	records, err := t.Src.collect(snap, t.UIDs, why)
	if err != nil {
		return res, err
	}
	if t.Src != t.Dst {
		if err := t.bring(records); err != nil {
			return res, err
		}
		why = copying // in the other account more is stored than before
	}
	if err := t.Dst.chargeCopies(records, why); err != nil {
		return res, err
	}
	for _, r := range records {
		flags, err := t.translate(src, dst, r.entry.Flags)
		if err != nil {
			return res, err
		}
		email, err := recordEmail(r.record)
		if err != nil {
			return res, err
		}
		e := Entry{Flags: flags, Size: r.entry.Size, InternalDate: r.entry.InternalDate, Zone: r.entry.Zone}
		e.Content = contentOf(email)
		uid, err := t.Dst.place(dst, e, email, r.record)
		if err != nil {
			return res, err
		}
		res.From = append(res.From, r.entry.UID)
		res.To = append(res.To, uid)
	}
	return res, nil
}

// maxBrought bounds the bodies that one Update carries from one account to another.
const maxBrought = 64 << 20

// bring gives the contents of messages to the other account, where they get new numbers,
// which are put into their records.
func (t Transfer) bring(records []stored) error {
	brought := map[EmailID]EmailID{}
	total := 0
	for _, r := range records {
		email, err := recordEmail(r.record)
		if err != nil {
			return err
		}
		there, ok := brought[email]
		if !ok {
			body, err := mustGet(t.Src.w, keyBody(email), "the body")
			if err != nil {
				return err
			}
			if total += len(body); total > maxBrought {
				return fault.New(fault.Limit, "store: the messages have more than %d bytes, too many to bring to another account at once", maxBrought)
			}
			if there, err = t.Dst.putBody(body); err != nil {
				return err
			}
			brought[email] = there
		}
		setRecordEmail(r.record, there)
	}
	return nil
}

// putBody stores the record of a body under the account's next number.
func (tx *Tx) putBody(body []byte) (EmailID, error) {
	_, blob, err := decodeBody(body)
	if err != nil {
		return 0, err
	}
	if blob != "" {
		if err := tx.w.Put(keyLarge(string(blob)), nil); err != nil {
			return 0, err
		}
	}
	tx.touch()
	tx.head.lastEmail++
	return tx.head.lastEmail, tx.w.Put(keyBody(tx.head.lastEmail), body)
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
	more := Resources{Messages: int64(len(records))}
	for _, r := range records {
		more.Bytes += int64(r.entry.Size)
	}
	if why == copying {
		return tx.charge(more)
	}
	tx.head.used.add(more)
	return nil
}

// translate gives flags of one mailbox the bits that they have in another.
func (t Transfer) translate(src, dst *boxTx, f Flags) (Flags, error) {
	f &= t.Keep
	if src == dst || f&^systemFlagBits == 0 {
		return f, nil
	}
	return t.Dst.flags(dst, f.Names(nil, src.keywords))
}
