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
