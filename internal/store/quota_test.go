package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/store"
)

// TestCharged: who follows quotas hears of each commit that changes one, once, and of
// nothing else.
func TestCharged(t *testing.T) {
	var told []string
	s := store.New(store.Options{
		Engine: memkv.New(memkv.Options{Rerun: true}), Blobs: memblob.New(memblob.Options{}),
		Charged: func(id store.AccountID, before, after store.Quota) {
			told = append(told, fmt.Sprintf("%d: %d of %d, %d of %d", id, before.Used.Mailboxes, before.Limit.Mailboxes, after.Used.Mailboxes, after.Limit.Mailboxes))
		},
	})
	a := s.Account(7)
	create := func(name string) error {
		return a.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.CreateMailbox(name, ""); return err })
	}
	limit := func(n int64) error {
		return a.Update(t.Context(), func(tx *store.Tx) error { tx.SetLimits(store.Resources{Mailboxes: n}); return nil })
	}
	broken := errors.New("broken off")
	for _, err := range []error{
		create("without limits"), limit(9), limit(9), create("one"),
		a.Update(t.Context(), func(tx *store.Tx) error { return tx.Subscribe("one", true) }),
		create("two"), limit(0), create("three"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	err := a.Update(t.Context(), func(tx *store.Tx) error { tx.SetLimits(store.Resources{Mailboxes: 1}); return broken })
	want := []string{"7: 7 of 0, 7 of 9", "7: 7 of 9, 8 of 9", "7: 8 of 9, 9 of 9", "7: 9 of 9, 9 of 0"}
	if !errors.Is(err, broken) || !slices.Equal(told, want) {
		t.Errorf("told %q, %v; want %q", told, err, want)
	}
}
