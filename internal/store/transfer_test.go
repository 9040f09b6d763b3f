package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/store"
)

// sharing is a store with two accounts, and a clock.
type sharing struct {
	*store.Store
	now        time.Time
	alice, bob *store.Account
}

func newSharing(t *testing.T) *sharing {
	engine := memkv.New(memkv.Options{Rerun: true})
	t.Cleanup(func() { engine.Close() })
	s := &sharing{now: time.Unix(1_700_000_000, 0)}
	s.Store = store.New(store.Options{
		Engine: engine, Blobs: memblob.New(memblob.Options{}), InlineLimit: 1 << 10,
		Clock: func() time.Time { return s.now },
	})
	s.alice, s.bob = s.Account(1), s.Account(2)
	return s
}

func (s *sharing) deliver(t *testing.T, to *store.Account, flags []string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		m := incoming(t, s.Store, body)
		err := to.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Append(store.InboxID, m, store.AppendOptions{Flags: flags})
			return err
		})
		m.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// transfer copies or moves all of alice's INBOX into bob's.
func (s *sharing) transfer(ctx context.Context, keep store.Flags, how func(store.Transfer) (store.Copied, error)) (res store.Copied, err error) {
	err = s.Update(ctx, []store.AccountID{1, 2}, func(tx *store.MultiTx) (err error) {
		res, err = how(store.Transfer{
			Src: tx.Account(1), From: store.InboxID, UIDs: store.AllUIDs, Dst: tx.Account(2), To: store.InboxID, Keep: keep,
		})
		return err
	})
	return res, err
}

func (s *sharing) bodies(t *testing.T, a *store.Account) (bodies []string) {
	t.Helper()
	snap, err := a.Snapshot(t.Context(), store.InboxID)
	if err != nil {
		t.Fatal(err)
	}
	for seq := 1; seq <= snap.Len(); seq++ {
		bodies = append(bodies, readBody(t, a, snap, snap.At(seq).UID))
	}
	return bodies
}

func (s *sharing) verify(t *testing.T) {
	t.Helper()
	if _, err := s.Verify(t.Context(), func(p store.Problem) { t.Errorf("verify: %v", p) }); err != nil {
		t.Fatal(err)
	}
}

// TestTransferBetweenAccounts: what is copied to another account is its own, and stays
// when the account that it came from has long removed it.
func TestTransferBetweenAccounts(t *testing.T) {
	small, large := "Subject: small\r\n\r\ntext\r\n", "Subject: large\r\n\r\n"+strings.Repeat("x", 4<<10)+"\r\n"
	s := newSharing(t)
	s.deliver(t, s.alice, []string{`\Seen`, `\Deleted`, "work"}, small, large)
	res, err := s.transfer(t.Context(), store.RightSeen.Flags(), store.Transfer.Copy)
	if err != nil || len(res.To) != 2 {
		t.Fatalf("COPY gave %v, %v", res, err)
	}
	if res, err = s.transfer(t.Context(), store.AllFlags, store.Transfer.Move); err != nil || len(res.To) != 2 {
		t.Fatalf("MOVE gave %v, %v", res, err)
	}
	for range 4 { // all that alice has had is swept
		s.now = s.now.Add(40 * 24 * time.Hour)
		if err := s.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if have := s.bodies(t, s.alice); len(have) != 0 {
		t.Errorf("alice still has %d messages", len(have))
	}
	have := s.bodies(t, s.bob)
	if want := []string{small, large, small, large}; strings.Join(have, "|") != strings.Join(want, "|") {
		t.Errorf("bob has %.60q", have)
	}
	snap, err := s.bob.Snapshot(t.Context(), store.InboxID)
	if err != nil {
		t.Fatal(err)
	}
	for seq, want := range []string{`\Seen`, `\Seen`, `\Seen \Deleted work`, `\Seen \Deleted work`} {
		if have := strings.Join(snap.FlagNames(snap.At(seq+1).Flags), " "); have != want {
			t.Errorf("message %d has the flags %s, want %s", seq+1, have, want)
		}
	}
	s.verify(t)
}

// TestTransferOverQuota: a move to another account needs room there, and fails as a
// whole.
func TestTransferOverQuota(t *testing.T) {
	s := newSharing(t)
	s.deliver(t, s.alice, nil, "Subject: one\r\n\r\n", "Subject: two\r\n\r\n")
	err := s.bob.Update(t.Context(), func(tx *store.Tx) error {
		tx.SetLimits(store.Resources{Messages: 1})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, how := range map[string]func(store.Transfer) (store.Copied, error){"COPY": store.Transfer.Copy, "MOVE": store.Transfer.Move} {
		if _, err := s.transfer(t.Context(), store.AllFlags, how); fault.KindOf(err) != fault.OverQuota {
			t.Errorf("%s gave %v", name, err)
		}
	}
	if n := len(s.bodies(t, s.alice)); n != 2 {
		t.Errorf("alice has %d messages", n)
	}
	if n := len(s.bodies(t, s.bob)); n != 0 {
		t.Errorf("bob has %d messages", n)
	}
	s.verify(t)
}

// TestSharers: who shares what with whom is known without looking through all accounts,
// and forgotten with the last list that says so.
func TestSharers(t *testing.T) {
	s := newSharing(t)
	grant := func(name string, g store.Grant) {
		t.Helper()
		err := s.ChangeACL(t.Context(), 1, "alice@example.test", name, func(acl store.ACL) store.ACL { return acl.With(g) })
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(user store.AccountID, n int) {
		t.Helper()
		sharers, err := s.Sharers(t.Context(), user, func(group string) (bool, error) { return group == "team" && user == 3, nil })
		if err != nil || len(sharers) != n || n > 0 && sharers[0] != (store.Sharer{Account: 1, Address: "alice@example.test"}) {
			t.Errorf("with account %d share %v, %v", user, sharers, err)
		}
	}
	bob, team := store.Grant{Identifier: "bob@example.test", Account: 2}, store.Grant{Identifier: "team"}
	with := func(g store.Grant, r store.Rights) store.Grant { g.Rights = r; return g }
	if _, err := s.alice.Mailboxes(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(2, 0)
	grant("INBOX", with(bob, store.RightRead))
	grant("Sent", with(bob, store.RightRead))
	grant("Sent", with(team, store.RightRead))
	want(2, 1)
	want(3, 1)
	want(4, 0)
	grant("INBOX", bob)
	want(2, 1)
	grant("Sent", bob)
	grant("Sent", team)
	want(2, 0)
	want(3, 0)
	grant("Junk", store.Grant{Identifier: store.Anyone, Rights: store.RightLookup})
	want(4, 1)
	want(1, 0) // nobody shares with himself
	s.verify(t)
}
