package kvtest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

func testWatch(t *testing.T, s Subject) {
	var a, twice, b atomic.Int64
	stopA := s.Engine().Watch("a", func() { a.Add(1) })
	stopTwice := s.Engine().Watch("a", func() { twice.Add(1) })
	stopB := s.Engine().Watch("b", func() { b.Add(1) })
	defer stopB()

	put(t, s, "a", "key", "1")
	if a.Load() == 0 || twice.Load() == 0 {
		t.Error("Update has returned, and not every watcher of its shard was notified")
	}
	before := b.Load()
	err := s.Engine().Update(t.Context(), []kv.Shard{"a", "b"}, func(tx kv.Tx) error {
		if err := putAll(tx.In("a"), "key", "2"); err != nil {
			return err
		}
		return tx.In("b").Delete([]byte("key"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if b.Load() == before {
		t.Error("a watcher of the second shard of an Update was not notified")
	}

	stopA()
	stopA() // as harmless as once
	after, others := a.Load(), twice.Load()
	put(t, s, "a", "key", "3")
	if a.Load() != after {
		t.Error("notified after stop")
	}
	if twice.Load() == others {
		t.Error("the stop of one watcher silenced another")
	}
	stopTwice()
	put(t, s, "a", "key", "4")
}

// testWatchLeadsToNews follows a counter by reading it when notified, and must
// arrive at its end.
func testWatchLeadsToNews(t *testing.T, s Subject) {
	const n = 50
	news := make(chan struct{}, 1)
	stop := s.Engine().Watch("a", func() {
		select {
		case news <- struct{}{}:
		default:
		}
		time.Sleep(100 * time.Microsecond) // so that who comes too early finds nothing
	})
	defer stop()
	followed := started(func() {
		for range news {
			if seen, err := counterIn(t.Context(), s.Engine(), "a", "n"); err != nil || seen == n {
				if err != nil {
					t.Error(err)
				}
				return
			}
		}
	})
	for range n {
		update(t, s, "a", func(w kv.Writer) error { _, err := count(w, "n"); return err })
	}
	within(t, "the follower of a shard", followed)
}

func testShards(t *testing.T, s Subject) {
	list := func(prefix string, most int) (names []string) {
		err := s.Engine().Shards(t.Context(), prefix, func(shard kv.Shard) bool {
			names = append(names, string(shard))
			return len(names) < most
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	expect := func(prefix string, most int, due ...string) {
		t.Helper()
		if got := list(prefix, most); !slices.Equal(got, due) {
			t.Errorf("shards with prefix %q, at most %d: %q, not %q", prefix, most, got, due)
		}
	}

	expect("", 100)
	for _, shard := range []kv.Shard{"q/2", "a/10", "a/9", "dir", "a", "a/1", "a/\xff", "b"} {
		put(t, s, shard, "", "", "key", "value", "\xff\xff", "")
	}
	expect("", 100, "a", "a/1", "a/10", "a/9", "a/\xff", "b", "dir", "q/2")
	expect("", 2, "a", "a/1")
	expect("a/", 100, "a/1", "a/10", "a/9", "a/\xff")
	expect("a/1", 100, "a/1", "a/10")
	expect("a/\xff", 100, "a/\xff")
	expect("d", 1, "dir")
	expect("zzz", 100)

	update(t, s, "a/1", func(w kv.Writer) error { return w.DeleteRange(nil, nil) })
	update(t, s, "b", func(w kv.Writer) error {
		for _, key := range []string{"", "key", "\xff\xff"} {
			if err := w.Delete([]byte(key)); err != nil {
				return err
			}
		}
		return nil
	})
	expect("", 100, "a", "a/10", "a/9", "a/\xff", "dir", "q/2")
	put(t, s, "b", "back", "again")
	expect("b", 100, "b")
	for i := range 300 {
		put(t, s, kv.Shard(fmt.Sprintf("many/%03d", i)), "key", "value")
	}
	if got := list("many/", 1000); len(got) != 300 || got[7] != "many/007" {
		t.Errorf("of 300 shards %d were listed", len(got))
	}
}

func testClosed(t *testing.T, s Subject) {
	put(t, s, "a", "key", "value")
	release := holding(t, s, "b")
	engine := s.Engine()
	closed := started(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-closed:
		t.Error("Close did not wait for an Update under way")
	case <-time.After(20 * time.Millisecond):
	}
	release()
	within(t, "Close", closed)
	err := engine.View(t.Context(), "a", func(kv.Reader) error { return nil })
	wantKind(t, "View after Close", err, fault.Unavailable)
	err = engine.Update(t.Context(), []kv.Shard{"a"}, func(kv.Tx) error { return nil })
	wantKind(t, "Update after Close", err, fault.Unavailable)

	s.Crash(t) // to open it again
	want(t, s, "a", "key", "value")
	want(t, s, "b", "key", "held")
}
