package kvtest

import (
	"testing"

	"posthorn/internal/kv"
)

// The budget of round trips. A View may take one to begin and end besides one for
// each of its reads; an Update one to lock, one for each of its reads, and two to
// write and commit, however much it writes.
const (
	tripsOfView   = 1
	tripsOfUpdate = 3
)

func testRoundTrips(t *testing.T, s Subject) {
	if _, counted := s.RoundTrips(); !counted {
		return // there is no network to be slow
	}
	trips := func(what string, budget int64, fn func()) {
		t.Helper()
		before, _ := s.RoundTrips()
		fn()
		after, _ := s.RoundTrips()
		if after-before > budget {
			t.Errorf("%s took %d round trips, %d are allowed", what, after-before, budget)
		}
	}
	shards := []kv.Shard{"a", "b", "c"}
	fill := func(n int) func() {
		return func() {
			err := s.Engine().Update(t.Context(), shards, func(tx kv.Tx) error {
				for _, shard := range shards {
					for i := range n {
						if err := tx.In(shard).Put(number(uint64(i)), make([]byte, 50)); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(1)() // connections and prepared statements come into being
	view(t, s, "a", func(r kv.Reader) error { _, _, err := r.Get(number(0)); return err })

	trips("an Update that writes 3 rows", tripsOfUpdate, fill(1))
	trips("an Update that writes 30,000 rows", tripsOfUpdate, fill(10_000))
	trips("an Update that reads once and writes once", tripsOfUpdate+1, func() {
		update(t, s, "a", func(w kv.Writer) error { _, err := count(w, "n"); return err })
	})
	trips("a View with one Get", tripsOfView+1, func() {
		view(t, s, "a", func(r kv.Reader) error { _, _, err := r.Get(number(0)); return err })
	})
	trips("a View that gets 1,000 keys", tripsOfView+1, func() {
		view(t, s, "a", func(r kv.Reader) error {
			keys := make([][]byte, 1000)
			for i := range keys {
				keys[i] = number(uint64(i * 7))
			}
			return r.GetEach(keys, func(int, []byte, bool) bool { return true })
		})
	})
	trips("a View with two scans of 10,000 rows", tripsOfView+2, func() {
		view(t, s, "b", func(r kv.Reader) error {
			for range 2 {
				if got, err := rows(r, kv.Range{}); err != nil || len(got) != 10_000 {
					t.Errorf("%d rows, %v", len(got), err)
				}
			}
			return nil
		})
	})
}
