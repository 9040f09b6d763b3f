package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Lost is mail that was deleted and can be brought back.
type Lost struct {
	When    time.Time
	Mailbox MailboxID
	Name    string // of the mailbox, if it was deleted as a whole
	UIDs    []UIDRange
}

// Lost lists what can be brought back with Restore, the oldest first, a few hundred
// messages at a time.
func (a *Account) Lost(ctx context.Context) ([]Lost, error) {
	var all []Lost
	err := a.view(ctx, func(r kv.Reader) error {
		all = all[:0]
		return scan(r, kv.Prefix([]byte{'X'}), func(k, v []byte) error {
			notes, err := decodeNotes(v)
			for _, n := range notes {
				if n.why != moved {
					all = append(all, Lost{time.Unix(noteTime(k), 0), noteMailbox(k), n.name, n.ranges()})
				}
			}
			return err
		})
	})
	return all, err
}

func noteTime(k []byte) int64        { return int64(binary.BigEndian.Uint64(k[1:])) }
func noteMailbox(k []byte) MailboxID { return MailboxID(binary.BigEndian.Uint32(k[9:])) }

// Restore brings messages back that were deleted from a mailbox (which may be gone
// itself) into a mailbox, under new UIDs and as seen. Those that are gone for good
// or were never there are left out. Errors: NotFound, OverQuota.
func (tx *Tx) Restore(from MailboxID, rs []UIDRange, to MailboxID) ([]UID, error) {
	dst, err := tx.box(to)
	if err != nil {
		return nil, err
	}
	lost, err := tx.lost(from, normalize(rs))
	if err != nil {
		return nil, err
	}
	var uids []UID
	for _, l := range lost {
		if err := tx.charge(Resources{Messages: 1, Bytes: l.record.Size}); err != nil {
			return nil, err
		}
		e := Entry{Flags: Seen, Size: uint32(l.record.Size)}
		e.identify(l.record.EmailID, l.record.InternalDate)
		uid, err := tx.place(dst, e)
		if err != nil {
			return nil, err
		}
		if err := tx.bringBack(from, l); err != nil {
			return nil, err
		}
		uids = append(uids, uid)
	}
	return uids, nil
}

// lostMessage is a message that can be brought back.
type lostMessage struct {
	departed
	record Record
	raw    []byte // the stored record
}

// bringBack gives up what a message holds that is in a mailbox again.
func (tx *Tx) bringBack(from MailboxID, l lostMessage) error {
	if l.content == 0 {
		if err := tx.w.Put(keyContent(l.record.EmailID), l.raw); err != nil {
			return err
		}
		if err := tx.w.Delete(keyRecord(from, l.uid)); err != nil {
			return err
		}
	}
	if err := tx.w.Delete(keyPOP3(from, l.uid)); err != nil {
		return err
	}
	return tx.w.Delete(keyEmail(l.record.EmailID, from, l.uid))
}

// lost finds what was deleted from a mailbox and can be brought back, by UID.
func (tx *Tx) lost(from MailboxID, wanted ranges) ([]lostMessage, error) {
	var gone []departed
	var old ranges
	err := scan(tx.w, kv.Prefix([]byte{'X'}), func(k, v []byte) error {
		if noteMailbox(k) != from {
			return nil
		}
		notes, err := decodeNotes(v)
		for _, n := range notes {
			if n.why == moved {
				continue
			}
			old = append(old, n.uids...)
			for _, g := range n.gone {
				if wanted.contains(g.uid) {
					gone = append(gone, g)
				}
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	left, err := tx.recordsLeft(from, intersect(normalize(old), wanted), math.MaxInt)
	if err != nil {
		return nil, err
	}
	gone = append(gone, left...)
	slices.SortFunc(gone, func(a, b departed) int { return cmp.Compare(a.uid, b.uid) })
	var all []lostMessage
	for _, g := range gone {
		l, ok, err := tx.lostMessage(from, g)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, l)
		}
	}
	return all, nil
}

// lostMessage reads what is left of a message; ok is false if it was brought back before,
// or is damaged.
func (tx *Tx) lostMessage(from MailboxID, g departed) (l lostMessage, ok bool, err error) {
	k := keyRecord(from, g.uid)
	if g.content != 0 {
		if _, ok, err := tx.w.Get(keyEmail(g.content, from, g.uid)); err != nil || !ok {
			return l, false, err
		}
		k = keyContent(g.content)
	}
	raw, ok, err := tx.w.Get(k)
	if err != nil || !ok {
		return l, false, err
	}
	l = lostMessage{departed: g, raw: bytes.Clone(raw)}
	if err := l.record.decode(l.raw); err != nil {
		tx.account.damaged(from, g.uid, err)
		return l, false, nil
	}
	return l, true, nil
}

// recordsLeft finds the records in a mailbox, in these ranges, of messages that are no longer
// there: so many at the most.
func (tx *Tx) recordsLeft(id MailboxID, rs ranges, most int) ([]departed, error) {
	live := func(UID) bool { return false }
	switch b, err := tx.box(id); {
	case err == nil:
		snap, err := tx.snapshot(b)
		if err != nil {
			return nil, err
		}
		live = func(u UID) bool { _, ok := snap.Seq(u); return ok }
	case !fault.Is(err, fault.NotFound):
		return nil, err
	}
	var left []departed
	for _, rg := range rs {
		if len(left) >= most {
			break
		}
		err := tx.w.Scan(recordRange(id, rg), func(k, _ []byte) bool {
			if u := uidOf(k); !live(u) {
				left = append(left, departed{uid: u})
			}
			return len(left) < most
		})
		if err != nil {
			return nil, err
		}
	}
	return left, nil
}
