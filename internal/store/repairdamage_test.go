package store

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/kv"
)

// damaged gives the damage test's account, damaged, as a server finds it that begins.
func damaged(t *testing.T, age int, damage func(w kv.Writer) error) (*Store, *Account) {
	t.Helper()
	s, a := newTestStore(t, time.Now)
	if age > 0 {
		if err := a.Age(t.Context(), age); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.engine.Update(t.Context(), []kv.Shard{a.shard}, func(tx kv.Tx) error { return damage(tx.In(a.shard)) }); err != nil {
		t.Fatal(err)
	}
	s = New(Options{Engine: s.engine, Blobs: s.blobs, InlineLimit: 1000})
	return s, s.Account(1)
}

func repair(t *testing.T, s *Store) (mended []string) {
	t.Helper()
	if err := s.Repair(t.Context(), func(p Problem) { mended = append(mended, p.String()) }); err != nil {
		t.Fatal(err)
	}
	return mended
}

// checkMail: these messages of a mailbox are all there is in it, and can be listed and read.
func checkMail(t *testing.T, a *Account, id MailboxID, want ...UID) {
	t.Helper()
	snap, err := a.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var got []UID
	err = a.Bodies(t.Context(), snap, AllUIDs, func(_ int, e Entry, r *Record, body []byte) bool {
		if r == nil || !strings.Contains(string(r.Envelope), `"test"`) || body == nil && e.Size < 1000 {
			t.Errorf("message %d of mailbox %d cannot be read", e.UID, id)
		}
		got = append(got, e.UID)
		return true
	})
	if err != nil || len(got) != len(want) {
		t.Fatalf("mailbox %d has %v, %v; expected %v", id, got, err, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("mailbox %d has %v; expected %v", id, got, want)
		}
	}
}

// A record is an index of the body: it can always be made again.
func TestRepairRecords(t *testing.T) {
	tests := []struct {
		name   string
		age    int // the version of Account.Age; 0: as this program writes
		damage func(w kv.Writer) error
	}{
		{"missing", 0, removeKey(keyContent(2))},
		{"of a later version", 0, flipByte(keyContent(2), 0)},
		{"of another content", 0, flipByte(keyContent(2), 9)},
		{"cut off", 0, func(w kv.Writer) error { return w.Put(keyContent(2), []byte{recordVersion, 1, 2}) }},
		{"shared", 0, removeKey(keyContent(1))},
		{"of a large message", 0, removeKey(keyContent(3))},
		{"of a deleted message", 0, removeKey(keyContent(4))},
		{"in the mailbox", 2, flipByte(keyRecord(InboxID, 2), 0)},
		{"in the mailbox, missing", 2, removeKey(keyRecord(InboxID, 3))},
		{"in the mailbox, which does not know the content", 1, flipByte(keyRecord(InboxID, 2), 0)},
		{"in the mailbox, of a deleted message", 2, flipByte(keyRecord(InboxID, 4), 0)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, a := damaged(t, test.age, test.damage)
			if mended := repair(t, s); len(mended) != 1 || !strings.Contains(mended[0], "made anew from its body") {
				t.Errorf("mended: %q; expected the record", mended)
			}
			if left := append(verify(t, s), repair(t, s)...); len(left) > 0 {
				t.Errorf("after the repair:\n%s", strings.Join(left, "\n"))
			}
			checkMail(t, a, InboxID, 1, 2, 3)
			checkMail(t, a, 6, 1)
			err := a.Update(t.Context(), func(tx *Tx) error {
				_, err := tx.Restore(InboxID, []UIDRange{{4, 4}}, InboxID)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			checkMail(t, a, InboxID, 1, 2, 3, 5)
		})
	}
}

// What nothing is left of to make it from, stays as it is and is named.
func TestRepairLeavesWhatIsLost(t *testing.T) {
	s, _ := damaged(t, 0, func(w kv.Writer) error {
		if err := flipByte(keyBody(2), -1)(w); err != nil {
			return err
		}
		return w.Delete(keyContent(2))
	})
	if mended := repair(t, s); len(mended) > 0 {
		t.Errorf("mended: %q, but there is nothing to make it from", mended)
	}
	if found := verify(t, s); len(found) != 1 || !strings.Contains(found[0], "message 2") {
		t.Errorf("verify finds %q; expected message 2", found)
	}
}

// What was deleted does not come back when the note of it is lost.
func TestRepairLeavesWhatIsDeleted(t *testing.T) {
	s, a := newTestStore(t, time.Now)
	err := a.Update(t.Context(), func(tx *Tx) error { _, err := tx.Remove(6, AllUIDs); return err })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.engine.Update(t.Context(), []kv.Shard{a.shard}, func(tx kv.Tx) error { return dropNotes(tx.In(a.shard)) }); err != nil {
		t.Fatal(err)
	}
	if mended := repair(t, s); len(mended) > 0 {
		t.Errorf("mended: %q", mended)
	}
	checkMail(t, a, 6)
	checkMail(t, a, InboxID, 1, 2, 3)
}

// A content is told of its messages again.
func TestRepairReferences(t *testing.T) {
	s, a := damaged(t, 0, removeKey(keyEmail(1, 6, 1)))
	if mended := repair(t, s); len(mended) != 1 || !strings.Contains(mended[0], "did not know of message 1") {
		t.Errorf("mended: %q", mended)
	}
	if found := verify(t, s); len(found) > 0 {
		t.Error(found)
	}
	checkMail(t, a, 6, 1)
}

// A mailbox is put together from what is left of it: UIDs stay, flags where they are known.
func TestRepairMailboxes(t *testing.T) {
	const archive = MailboxID(6)
	checkpoint := func(floor bool, damage func(w kv.Writer) error) func(w kv.Writer) error {
		return func(w kv.Writer) error {
			m, err := readMailbox(w, InboxID)
			if err == nil {
				err = writeCheckpoint(w, m)
			}
			if floor && err == nil {
				m.feedFloor = m.checkpoint
				err = w.DeleteRange(keyFeed(InboxID, 0), keyFeed(InboxID, m.feedFloor+1))
			}
			if err == nil {
				err = w.Put(keyMailbox(InboxID), m.encode())
			}
			if err != nil {
				return err
			}
			return damage(w)
		}
	}
	tests := []struct {
		name    string
		damage  func(w kv.Writer) error
		flagged bool // the flag of message 2 is still known
		same    bool // as is UIDVALIDITY
	}{
		{"a chunk that the feed covers", checkpoint(false, flipByte(keyChunk(InboxID, 0), 0)), true, true},
		{"a chunk that is missing", checkpoint(false, removeKey(keyChunk(InboxID, 0))), true, true},
		{"a chunk that the feed does not cover", checkpoint(true, flipByte(keyChunk(InboxID, 0), 0)), false, true},
		{"a chunk, cut off", checkpoint(true, func(w kv.Writer) error { return w.Put(keyChunk(InboxID, 0), []byte{chunkVersion, 9}) }), false, true},
		{"the feed before the checkpoint", checkpoint(false, flipByte(keyFeed(InboxID, 3), 0)), true, true},
		{"the feed after it: a delivery", flipByte(keyFeed(InboxID, 3), 0), true, true},
		{"the feed after it: flags", flipByte(keyFeed(InboxID, 6), 0), false, true},
		{"the feed after it: an expunge", flipByte(keyFeed(InboxID, 5), 0), true, true},
		{"the end of the feed", removeKey(keyFeed(InboxID, 6)), false, true},
		{"the record", flipByte(keyMailbox(InboxID), 0), true, false},
		{"the record and its chunks", checkpoint(true, func(w kv.Writer) error {
			if err := w.Delete(keyChunk(InboxID, 0)); err != nil {
				return err
			}
			return w.Put(keyMailbox(InboxID), nil)
		}), false, false},
		{"the record is missing", removeKey(keyMailbox(InboxID)), true, false},
		{"the record and a message's", func(w kv.Writer) error {
			if err := w.Delete(keyContent(2)); err != nil {
				return err
			}
			return w.Delete(keyMailbox(InboxID))
		}, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var before *mailbox
			s, a := damaged(t, 0, func(w kv.Writer) (err error) {
				if before, err = readMailbox(w, InboxID); err != nil {
					return err
				}
				// The last change of the account: \Flagged for message 2.
				h, err := readHead(w)
				if err != nil {
					return err
				}
				h.modSeq++
				m := *before
				m.HighestModSeq = h.modSeq
				f := feedRecord{modSeq: h.modSeq, time: 1, changes: []change{{kind: flagsAdded, flags: Flagged, uids: ranges{{2, 2}}}}}
				for _, err := range []error{
					w.Put(keyHead, h.encode()), w.Put(keyMailbox(InboxID), m.encode()), w.Put(keyFeed(InboxID, f.modSeq), f.encode()),
				} {
					if err != nil {
						return err
					}
				}
				return test.damage(w)
			})
			if len(verify(t, s)) == 0 {
				t.Fatal("verify finds no damage")
			}
			mended := repair(t, s)
			if left := append(verify(t, s), repair(t, s)...); len(left) > 0 {
				t.Errorf("after the repair, which mended\n%s\nthis is left:\n%s", strings.Join(mended, "\n"), strings.Join(left, "\n"))
			}
			checkMail(t, a, InboxID, 1, 2, 3)
			checkMail(t, a, archive, 1)
			snap, err := a.Snapshot(t.Context(), InboxID)
			if err != nil {
				t.Fatal(err)
			}
			if got := snap.At(2).Flags&Flagged != 0; got != test.flagged {
				t.Errorf("message 2 is flagged: %v, mended: %q", got, mended)
			}
			if same := snap.UIDValidity() == before.UIDValidity; same != test.same {
				t.Errorf("UIDVALIDITY is the same: %v", same)
			}
			if uid := put(t, a, InboxID, "next"); uid != 5 {
				t.Errorf("the next message has UID %d; expected 5, as 4 was given out", uid)
			}
			checkMail(t, a, InboxID, 1, 2, 3, 5)
		})
	}
}
