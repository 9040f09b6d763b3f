package store

import (
	"bytes"
	"slices"

	"posthorn/internal/fault"
)

// Copied says where messages went: From[i] became To[i].
type Copied struct{ From, To []UID }

// Copy puts copies of the messages in these ranges into a mailbox of the account,
// in their order, with their flags and dates (RFC 9051 §6.4.7). They share everything but
// that, also what is damaged. Errors: NotFound, OverQuota, Limit, Corrupt.
func (tx *Tx) Copy(from MailboxID, rs []UIDRange, to MailboxID) (Copied, error) {
	return Transfer{Src: tx, From: from, UIDs: rs, Dst: tx, To: to, Keep: AllFlags}.Copy()
}

// Move is Copy, and then the messages that it copied leave their mailbox (RFC 6851 §3).
// Errors: NotFound, Limit.
func (tx *Tx) Move(from MailboxID, rs []UIDRange, to MailboxID) (Copied, error) {
	return Transfer{Src: tx, From: from, UIDs: rs, Dst: tx, To: to, Keep: AllFlags}.Move()
}

// Transfer is messages on their way to another mailbox, which may be of another account
// in the same Update. Then records and bodies are copied, but for large bodies, which accounts
// share, and damage stays where it is: if one of the messages is damaged none is copied,
// for whoever copies may delete afterwards, and it is not moved.
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
	why := moved
	if t.Src == t.Dst {
		why = relinked
	}
	_, err = t.Src.takeOut(t.From, copied, why, func(Entry) bool { return true })
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
	var all []Entry
	snap.EachUID(t.UIDs, func(_ int, e Entry) bool {
		all = append(all, e)
		return true
	})
	if t.Src == t.Dst {
		all, err = t.Src.share(t.From, all, why)
	} else {
		all, err = t.bring(all, why)
		why = copying // in the other account more is stored than before
	}
	if err != nil {
		return res, err
	}
	if err := t.Dst.chargeCopies(all, why); err != nil {
		return res, err
	}
	res = Copied{From: make([]UID, 0, len(all)), To: make([]UID, 0, len(all))}
	for _, e := range all {
		if e.Flags, err = t.translate(src, dst, e.Flags); err != nil {
			return res, err
		}
		uid, err := t.Dst.place(dst, e)
		if err != nil {
			return res, err
		}
		res.From = append(res.From, e.UID)
		res.To = append(res.To, uid)
	}
	return res, nil
}

// share makes the contents of messages such that copies can share them: records of messages
// that came before copies did so are laid beside the bodies.
func (tx *Tx) share(id MailboxID, all []Entry, why transfer) ([]Entry, error) {
	if !slices.ContainsFunc(all, func(e Entry) bool { return e.inMailbox() }) {
		return all, nil
	}
	kept := all[:0]
	var keys, records [][]byte
	for _, e := range all {
		if !e.inMailbox() {
			kept = append(kept, e)
			continue
		}
		rec, raw, err := tx.readRecord(id, e)
		if err != nil {
			if err := tx.leave(id, e, why, err); err != nil {
				return nil, err
			}
			continue
		}
		e.identify(rec.EmailID, rec.InternalDate)
		kept = append(kept, e)
		if _, there, err := tx.w.Get(keyContent(e.Content)); err != nil {
			return nil, err
		} else if !there {
			keys, records = append(keys, keyContent(e.Content)), append(records, raw)
		}
	}
	for i, k := range keys {
		if err := tx.w.Put(k, records[i]); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// readRecord reads the record of a message. Corrupt: it is missing or damaged.
func (tx *Tx) readRecord(id MailboxID, e Entry) (rec Record, raw []byte, err error) {
	k := keyContent(e.Content)
	if e.inMailbox() {
		k = keyRecord(id, e.UID)
	}
	raw, err = mustGet(tx.w, k, "the message's record")
	if err == nil {
		raw = bytes.Clone(raw)
		err = rec.of(&e, raw)
	}
	return rec, raw, err
}

// leave decides on a message that cannot be read: it is not moved, and nothing is copied.
func (tx *Tx) leave(id MailboxID, e Entry, why transfer, err error) error {
	if !fault.Is(err, fault.Corrupt) {
		return err
	}
	tx.account.damaged(id, e.UID, err)
	if why == copying {
		return errNoRecord
	}
	return nil
}

// maxBrought bounds the bodies that one Update carries from one account to another.
const maxBrought = 64 << 20

// bring gives the contents of messages to the other account, where they get new numbers.
func (t Transfer) bring(all []Entry, why transfer) ([]Entry, error) {
	brought := map[EmailID]EmailID{}
	total := 0
	kept := all[:0]
	for _, e := range all {
		rec, raw, err := t.Src.readRecord(t.From, e)
		if err != nil {
			if err := t.Src.leave(t.From, e, why, err); err != nil {
				return nil, err
			}
			continue
		}
		there, ok := brought[rec.EmailID]
		if !ok {
			body, err := mustGet(t.Src.w, keyBody(rec.EmailID), "the body")
			if err != nil {
				return nil, err
			}
			if total += len(body); total > maxBrought {
				return nil, fault.New(fault.Limit, "store: the messages have more than %d bytes, too many to bring to another account at once", maxBrought)
			}
			if there, err = t.Dst.putContent(raw, body); err != nil {
				return nil, err
			}
			brought[rec.EmailID] = there
		}
		e.identify(there, rec.InternalDate)
		kept = append(kept, e)
	}
	return kept, nil
}

// putContent stores a record, which it changes, and a body under the account's next
// number.
func (tx *Tx) putContent(record, body []byte) (EmailID, error) {
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
	email := tx.head.lastEmail
	setRecordEmail(record, email)
	if err := tx.w.Put(keyContent(email), record); err != nil {
		return 0, err
	}
	return email, tx.w.Put(keyBody(email), body)
}

func (tx *Tx) chargeCopies(all []Entry, why transfer) error {
	more := Resources{Messages: int64(len(all))}
	for _, e := range all {
		more.Bytes += int64(e.Size)
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
