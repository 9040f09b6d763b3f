package store

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"posthorn/internal/blob"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// newTestStore has one account with three messages in INBOX, the last one large,
// a copy of the first in Archive, and one message that was expunged.
func newTestStore(t *testing.T, clock func() time.Time) (*Store, *Account) {
	t.Helper()
	s := New(Options{
		Engine: memkv.New(memkv.Options{}), Blobs: memblob.New(memblob.Options{Clock: clock}), Clock: clock, InlineLimit: 1000,
	})
	a := s.Account(1)
	for _, size := range []int{10, 20, 5000, 30} {
		put(t, a, InboxID, strings.Repeat("x", size))
	}
	err := a.Update(t.Context(), func(tx *Tx) error {
		archive, err := tx.Mailbox("Archive")
		if err != nil {
			return err
		}
		if _, err := tx.Copy(InboxID, []UIDRange{{1, 1}}, archive.ID); err != nil {
			return err
		}
		_, err = tx.Remove(InboxID, []UIDRange{{4, 4}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, a
}

func put(t *testing.T, a *Account, id MailboxID, body string) UID {
	t.Helper()
	in := a.store.NewIncoming(t.Context())
	io.WriteString(in, "Subject: test\r\n\r\n"+body+"\r\n")
	m, err := in.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Release()
	var uid UID
	err = a.Update(t.Context(), func(tx *Tx) (err error) {
		uid, err = tx.Append(id, m, AppendOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func verify(t *testing.T, s *Store) []string {
	t.Helper()
	var problems []string
	sum, err := s.Verify(t.Context(), func(p Problem) { problems = append(problems, p.String()) })
	if err != nil {
		t.Fatal(err)
	}
	if sum.Problems != len(problems) {
		t.Errorf("the summary counts %d problems, %d were reported", sum.Problems, len(problems))
	}
	return problems
}

func removeKey(k []byte) func(w kv.Writer) error {
	return func(w kv.Writer) error { return w.Delete(k) }
}

func flipByte(k []byte, at int) func(w kv.Writer) error {
	return func(w kv.Writer) error {
		v, _, err := w.Get(k)
		if err != nil {
			return err
		}
		v = append([]byte(nil), v...)
		v[(at+len(v))%len(v)] ^= 0x55
		return w.Put(k, v)
	}
}

// Each kind of damage is found, named, and stops nothing else from being verified.
func TestVerifyFindsDamage(t *testing.T) {
	archive := MailboxID(6)
	tests := []struct {
		name   string
		damage func(w kv.Writer) error
		want   string
	}{
		{"a record is missing", removeKey(keyContent(2)), `mailbox "INBOX", message 2: its record is missing`},
		{"a record is of a later version", flipByte(keyContent(2), 0), `message 2: store: a message's record has version 84`},
		{"a body is missing", removeKey(keyBody(2)), `message 2: its body: store: the body is missing`},
		{"a body is damaged", flipByte(keyBody(2), -1), `message 2: its body: store: a body does not match its checksum`},
		{"a content does not know its message", removeKey(keyEmail(1, archive, 1)), `mailbox "Archive", message 1: its content does not know of it`},
		{"a blob is not held", removeKey(keyLarge("")), ``},
		{"the feed lost its end", removeKey(keyFeed(InboxID, 5)), `mailbox "INBOX": its feed ends`},
		{"a name is missing", removeKey(keyName("Archive")), `mailbox "Archive": the index of names has ""`},
		{"INBOX is missing", removeKey(keyName("INBOX")), `mailbox "INBOX": it is missing`},
		{"a record is of another content", flipByte(keyContent(2), 9), `message 2: store: the record of content 2 says that it is of content 87`},
		{"a note is missing", dropNotes, `mailbox "INBOX", message 4: content 4 refers to it, message 4 of mailbox 1; it is not there`},
		{"a record without a message", func(w kv.Writer) error { return w.Put(keyContent(99), []byte{1}) }, `the record of content 99 belongs to no message`},
		{"the head is wrong", flipByte(keyHead, -1), `the quota counts`},
		{"a mailbox's record is wrong", flipByte(keyMailbox(archive), 0), `mailbox 6: store: a mailbox's record has version`},
		{"a note for POP3 without a message", func(w kv.Writer) error {
			return w.Put(keyPOP3(InboxID, 9), (&POP3Note{UIDL: "x"}).encode())
		}, `message 9: something is noted of it for POP3, but it is not there`},
		{"a body without a message", func(w kv.Writer) error { return w.Put(keyBody(99), []byte{1}) }, `the body of content 99 belongs to no message`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, a := newTestStore(t, time.Now)
			if found := verify(t, s); len(found) > 0 {
				t.Fatalf("before any damage: %v", found)
			}
			if err := s.engine.Update(t.Context(), []kv.Shard{a.shard}, func(tx kv.Tx) error { return test.damage(tx.In(a.shard)) }); err != nil {
				t.Fatal(err)
			}
			found := strings.Join(verify(t, s), "\n")
			if test.want == "" && found != "" || !strings.Contains(found, test.want) {
				t.Errorf("found:\n%s\nexpected: %s", found, test.want)
			}
		})
	}
}

func dropNotes(w kv.Writer) error { return w.DeleteRange([]byte{'X'}, []byte{'Y'}) }

// A damaged record hides one message; the others are listed and read.
func TestDamageStaysWhereItIs(t *testing.T) {
	s, a := newTestStore(t, time.Now)
	err := s.engine.Update(t.Context(), []kv.Shard{a.shard}, func(tx kv.Tx) error {
		return tx.In(a.shard).Put(keyContent(2), []byte{recordVersion, 1, 2})
	})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := a.Snapshot(t.Context(), InboxID)
	if err != nil {
		t.Fatal(err)
	}
	var seen []bool
	err = a.Records(t.Context(), snap, AllUIDs, func(_ int, _ Entry, r *Record) bool {
		seen = append(seen, r != nil)
		return true
	})
	if err != nil || len(seen) != 3 || !seen[0] || seen[1] || !seen[2] {
		t.Errorf("records read: %v, %v; expected the first and the last of three", seen, err)
	}
}

// A damaged record is shared like any other: moving loses nothing of what is left. Where
// it would have to be copied it stays where it is.
func TestDamageIsShared(t *testing.T) {
	s, a := newTestStore(t, time.Now)
	err := s.engine.Update(t.Context(), []kv.Shard{a.shard}, func(tx kv.Tx) error {
		return tx.In(a.shard).Put(keyContent(2), []byte{recordVersion})
	})
	if err != nil {
		t.Fatal(err)
	}
	other := s.Account(2)
	move := func(to *Account) (res Copied) {
		t.Helper()
		err := s.Update(t.Context(), []AccountID{1, to.id}, func(tx *MultiTx) (err error) {
			box, err := tx.Account(to.id).Mailbox("Trash")
			if err == nil {
				res, err = Transfer{Src: tx.Account(1), From: InboxID, UIDs: AllUIDs, Dst: tx.Account(to.id), To: box.ID, Keep: AllFlags}.Move()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if res := move(other); len(res.From) != 2 || res.From[1] != 3 {
		t.Errorf("to another account went %v; expected the two whole messages", res.From)
	}
	if res := move(a); len(res.From) != 1 || res.From[0] != 2 {
		t.Errorf("within the account went %v; expected the damaged message", res.From)
	}
	trash, err := a.Mailbox(t.Context(), "Trash")
	if err != nil {
		t.Fatal(err)
	}
	snap, err := a.Snapshot(t.Context(), trash.ID)
	if err != nil {
		t.Fatal(err)
	}
	body, err := a.Body(t.Context(), snap, 1)
	if err != nil {
		t.Fatalf("what is whole of it cannot be read: %v", err)
	}
	body.Close()
}

// A mailbox that cannot be read can be deleted, and its mail brought back.
func TestDamagedMailboxIsDeleted(t *testing.T) {
	s, a := newTestStore(t, time.Now)
	box, err := a.Mailbox(t.Context(), "Archive")
	if err != nil {
		t.Fatal(err)
	}
	err = s.engine.Update(t.Context(), []kv.Shard{a.shard}, func(tx kv.Tx) error {
		return tx.In(a.shard).Put(keyFeed(box.ID, box.HighestModSeq), []byte{99})
	})
	if err != nil {
		t.Fatal(err)
	}
	s = New(Options{Engine: s.engine, Blobs: s.blobs, InlineLimit: 1000})
	a = s.Account(1)
	if _, err := a.Snapshot(t.Context(), box.ID); !fault.Is(err, fault.Corrupt) {
		t.Fatalf("the mailbox is not damaged: %v", err)
	}
	var uids []UID
	err = a.Update(t.Context(), func(tx *Tx) (err error) {
		if err = tx.DeleteMailbox("Archive"); err == nil {
			uids, err = tx.Restore(box.ID, AllUIDs, InboxID)
		}
		return err
	})
	if err != nil || len(uids) != 1 {
		t.Errorf("brought back: %v, %v; expected one message", uids, err)
	}
	if found := verify(t, s); len(found) > 0 {
		t.Error(found)
	}
}

// Deleted mail is there for 30 days, then it and what only it needed is gone.
func TestRetention(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, a := newTestStore(t, func() time.Time { return now })
	count := func(kind byte) (n int) {
		s.engine.View(context.Background(), a.shard, func(r kv.Reader) error {
			return r.Scan(kv.Prefix([]byte{kind}), func(_, _ []byte) bool { n++; return true })
		})
		return n
	}
	remove := func(id MailboxID, rs []UIDRange) {
		t.Helper()
		if err := a.Update(t.Context(), func(tx *Tx) error { _, err := tx.Remove(id, rs); return err }); err != nil {
			t.Fatal(err)
		}
	}
	maintain := func() {
		t.Helper()
		if err := s.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if found := verify(t, s); len(found) > 0 {
			t.Fatalf("after maintenance: %v", found)
		}
	}
	remove(InboxID, AllUIDs)
	now = now.Add(29 * 24 * time.Hour)
	maintain()
	if n := count('B'); n != 4 {
		t.Errorf("after 29 days %d bodies are left, expected all 4", n)
	}
	lost, err := a.Lost(t.Context())
	if err != nil || len(lost) != 2 {
		t.Fatalf("what can be brought back: %v, %v; expected two notes", lost, err)
	}
	err = a.Update(t.Context(), func(tx *Tx) error {
		uids, err := tx.Restore(InboxID, []UIDRange{{2, 2}}, InboxID)
		if err == nil && (len(uids) != 1 || uids[0] != 5) {
			t.Errorf("restored as %v, expected UID 5", uids)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * 24 * time.Hour)
	maintain()
	maintain()
	if b, c, e := count('B'), count('C'), count('E'); b != 2 || c != 2 || e != 2 {
		t.Errorf("after 31 days %d bodies, %d records and %d references are left, expected 2 of each: the copy in Archive and the restored message", b, c, e)
	}
	if n := count('L'); n != 0 {
		t.Errorf("%d large bodies are still held", n)
	}
}

// A body is taken only for garbage when two runs found it unreferenced, and it is old.
func TestBlobSweep(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, a := newTestStore(t, func() time.Time { return now })
	w, err := s.blobs.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "nobody's")
	orphan, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	for run, want := range []bool{true, true, false} {
		if run > 0 {
			now = now.Add(3 * time.Hour)
		}
		if err := s.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		r, err := s.blobs.Open(t.Context(), orphan)
		if (err == nil) != want {
			t.Errorf("after run %d the blob is there: %v, expected %v", run+1, err == nil, want)
		}
		if err == nil {
			r.Close()
		}
	}
	snap, err := a.Snapshot(t.Context(), InboxID)
	if err != nil {
		t.Fatal(err)
	}
	body, err := a.Body(t.Context(), snap, 3)
	if err != nil {
		t.Fatalf("a body in use was removed: %v", err)
	}
	body.Close()
}

// A body that somebody else holds stays, and so does every one while it cannot be
// known what they hold.
func TestBlobSweepAsksOthers(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, _ := newTestStore(t, func() time.Time { return now })
	w, err := s.blobs.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "somebody's")
	id, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no answer")
	for run, held := range []error{nil, nil, nil, broken, broken} {
		now = now.Add(3 * time.Hour)
		s.held = func(_ context.Context, fn func(blob.ID) bool) error {
			if held == nil {
				fn(id)
			}
			return held
		}
		if err := s.Maintain(t.Context()); !errors.Is(err, held) {
			t.Fatalf("run %d: %v, expected %v", run+1, err, held)
		}
		r, err := s.blobs.Open(t.Context(), id)
		if err != nil {
			t.Fatalf("run %d has removed what somebody holds: %v", run+1, err)
		}
		r.Close()
	}
	s.held = func(context.Context, func(blob.ID) bool) error { return nil }
	for range 2 {
		if err := s.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.blobs.Open(t.Context(), id); !fault.Is(err, fault.NotFound) {
		t.Errorf("nobody holds it any more, and it is there: %v", err)
	}
}

func TestQuota(t *testing.T) {
	s, a := newTestStore(t, time.Now)
	q, err := a.Quota(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Update(t.Context(), func(tx *Tx) error { tx.SetLimits(Resources{Bytes: q.Used.Bytes + 10}); return nil }); err != nil {
		t.Fatal(err)
	}
	in := s.NewIncoming(t.Context())
	io.WriteString(in, "Subject: too much\r\n\r\n")
	m, err := in.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Release()
	err = a.Update(t.Context(), func(tx *Tx) error { _, err := tx.Append(InboxID, m, AppendOptions{}); return err })
	if !fault.Is(err, fault.OverQuota) {
		t.Errorf("over quota: %v", err)
	}
	// Moving and deleting go on.
	err = a.Update(t.Context(), func(tx *Tx) error {
		box, err := tx.Mailbox("Trash")
		if err != nil {
			return err
		}
		_, err = tx.Move(InboxID, AllUIDs, box.ID)
		return err
	})
	if err != nil {
		t.Errorf("moving when nearly over quota: %v", err)
	}
	if found := verify(t, s); len(found) > 0 {
		t.Error(found)
	}
}

func TestClaimRecent(t *testing.T) {
	_, a := newTestStore(t, time.Now)
	for i, want := range []UID{1, 5, 5} {
		from, err := a.ClaimRecent(t.Context(), InboxID)
		if err != nil || from != want {
			t.Errorf("claim %d: \\Recent from %d, %v; expected %d", i+1, from, err, want)
		}
	}
	put(t, a, InboxID, "another")
	box, err := a.Mailbox(t.Context(), "inbox")
	if err != nil || box.Recent != 1 {
		t.Errorf("RECENT %d, %v; expected 1", box.Recent, err)
	}
	if from, _ := a.ClaimRecent(t.Context(), InboxID); from != 5 {
		t.Errorf("\\Recent from %d, expected 5", from)
	}
}

func TestTooManyKeywords(t *testing.T) {
	_, a := newTestStore(t, time.Now)
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = a.Update(t.Context(), func(tx *Tx) error {
			_, err := tx.Store(InboxID, AllUIDs, FlagChange{Op: AddFlags, Flags: []string{"k" + strings.Repeat("x", n)}})
			return err
		})
	}
	if n != MaxKeywords+1 || !fault.Is(err, fault.Limit) {
		t.Errorf("keyword %d: %v; expected a limit at %d", n, err, MaxKeywords+1)
	}
}
