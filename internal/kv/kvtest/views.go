package kvtest

import (
	"context"
	"sync"
	"testing"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

func testViewIsASnapshot(t *testing.T, s Subject) {
	put(t, s, "a", "a", "old", "b", "old", "c", "old")
	view(t, s, "a", func(r kv.Reader) error {
		// An engine may take its snapshot as late as at the first read.
		if value, _, err := r.Get([]byte("b")); err != nil || string(value) != "old" {
			t.Errorf("the first Get in the View gives %q, %v", value, err)
		}
		changed := started(func() {
			update(t, s, "a", func(w kv.Writer) error {
				if err := w.Delete([]byte("b")); err != nil {
					return err
				}
				return putAll(w, "a", "new", "d", "new")
			})
		})
		within(t, "an Update while a View goes on", changed)
		got, err := rows(r, kv.Range{})
		equal(t, "the View", got, pairs("a", "old", "b", "old", "c", "old"))
		if value, _, _ := r.Get([]byte("a")); string(value) != "old" {
			t.Errorf("Get in the View gives %q", value)
		}
		return err
	})
	want(t, s, "a", "a", "new", "c", "old", "d", "new")
}

func testViewSeesReturnedUpdates(t *testing.T, s Subject) {
	// Others keep the shard busy, so that commits are under way all the time.
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for ctx.Err() == nil && update(t, s, "a", func(w kv.Writer) error { _, err := count(w, "others"); return err }) {
			}
		})
	}
	for range 100 {
		var written uint64
		update(t, s, "a", func(w kv.Writer) (err error) { written, err = count(w, "own"); return err })
		read, err := counterIn(t.Context(), s.Engine(), "a", "own")
		if err != nil || read != written {
			t.Errorf("Update wrote %d and returned, then View found %d, %v", written, read, err)
			break
		}
	}
	stop()
	others.Wait()
}

func testViewError(t *testing.T, s Subject) {
	err := s.Engine().View(t.Context(), "a", func(kv.Reader) error { return errOnPurpose })
	if err != errOnPurpose {
		t.Errorf("the error of fn came back as %v", err)
	}
}

// holding starts an Update that has written to the shards and stays in fn until
// release is called, which waits for its end.
func holding(t *testing.T, s Subject, shards ...kv.Shard) (release func()) {
	inside, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	ended := started(func() {
		err := s.Engine().Update(context.Background(), shards, func(tx kv.Tx) error {
			for _, shard := range shards {
				if err := putAll(tx.In(shard), "key", "held"); err != nil {
					return err
				}
			}
			once.Do(func() { close(inside) })
			<-leave
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	within(t, "an Update", inside)
	release = sync.OnceFunc(func() {
		close(leave)
		within(t, "the end of an Update", ended)
	})
	t.Cleanup(release)
	return release
}

func testViewNotBlocked(t *testing.T, s Subject) {
	put(t, s, "a", "key", "old")
	release := holding(t, s, "a")
	within(t, "a View during an Update", started(func() { want(t, s, "a", "key", "old") }))
	release()
	want(t, s, "a", "key", "held")
}

func testOtherShardsNotBlocked(t *testing.T, s Subject) {
	release := holding(t, s, "b", "d")
	within(t, "Updates of other shards", started(func() {
		put(t, s, "a", "key", "new")
		put(t, s, "c", "key", "new")
	}))
	want(t, s, "a", "key", "new")
	want(t, s, "c", "key", "new")
	release()
	want(t, s, "d", "key", "held")
}

func testCanceledBeforehand(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Engine().Update(ctx, []kv.Shard{"a"}, func(tx kv.Tx) error { return putAll(tx.In("a"), "key", "") })
	wantKind(t, "Update", err, fault.Canceled)
	err = s.Engine().View(ctx, "a", func(r kv.Reader) error { _, _, err := r.Get(nil); return err })
	wantKind(t, "View", err, fault.Canceled)
	err = s.Engine().Shards(ctx, "", func(kv.Shard) bool { return true })
	wantKind(t, "Shards", err, fault.Canceled)
	want(t, s, "a")
}

func testCanceledInScan(t *testing.T, s Subject) {
	const n = 20_000
	update(t, s, "a", func(w kv.Writer) error {
		for i := range n {
			if err := w.Put(number(uint64(i)), make([]byte, 100)); err != nil {
				return err
			}
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	err := s.Engine().View(ctx, "a", func(r kv.Reader) error {
		return r.Scan(kv.Range{}, func(_, _ []byte) bool {
			cancel()
			seen++
			return true
		})
	})
	wantKind(t, "a scan canceled at its first row", err, fault.Canceled)
	if seen == n {
		t.Error("a scan canceled at its first row went on to its last")
	}
	if got := len(all(t, s, "a")); got != n {
		t.Errorf("then another scan gave %d rows", got)
	}
}

func testCanceledWaiting(t *testing.T, s Subject) {
	release := holding(t, s, "b")
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	waiting := started(func() {
		err = s.Engine().Update(ctx, []kv.Shard{"a", "b"}, func(tx kv.Tx) error { return putAll(tx.In("a"), "key", "") })
	})
	cancel()
	within(t, "a canceled Update", waiting)
	wantKind(t, "an Update canceled while it waited", err, fault.Canceled)
	within(t, "an Update of a shard that the canceled one may have locked", started(func() {
		put(t, s, "a", "other", "")
	}))
	want(t, s, "a", "other", "")
	release()
}

func testCanceledInUpdate(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Engine().Update(ctx, []kv.Shard{"a", "b"}, func(tx kv.Tx) error {
		if err := putAll(tx.In("a"), "key", "new"); err != nil {
			return err
		}
		cancel()
		return putAll(tx.In("b"), "key", "new")
	})
	if err != nil {
		wantKind(t, "an Update canceled in its fn", err, fault.Canceled)
		want(t, s, "a")
		want(t, s, "b")
		return
	}
	want(t, s, "a", "key", "new")
	want(t, s, "b", "key", "new")
}
