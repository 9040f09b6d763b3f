package store

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
)

// A message keeps the unique id that it came with; it is noted once when it was
// fetched; and all of that goes with the message.
func TestPOP3Notes(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, a := newTestStore(t, func() time.Time { return now })
	update := func(fn func(tx *Tx) error) error {
		t.Helper()
		return a.Update(t.Context(), fn)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	in := s.NewIncoming(t.Context())
	in.Write([]byte("Subject: from elsewhere\r\n\r\n"))
	m, err := in.Finish()
	must(err)
	defer m.Release()
	must(update(func(tx *Tx) error {
		uid, err := tx.Append(InboxID, m, AppendOptions{UIDL: "000001a2b3c4"})
		if err == nil && uid != 5 {
			t.Errorf("appended as %d", uid)
		}
		return err
	}))
	must(update(func(tx *Tx) error { return tx.SetUIDL(InboxID, 2, strings.Repeat("~", 70)) }))
	for _, bad := range []string{"", "a b", "é", "a\x7f", strings.Repeat("x", 71)} {
		if err := update(func(tx *Tx) error { return tx.SetUIDL(InboxID, 1, bad) }); !fault.Is(err, fault.Invalid) {
			t.Errorf("the unique id %q: %v", bad, err)
		}
	}
	if err := update(func(tx *Tx) error { return tx.SetUIDL(InboxID, 4, "x") }); !fault.Is(err, fault.NotFound) {
		t.Errorf("a unique id for a message that is gone: %v", err)
	}
	must(update(func(tx *Tx) error { return tx.NoteFetched(InboxID, []UIDRange{{1, 2}}) }))
	now = now.Add(24 * time.Hour)
	must(update(func(tx *Tx) error { return tx.NoteFetched(InboxID, []UIDRange{{1, 4}}) }))

	notes, err := a.POP3Notes(t.Context(), InboxID, UIDRange{1, 5})
	must(err)
	first, later := time.Unix(1_700_000_000, 0), now
	want := []POP3Note{{1, "", first}, {2, strings.Repeat("~", 70), first}, {3, "", later}, {5, "000001a2b3c4", time.Time{}}}
	if len(notes) != len(want) {
		t.Fatalf("notes: %v", notes)
	}
	for i := range want {
		if notes[i] != want[i] {
			t.Errorf("note %d is %v, want %v", i, notes[i], want[i])
		}
	}
	due, err := a.FetchedBefore(t.Context(), InboxID, later)
	if err != nil || len(due) != 2 || due[0] != (UIDRange{1, 1}) || due[1] != (UIDRange{2, 2}) {
		t.Errorf("fetched before today: %v, %v", due, err)
	}

	must(update(func(tx *Tx) error { _, err := tx.Remove(InboxID, AllUIDs); return err }))
	now = now.Add(31 * 24 * time.Hour)
	must(s.Maintain(t.Context()))
	if notes, err := a.POP3Notes(t.Context(), InboxID, UIDRange{1, ^UID(0)}); err != nil || len(notes) > 0 {
		t.Errorf("notes of messages that are gone: %v, %v", notes, err)
	}
	if found := verify(t, s); len(found) > 0 {
		t.Error(found)
	}
}
