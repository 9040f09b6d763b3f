package blobtest

import (
	"context"
	"testing"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
)

// testVisibility: nobody sees a blob before Commit, and everybody after it.
func testVisibility(t *testing.T, s *Subject) {
	w, err := s.Store.Create(background)
	if err != nil {
		t.Fatal(err)
	}
	data := Body(1, 300_000)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if found := list(t, s.Store); len(found) != 0 {
		t.Errorf("listed before Commit: %v", found)
	}
	id, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	check(t, s.Store, id, data)
	if _, ok := list(t, s.Store)[id]; !ok {
		t.Error("not listed after Commit")
	}
}

// testEnded: exactly one of Commit and Abort ends a writer.
func testEnded(t *testing.T, s *Subject) {
	committed, err := s.Store.Create(background)
	if err != nil {
		t.Fatal(err)
	}
	id, err := committed.Commit()
	if err != nil {
		t.Fatal(err)
	}
	_, err = committed.Write([]byte("late"))
	wantKind(t, "Write after Commit", err, fault.Invalid)
	_, err = committed.Commit()
	wantKind(t, "Commit after Commit", err, fault.Invalid)
	committed.Abort()
	check(t, s.Store, id, nil)

	aborted, err := s.Store.Create(background)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := aborted.Write(Body(2, 100_000)); err != nil {
		t.Fatal(err)
	}
	aborted.Abort()
	aborted.Abort()
	_, err = aborted.Write([]byte("late"))
	wantKind(t, "Write after Abort", err, fault.Invalid)
	_, err = aborted.Commit()
	wantKind(t, "Commit after Abort", err, fault.Invalid)
	if found := list(t, s.Store); len(found) != 1 {
		t.Errorf("listed %d blobs, want the committed one only: %v", len(found), found)
	}
}

// testDelete: gone is gone, and twice is fine.
func testDelete(t *testing.T, s *Subject) {
	keep, gone := mustWrite(t, s.Store, Body(1, 5000)), mustWrite(t, s.Store, Body(2, 5000))
	for range 2 {
		if err := s.Store.Delete(background, gone); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	_, err := s.Store.Open(background, gone)
	wantKind(t, "Open after Delete", err, fault.NotFound)
	if found := list(t, s.Store); len(found) != 1 || found[keep].ID != keep {
		t.Errorf("listed after Delete: %v, want only %s", found, keep)
	}
	check(t, s.Store, keep, Body(1, 5000))
}

// testList: every committed blob once, with a size and a time, and stopping early.
func testList(t *testing.T, s *Subject) {
	want := map[blob.ID]bool{}
	for i := range 20 {
		want[mustWrite(t, s.Store, Body(uint64(i), 1+i*1000))] = true
	}
	found := list(t, s.Store)
	if len(found) != len(want) {
		t.Errorf("listed %d blobs, want %d", len(found), len(want))
	}
	for id, info := range found {
		if !want[id] || info.Stored <= 0 || info.Created.IsZero() {
			t.Errorf("listed %+v: unknown, or without size or time", info)
		}
	}
	calls := 0
	if err := s.Store.List(background, func(blob.Info) bool { calls++; return calls < 3 }); err != nil || calls != 3 {
		t.Errorf("List stopped by its callback: %d calls, %v; want 3, nil", calls, err)
	}
	// The sweeper deletes while it lists.
	err := s.Store.List(background, func(i blob.Info) bool {
		return s.Store.Delete(background, i.ID) == nil
	})
	if err != nil {
		t.Errorf("List with Delete in its callback: %v", err)
	}
	if found := list(t, s.Store); len(found) != 0 {
		t.Errorf("%d blobs left after all were deleted", len(found))
	}
}

// testUnknownID: an ID that names nothing, and strings that are no ID at all.
func testUnknownID(t *testing.T, s *Subject) {
	for _, id := range []blob.ID{
		"aaaaaaaaaaaaaaaaaaaaaaaaaa", "", "a", ".", "..", "../../../../../etc/passwd",
		"aa/aaaaaaaaaaaaaaaaaaaaaaa", "AAAAAAAAAAAAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaaaaaaaaaaa\x00", "aaaaaaaaaaaaaaaaaaaaaaaaaaa",
	} {
		_, err := s.Store.Open(background, id)
		wantKind(t, "Open "+string(id), err, fault.NotFound)
		if err := s.Store.Delete(background, id); err != nil {
			t.Errorf("Delete %q: %v", id, err)
		}
	}
}

// testCanceled: a canceled caller is told so, and nothing is left behind.
func testCanceled(t *testing.T, s *Subject) {
	id := mustWrite(t, s.Store, Body(1, 1000))
	canceled, cancel := context.WithCancel(background)
	cancel()
	_, err := s.Store.Create(canceled)
	wantKind(t, "Create", err, fault.Canceled)
	_, err = s.Store.Open(canceled, id)
	wantKind(t, "Open", err, fault.Canceled)
	wantKind(t, "Delete", s.Store.Delete(canceled, id), fault.Canceled)
	wantKind(t, "List", s.Store.List(canceled, func(blob.Info) bool { return true }), fault.Canceled)
	check(t, s.Store, id, Body(1, 1000))
}

// testClosed: after Close everything says that the store is not there.
func testClosed(t *testing.T, s *Subject) {
	id := mustWrite(t, s.Store, Body(1, 1000))
	w, err := s.Store.Create(background)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	_, err = w.Commit()
	wantKind(t, "Commit", err, fault.Unavailable)
	w.Abort()
	_, err = s.Store.Create(background)
	wantKind(t, "Create", err, fault.Unavailable)
	_, err = s.Store.Open(background, id)
	wantKind(t, "Open", err, fault.Unavailable)
	wantKind(t, "Delete", s.Store.Delete(background, id), fault.Unavailable)
	wantKind(t, "List", s.Store.List(background, func(blob.Info) bool { return true }), fault.Unavailable)
}
