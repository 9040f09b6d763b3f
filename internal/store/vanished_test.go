package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/store"
)

// TestVanished asks for what is gone, near and far back, and once the feed has been
// cut off.
func TestVanished(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := store.New(store.Options{
		Engine: memkv.New(memkv.Options{}), Blobs: memblob.New(memblob.Options{}),
		Clock: func() time.Time { return now },
	})
	account := s.Account(1)
	update := func(fn func(tx *store.Tx) error) {
		t.Helper()
		if err := account.Update(ctx, fn); err != nil {
			t.Fatal(err)
		}
	}
	deliver := func(n int) {
		for range n {
			in := s.NewIncoming(ctx)
			fmt.Fprint(in, "a\r\n")
			m, err := in.Finish()
			if err != nil {
				t.Fatal(err)
			}
			update(func(tx *store.Tx) error {
				_, err := tx.Append(store.InboxID, m, store.AppendOptions{})
				return err
			})
		}
	}
	remove := func(uids ...store.UIDRange) {
		update(func(tx *store.Tx) error {
			_, err := tx.Remove(store.InboxID, uids)
			return err
		})
	}
	snapshot := func() *store.Snapshot {
		snap, err := account.Snapshot(ctx, store.InboxID)
		if err != nil {
			t.Fatal(err)
		}
		return snap
	}
	deliver(20)
	first := snapshot()
	remove(store.UIDRange{First: 3, Last: 3}, store.UIDRange{First: 5, Last: 6})
	second := snapshot()
	remove(store.UIDRange{First: 4, Last: 7}, store.UIDRange{First: 18, Last: 30})
	deliver(1)
	last := snapshot()

	check := func(since store.ModSeq, asked, want []store.UIDRange) {
		t.Helper()
		got, err := account.Vanished(ctx, last, asked, since)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("of %v since %d, %v are gone (%v), want %v", asked, since, got, err, want)
		}
	}
	check(first.ModSeq(), store.AllUIDs, []store.UIDRange{{First: 3, Last: 3}, {First: 4, Last: 7}, {First: 18, Last: 20}})
	check(first.ModSeq(), []store.UIDRange{{First: 4, Last: 5}, {First: 8, Last: 18}}, []store.UIDRange{{First: 4, Last: 5}, {First: 18, Last: 18}})
	check(second.ModSeq(), []store.UIDRange{{First: 1, Last: 3}, {First: 20, Last: 40}}, []store.UIDRange{{First: 20, Last: 20}})
	check(last.ModSeq(), store.AllUIDs, nil)
	check(last.ModSeq()+5, store.AllUIDs, nil)

	// A month later the old part of the feed goes, once it is in the checkpoint.
	now = now.Add(31 * 24 * time.Hour)
	for i := range 600 {
		update(func(tx *store.Tx) error {
			op := store.AddFlags
			if i%2 == 1 {
				op = store.RemoveFlags
			}
			_, err := tx.Store(store.InboxID, []store.UIDRange{{First: 1, Last: 1}}, store.FlagChange{Op: op, Flags: []string{`\Flagged`}})
			return err
		})
	}
	if err := s.Maintain(ctx); err != nil {
		t.Fatal(err)
	}
	before := last.ModSeq()
	last = snapshot()
	check(second.ModSeq(), store.AllUIDs, []store.UIDRange{{First: 3, Last: 7}, {First: 18, Last: 20}})
	check(second.ModSeq(), []store.UIDRange{{First: 1, Last: 3}}, []store.UIDRange{{First: 3, Last: 3}})
	remove(store.UIDRange{First: 21, Last: 21})
	last = snapshot()
	check(before, []store.UIDRange{{First: 20, Last: 100}}, []store.UIDRange{{First: 21, Last: 21}})
}

// TestStoreUnchangedSince changes flags on a condition (RFC 7162 §3.1.3, §3.1.12).
func TestStoreUnchangedSince(t *testing.T) {
	ctx := context.Background()
	s := store.New(store.Options{Engine: memkv.New(memkv.Options{}), Blobs: memblob.New(memblob.Options{})})
	account := s.Account(1)
	in := s.NewIncoming(ctx)
	fmt.Fprint(in, "a\r\n")
	m, err := in.Finish()
	if err != nil {
		t.Fatal(err)
	}
	change := func(fc store.FlagChange) (done bool, after *store.Snapshot) {
		t.Helper()
		err := account.Update(ctx, func(tx *store.Tx) error {
			res, err := tx.Store(store.InboxID, store.AllUIDs, fc)
			if err == nil {
				done = len(res.Failed) == 0
				after, err = tx.Snapshot(store.InboxID)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return done, after
	}
	if err := account.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Append(store.InboxID, m, store.AppendOptions{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	_, known := change(store.FlagChange{Op: store.AddFlags, Flags: []string{"$Work"}})
	change(store.FlagChange{Op: store.AddFlags, Flags: []string{`\Seen`}})
	since := func(n store.ModSeq) *store.ModSeq { return &n }
	for _, test := range []struct {
		op    store.FlagOp
		flag  string
		since store.ModSeq
		known *store.Snapshot
		want  bool
	}{
		{store.AddFlags, "$Later", 0, nil, true}, // nobody has set this keyword yet
		{store.AddFlags, "$Work", 0, nil, false},
		{store.AddFlags, `\Draft`, 0, nil, false},
		{store.AddFlags, `\Flagged`, known.ModSeq(), nil, false},
		{store.AddFlags, `\Flagged`, known.ModSeq(), known, true}, // only \Seen has changed
		{store.RemoveFlags, "$Work", known.ModSeq(), known, true},
		{store.AddFlags, `\Seen`, known.ModSeq(), known, false},
		{store.RemoveFlags, `\Seen`, known.ModSeq(), known, false},
		{store.SetFlags, `\Flagged`, known.ModSeq(), known, false},
		{store.AddFlags, `\Flagged`, known.ModSeq() - 1, known, false}, // it was another message then
		{store.AddFlags, `\Flagged`, 1 << 60, nil, true},
	} {
		err := account.Update(ctx, func(tx *store.Tx) error {
			res, err := tx.Store(store.InboxID, store.AllUIDs, store.FlagChange{Op: test.op, Flags: []string{test.flag}, UnchangedSince: since(test.since), Known: test.known})
			if err == nil && (len(res.Failed) == 0) != test.want {
				t.Errorf("%+v: failed for %v", test, res.Failed)
			}
			if err == nil {
				err = errRollback
			}
			return err
		})
		if err != errRollback {
			t.Fatal(err)
		}
	}
}

var errRollback = fmt.Errorf("test: not to be committed")
