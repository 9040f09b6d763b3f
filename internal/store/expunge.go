package store

import (
	"cmp"
	"slices"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/record"
)

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
	relinked reason = 4 // in another mailbox of the account, which refers to the content now: never noted
)

// takeOut is one change in the feed, however many messages it takes out. Their contents
// stay as they are; notes tell Maintain, and whoever wants them back.
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
	var gone []departed
	var bytes int64
	snap.EachUID(rs, func(seq int, e Entry) bool {
		if which(e) {
			out.add(seq, e.UID)
			b.count(e, -1)
			gone = append(gone, departedOf(e))
			bytes += int64(e.Size)
		}
		return true
	})
	if len(gone) == 0 {
		return nil, nil
	}
	tx.record(b, change{kind: messagesGone, uids: out.ranges})
	if err := tx.charge(Resources{Messages: -int64(len(gone)), Bytes: -bytes}); err != nil {
		return nil, err
	}
	if why == relinked {
		if gone, err = tx.unlink(b.ID, gone); err != nil {
			return nil, err
		}
		why = moved
	}
	return out.ranges, tx.noteDeparted(b.ID, expungeNote{why: why, gone: gone})
}

// unlink takes back the references to contents of messages, to which others refer. It
// gives the messages of which more is left.
func (tx *Tx) unlink(id MailboxID, gone []departed) (left []departed, err error) {
	pop3 := map[UID]bool{}
	rg := kv.Range{From: keyPOP3(id, gone[0].uid), To: kv.PrefixEnd(keyPOP3(id, gone[len(gone)-1].uid))}
	if err := tx.w.Scan(rg, func(k, _ []byte) bool { pop3[uidOf(k)] = true; return true }); err != nil {
		return nil, err
	}
	for _, g := range gone {
		if g.content == 0 || pop3[g.uid] {
			left = append(left, g)
		} else if err := tx.w.Delete(keyEmail(g.content, id, g.uid)); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// departed is a message that is no longer in its mailbox.
type departed struct {
	uid     UID
	content EmailID // 0: its record lies in the mailbox and tells
}

func departedOf(e Entry) departed {
	if e.inMailbox() {
		return departed{uid: e.UID}
	}
	return departed{e.UID, e.Content}
}

// expungeNote tells Maintain, and whoever wants mail back, what left a mailbox.
type expungeNote struct {
	why  reason
	name string // of the mailbox, if it was dropped
	gone []departed
	uids ranges // of version 1 instead: their records are those in the mailbox
}

const noteVersion = 2 // 1: several notes in one, without contents

// maxNoted is how many messages a note tells of at most: as many as one commit of Maintain
// removes.
const maxNoted = 512

// noteDeparted notes what this Tx has taken out of a mailbox.
func (tx *Tx) noteDeparted(id MailboxID, n expungeNote) error {
	when := tx.now.Unix()
	if n.why == moved {
		when = 0 // nothing to bring back: due at once
	}
	for all := n.gone; len(all) > 0; all = all[len(n.gone):] {
		n.gone = all[:min(len(all), maxNoted)]
		if err := tx.w.Put(keyExpunged(when, id, tx.head.modSeq, n.gone[0].uid), n.encode()); err != nil {
			return err
		}
	}
	return nil
}

func (n *expungeNote) encode() []byte {
	c := record.NewEncoder(8 + len(n.name) + 4*len(n.gone))
	c.Byte(noteVersion)
	c.Byte(byte(n.why))
	c.String(n.name)
	c.Uint(uint64(len(n.gone)))
	var last departed
	for _, g := range n.gone {
		c.Uint(uint64(g.uid - last.uid))
		c.Int(int64(g.content) - int64(last.content))
		last = g
	}
	return c.Record()
}

func decodeNotes(b []byte) ([]expungeNote, error) {
	d := record.NewDecoder(b)
	version, err := d.Version(noteVersion, "store: a note of what was expunged")
	if err != nil {
		return nil, err
	}
	var notes []expungeNote
	for d.More() {
		n := expungeNote{why: reason(d.Byte()), name: d.String()}
		if version == 1 {
			n.uids = decodeRanges(&d)
		} else {
			n.gone = decodeDeparted(&d)
		}
		notes = append(notes, n)
	}
	return notes, d.Done("store: a note of what was expunged")
}

func decodeDeparted(d *record.Decoder) []departed {
	all := make([]departed, d.Count(2))
	var last departed
	for i := range all {
		last.uid += UID(d.Uint())
		last.content = EmailID(int64(last.content) + d.Int())
		all[i] = last
	}
	return all
}

// ranges is the UIDs that a note tells of.
func (n *expungeNote) ranges() ranges {
	if n.gone == nil {
		return n.uids
	}
	var rs ranges
	for _, g := range n.gone {
		if last := len(rs) - 1; last >= 0 && rs[last].Last+1 == g.uid {
			rs[last].Last = g.uid
		} else {
			rs = append(rs, UIDRange{g.uid, g.uid})
		}
	}
	return rs
}

// referring finds the messages of a mailbox by the references to their contents, also those
// that have left it already. It goes through the references of the whole account.
func (tx *Tx) referring(id MailboxID) ([]departed, error) {
	var all []departed
	err := tx.w.Scan(kv.Prefix([]byte{'E'}), func(k, _ []byte) bool {
		if p, uid := splitEmailKey(k); p.mailbox == id {
			all = append(all, departed{uid, p.email})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b departed) int { return cmp.Compare(a.uid, b.uid) })
	own := map[UID]bool{}
	err = tx.w.Scan(recordRange(id, AllUIDs[0]), func(k, _ []byte) bool { own[uidOf(k)] = true; return true })
	for i := range all {
		if own[all[i].uid] {
			all[i].content = 0
		}
	}
	return all, err
}

// forget removes what departed messages of a mailbox still hold: their references, and
// the contents that nobody else refers to. It reads everything before it writes, for
// a look at what was just written is dear.
func (tx *Tx) forget(id MailboxID, gone []departed) error {
	var keys [][]byte
	leaving := map[string]bool{} // references
	var contents []EmailID
	for _, g := range gone {
		email := g.content
		if email == 0 {
			raw, ok, err := tx.w.Get(keyRecord(id, g.uid))
			if err != nil {
				return err
			}
			if !ok {
				continue // it was brought back
			}
			keys = append(keys, keyRecord(id, g.uid))
			if email, err = recordEmail(raw); err != nil {
				// What it belonged to cannot be known; Verify will name what is left.
				tx.account.damaged(id, g.uid, err)
				continue
			}
		}
		reference := keyEmail(email, id, g.uid)
		leaving[string(reference)] = true
		keys = append(keys, reference, keyPOP3(id, g.uid))
		contents = append(contents, email)
	}
	for _, email := range contents {
		unused, err := tx.unused(email, leaving)
		if err != nil {
			return err
		}
		keys = append(keys, unused...)
	}
	for _, k := range keys {
		if err := tx.w.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// unused gives the keys of a content if nothing but these references refers to it.
func (tx *Tx) unused(email EmailID, leaving map[string]bool) (keys [][]byte, err error) {
	shared := false
	err = tx.w.Scan(kv.Prefix(emailPrefix(email)), func(k, _ []byte) bool {
		shared = !leaving[string(k)]
		return !shared
	})
	if err != nil || shared {
		return nil, err
	}
	keys = append(keys, keyBody(email), keyContent(email))
	body, ok, err := tx.w.Get(keyBody(email))
	if err == nil && ok && len(body) > 0 && body[0] == bodyBlob {
		keys = append(keys, keyLarge(string(body[1:])))
	}
	return keys, err
}

// errNoRecord is why a message cannot be copied to another account.
var errNoRecord = fault.New(fault.Corrupt, "store: the message's record is missing or damaged")
