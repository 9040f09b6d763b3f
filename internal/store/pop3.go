package store

import (
	"context"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// POP3Note is what is kept of a message for the sake of POP3 clients; most messages
// have none. It belongs to one message in one mailbox: copies begin without.
type POP3Note struct {
	UID     UID
	UIDL    string    // the unique id by which they know it from another server; "": none
	Fetched time.Time // when one of them got it first; zero: not, or nobody wanted to know
}

const pop3NoteVersion = 1

// longestUIDL is how long a unique id may be (RFC 1939 §7).
const longestUIDL = 70

func (n *POP3Note) encode() []byte {
	c := record.NewEncoder(12 + len(n.UIDL))
	c.Byte(pop3NoteVersion)
	c.String(n.UIDL)
	if n.Fetched.IsZero() {
		c.Int(0)
	} else {
		c.Int(n.Fetched.Unix())
	}
	return c.Record()
}

func decodePOP3Note(uid UID, b []byte) (POP3Note, error) {
	d := record.NewDecoder(b)
	if _, err := d.Version(pop3NoteVersion, "store: a note for POP3"); err != nil {
		return POP3Note{}, err
	}
	n := POP3Note{UID: uid, UIDL: d.String()}
	if fetched := d.Int(); fetched != 0 {
		n.Fetched = time.Unix(fetched, 0)
	}
	return n, d.Done("store: a note for POP3")
}

// SetUIDL gives a message the unique id that POP3 clients know it by from another
// server, so that they do not fetch it again. That no two messages of a mailbox have
// the same is the caller's to see to. Errors: NotFound, Invalid.
func (tx *Tx) SetUIDL(id MailboxID, uid UID, uidl string) error {
	snap, err := tx.Snapshot(id)
	if err != nil {
		return err
	}
	if _, ok := snap.Seq(uid); !ok {
		return fault.New(fault.NotFound, "store: there is no message %d in mailbox %d", uid, id)
	}
	return tx.putUIDL(id, uid, uidl)
}

func (tx *Tx) putUIDL(id MailboxID, uid UID, uidl string) error {
	if err := checkUIDL(uidl); err != nil {
		return err
	}
	return tx.annotate(id, uid, func(n *POP3Note) bool { n.UIDL = uidl; return true })
}

// checkUIDL: RFC 1939 §7: 1 to 70 characters, 0x21 to 0x7E.
func checkUIDL(uidl string) error {
	ok := uidl != "" && len(uidl) <= longestUIDL
	for i := range len(uidl) {
		ok = ok && uidl[i] > ' ' && uidl[i] < 0x7f
	}
	if !ok {
		return fault.New(fault.Invalid, "store: %.80q is no unique id of POP3; want 1 to %d visible characters", uidl, longestUIDL)
	}
	return nil
}

// NoteFetched notes of the messages in these ranges that a POP3 client has fetched
// them now. Those of which that is known keep their time.
func (tx *Tx) NoteFetched(id MailboxID, rs []UIDRange) error {
	snap, err := tx.Snapshot(id)
	if err != nil {
		return err
	}
	var uids []UID
	snap.EachUID(rs, func(_ int, e Entry) bool {
		uids = append(uids, e.UID)
		return true
	})
	for _, uid := range uids {
		err := tx.annotate(id, uid, func(n *POP3Note) bool {
			first := n.Fetched.IsZero()
			if first {
				n.Fetched = tx.now
			}
			return first
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// annotate changes the note of a message, if fn says that it has changed it.
func (tx *Tx) annotate(id MailboxID, uid UID, fn func(*POP3Note) bool) error {
	k := keyPOP3(id, uid)
	b, ok, err := tx.w.Get(k)
	if err != nil {
		return err
	}
	n := POP3Note{UID: uid}
	if ok {
		if n, err = decodePOP3Note(uid, b); err != nil {
			return err
		}
	}
	if !fn(&n) {
		return nil
	}
	return tx.w.Put(k, n.encode())
}

// POP3Notes gives the notes that messages of a mailbox with these UIDs have, in their
// order; also of some that are gone.
func (a *Account) POP3Notes(ctx context.Context, id MailboxID, rg UIDRange) ([]POP3Note, error) {
	var notes []POP3Note
	keys := kv.Range{From: keyPOP3(id, rg.First), To: append(keyPOP3(id, rg.Last), 0)}
	err := a.view(ctx, func(r kv.Reader) error {
		notes = notes[:0]
		return scan(r, keys, func(k, b []byte) error {
			n, err := decodePOP3Note(uidOf(k), b)
			notes = append(notes, n)
			return err
		})
	})
	return notes, err
}

// FetchedBefore gives the UIDs of messages that a POP3 client got before a time; also of
// some that are gone.
func (a *Account) FetchedBefore(ctx context.Context, id MailboxID, before time.Time) ([]UIDRange, error) {
	var found []UIDRange
	err := a.view(ctx, func(r kv.Reader) error {
		found = found[:0]
		return scan(r, kv.Prefix(mailboxPrefix('P', id)), func(k, b []byte) error {
			n, err := decodePOP3Note(uidOf(k), b)
			if err == nil && !n.Fetched.IsZero() && n.Fetched.Before(before) {
				found = append(found, UIDRange{n.UID, n.UID})
			}
			return err
		})
	})
	return found, err
}
