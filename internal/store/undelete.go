package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
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

// Lost lists what can be brought back with Restore, the oldest first.
func (a *Account) Lost(ctx context.Context) ([]Lost, error) {
	var all []Lost
	err := a.view(ctx, func(r kv.Reader) error {
		all = all[:0]
		return scan(r, kv.Prefix([]byte{'X'}), func(k, v []byte) error {
			notes, err := decodeNotes(v)
			if err != nil {
				return err
			}
			for _, n := range notes {
				if n.why != moved {
					all = append(all, Lost{time.Unix(noteTime(k), 0), noteMailbox(k), n.name, n.uids})
				}
			}
			return nil
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
	gone, err := tx.goneRecords(from, rs, math.MaxInt)
	if err != nil {
		return nil, err
	}
	var uids []UID
	for _, s := range gone {
		var rec Record
		if err := rec.decode(s.record); err != nil {
			tx.account.damaged(from, s.entry.UID, err)
			continue
		}
		if err := tx.charge(Resources{Messages: 1, Bytes: rec.Size}); err != nil {
			return nil, err
		}
		e := Entry{Flags: Seen, Size: uint32(rec.Size)}
		e.identify(rec.EmailID, rec.InternalDate)
		uid, err := tx.place(dst, e, rec.EmailID, copyRecord(s.record, tx.now))
		if err != nil {
			return nil, err
		}
		if err := tx.forget(from, s.entry.UID, rec.EmailID); err != nil {
			return nil, err
		}
		uids = append(uids, uid)
	}
	return uids, nil
}

// goneRecords collects the records of messages that are no longer in a mailbox, so
// many at the most.
func (tx *Tx) goneRecords(id MailboxID, rs []UIDRange, most int) ([]stored, error) {
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
	var gone []stored
	for _, rg := range normalize(rs) {
		err := tx.w.Scan(recordRange(id, rg), func(k, v []byte) bool {
			if u := uidOf(k); !live(u) {
				gone = append(gone, stored{Entry{UID: u}, bytes.Clone(v)})
			}
			return len(gone) < most
		})
		if err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// forget removes the record of a message that is in no mailbox any more, and its
// body if no other message shares it.
func (tx *Tx) forget(id MailboxID, uid UID, email EmailID) error {
	if err := tx.w.Delete(keyRecord(id, uid)); err != nil {
		return err
	}
	if err := tx.w.Delete(keyEmail(email, id, uid)); err != nil {
		return err
	}
	if err := tx.w.Delete(keyPOP3(id, uid)); err != nil {
		return err
	}
	shared := false
	rg := kv.Prefix(emailPrefix(email))
	rg.Limit = 1
	if err := tx.w.Scan(rg, func(_, _ []byte) bool { shared = true; return false }); err != nil || shared {
		return err
	}
	body, ok, err := tx.w.Get(keyBody(email))
	if err != nil || !ok {
		return err
	}
	if body[0] == bodyBlob {
		if err := tx.w.Delete(keyLarge(string(body[1:]))); err != nil {
			return err
		}
	}
	return tx.w.Delete(keyBody(email))
}
