package deliver

import (
	"context"
	"errors"
	"io"
	"testing"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/store"
)

func newStore() *store.Store {
	return store.New(store.Options{Engine: memkv.New(memkv.Options{Rerun: true}), Blobs: memblob.New(memblob.Options{})})
}

func deliverTo(t *testing.T, s *store.Store, accounts ...store.AccountID) error {
	t.Helper()
	ctx := context.Background()
	in := s.NewIncoming(ctx)
	if _, err := io.WriteString(in, "Subject: x\r\n\r\ntext\r\n"); err != nil {
		t.Fatal(err)
	}
	m, err := in.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Release()
	return s.Update(ctx, accounts, func(tx *store.MultiTx) error { return Deliver(tx, m, accounts) })
}

func inbox(t *testing.T, s *store.Store, id store.AccountID) uint32 {
	t.Helper()
	mb, err := s.Account(id).Mailbox(context.Background(), store.Inbox)
	if err != nil {
		t.Fatal(err)
	}
	return mb.Messages
}

func TestOneCopyEach(t *testing.T) {
	s := newStore()
	if err := deliverTo(t, s, 3, 1, 3, 2, 1); err != nil {
		t.Fatal(err)
	}
	for id := store.AccountID(1); id <= 3; id++ {
		if n := inbox(t, s, id); n != 1 {
			t.Errorf("account %d has %d copies", id, n)
		}
	}
}

// Those who cannot have it are named, and nobody has it.
func TestFailures(t *testing.T) {
	s := newStore()
	for _, id := range []store.AccountID{2, 4} {
		err := s.Account(id).Update(context.Background(), func(tx *store.Tx) error {
			tx.SetLimits(store.Resources{Bytes: 1})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := deliverTo(t, s, 1, 2, 3, 4)
	failed, ok := ByAccount(err)
	if !ok || len(failed) != 2 || !fault.Is(failed[2], fault.OverQuota) || !fault.Is(failed[4], fault.OverQuota) {
		t.Fatalf("failures %v", err)
	}
	if !fault.Is(err, fault.OverQuota) {
		t.Errorf("the kind of %v is %v", err, fault.KindOf(err))
	}
	for id := store.AccountID(1); id <= 4; id++ {
		if n := inbox(t, s, id); n != 0 {
			t.Errorf("account %d has %d copies", id, n)
		}
	}
}

// What is not an account's own fault is not blamed on it.
func TestWholeFaults(t *testing.T) {
	for _, kind := range fault.Kinds() {
		own := kind == fault.OverQuota || kind == fault.NotFound || kind == fault.Limit || kind == fault.Corrupt
		if accountsOwn(fault.New(kind, "x")) != own {
			t.Errorf("%v: an account's own: %v", kind, !own)
		}
	}
	if _, ok := ByAccount(errors.New("x")); ok {
		t.Error("any error is Failures")
	}
}
