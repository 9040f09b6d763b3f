package kvtest

import (
	"fmt"
	"testing"

	"posthorn/internal/kv"
)

func testOwnWrites(t *testing.T, s Subject) {
	put(t, s, "a", "b", "old", "d", "old", "f", "old")
	update(t, s, "a", func(w kv.Writer) error {
		if err := putAll(w, "a", "new", "d", "new", "e", "new", "e", "newer"); err != nil {
			return err
		}
		if err := w.Delete([]byte("b")); err != nil {
			return err
		}
		for key, due := range map[string]string{"a": "new", "d": "new", "e": "newer", "f": "old"} {
			if value, ok, err := w.Get([]byte(key)); err != nil || !ok || string(value) != due {
				t.Errorf("Get %s: %q, %v, %v", key, value, ok, err)
			}
		}
		if value, ok, err := w.Get([]byte("b")); err != nil || ok {
			t.Errorf("Get b, just deleted: %q, %v, %v", value, ok, err)
		}
		got, err := rows(w, kv.Range{})
		equal(t, "scan", got, pairs("a", "new", "d", "new", "e", "newer", "f", "old"))
		if err != nil {
			return err
		}
		got, err = rows(w, kv.Range{From: []byte("b"), Reverse: true})
		equal(t, "reverse scan", got, pairs("f", "old", "e", "newer", "d", "new"))
		if err != nil {
			return err
		}
		return putAll(w, "b", "again") // a put after a read
	})
	want(t, s, "a", "a", "new", "b", "again", "d", "new", "e", "newer", "f", "old")
}

func testOwnDeleteRange(t *testing.T, s Subject) {
	put(t, s, "a", "a", "old", "b", "old", "c", "old", "d", "old", "e", "old")
	steps := []struct {
		do  func(w kv.Writer) error
		due []row
	}{
		{
			func(w kv.Writer) error { return putAll(w, "b", "new", "bb", "new", "cc", "new", "f", "new") },
			pairs("a", "old", "b", "new", "bb", "new", "c", "old", "cc", "new", "d", "old", "e", "old", "f", "new"),
		},
		{
			func(w kv.Writer) error { return w.DeleteRange([]byte("b"), []byte("d")) },
			pairs("a", "old", "d", "old", "e", "old", "f", "new"),
		},
		{
			func(w kv.Writer) error { return putAll(w, "c", "newer") },
			pairs("a", "old", "c", "newer", "d", "old", "e", "old", "f", "new"),
		},
		{
			func(w kv.Writer) error { return w.DeleteRange([]byte("cc"), nil) },
			pairs("a", "old", "c", "newer"),
		},
		{
			func(w kv.Writer) error { return w.DeleteRange(nil, []byte("b")) },
			pairs("c", "newer"),
		},
		{
			func(w kv.Writer) error { return putAll(w, "a", "newest") },
			pairs("a", "newest", "c", "newer"),
		},
		{
			func(w kv.Writer) error { return w.DeleteRange([]byte("b"), []byte("bb")) },
			pairs("a", "newest", "c", "newer"),
		},
		{func(w kv.Writer) error { return w.DeleteRange(nil, nil) }, nil},
		{func(w kv.Writer) error { return putAll(w, "d", "last") }, pairs("d", "last")},
	}
	update(t, s, "a", func(w kv.Writer) error {
		for i, step := range steps {
			if err := step.do(w); err != nil {
				return err
			}
			got, err := rows(w, kv.Range{})
			if err != nil {
				return err
			}
			equal(t, fmt.Sprintf("after step %d", i), got, step.due)
			for _, key := range []string{"a", "b", "bb", "c", "cc", "d", "e", "f"} {
				value, ok, err := w.Get([]byte(key))
				if err != nil {
					return err
				}
				if found, due := (row{key, string(value)}), find(step.due, key); ok != (due != row{}) || ok && found != due {
					t.Errorf("after step %d: Get %s gives %q, %v", i, key, value, ok)
				}
			}
		}
		return nil
	})
	want(t, s, "a", "d", "last")
}

// testLargeDeleteRange deletes ranges of many keys, of which some are committed and
// some are not, and writes into them again.
func testLargeDeleteRange(t *testing.T, s Subject) {
	const n = 2000
	key := func(i int) []byte { return fmt.Appendf(nil, "%04d", i) }
	update(t, s, "a", func(w kv.Writer) error {
		for i := 0; i < n; i += 2 {
			if err := w.Put(key(i), []byte("old")); err != nil {
				return err
			}
		}
		return nil
	})
	var due []row
	for i := range n {
		switch {
		case i == 700:
			due = append(due, row{string(key(i)), "newer"})
		case i < 100 || i >= 1900:
			due = append(due, row{string(key(i)), []string{"old", "new"}[i%2]})
		}
	}
	update(t, s, "a", func(w kv.Writer) error {
		for i := 1; i < n; i += 2 {
			if err := w.Put(key(i), []byte("new")); err != nil {
				return err
			}
		}
		if err := w.DeleteRange(key(100), key(1900)); err != nil {
			return err
		}
		if err := w.Put(key(700), []byte("newer")); err != nil {
			return err
		}
		got, err := rows(w, kv.Range{})
		equal(t, "before the commit", got, due)
		for _, i := range []int{100, 1000, 1001, 1899} {
			if value, ok, err := w.Get(key(i)); ok || err != nil {
				t.Errorf("Get %d, just deleted: %q, %v, %v", i, value, ok, err)
			}
		}
		return err
	})
	equal(t, "after the commit", all(t, s, "a"), due)
	update(t, s, "a", func(w kv.Writer) error {
		if err := w.DeleteRange(nil, nil); err != nil {
			return err
		}
		return w.Put(key(1000), []byte("last"))
	})
	want(t, s, "a", "1000", "last")
}

func find(rows []row, key string) row {
	for _, row := range rows {
		if row.key == key {
			return row
		}
	}
	return row{}
}

func testAtomic(t *testing.T, s Subject) {
	shards := []kv.Shard{"c", "a", "b"} // in any order
	err := s.Engine().Update(t.Context(), shards, func(tx kv.Tx) error {
		for _, shard := range shards {
			if err := putAll(tx.In(shard), "key", string(shard)); err != nil {
				return err
			}
		}
		// Each writer keeps to its shard.
		got, err := rows(tx.In("b"), kv.Range{})
		equal(t, "b inside the Update", got, pairs("key", "b"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		want(t, s, shard, "key", string(shard))
	}
}

func testErrorRollsBack(t *testing.T, s Subject) {
	put(t, s, "a", "key", "old")
	err := s.Engine().Update(t.Context(), []kv.Shard{"a", "b"}, func(tx kv.Tx) error {
		if err := putAll(tx.In("a"), "key", "new", "more", ""); err != nil {
			return err
		}
		if err := tx.In("a").DeleteRange(nil, []byte("l")); err != nil {
			return err
		}
		if err := putAll(tx.In("b"), "key", "new"); err != nil {
			return err
		}
		return errOnPurpose
	})
	if err != errOnPurpose {
		t.Errorf("the error of fn came back as %v", err)
	}
	want(t, s, "a", "key", "old")
	want(t, s, "b")
	put(t, s, "b", "key", "later") // nothing is left locked
	want(t, s, "b", "key", "later")
}

func testPanicRollsBack(t *testing.T, s Subject) {
	put(t, s, "a", "key", "old")
	panicked := func(fn func() error) (with any) {
		defer func() { with = recover() }()
		t.Errorf("no panic came through, but error %v", fn())
		return nil
	}
	with := panicked(func() error {
		return s.Engine().Update(t.Context(), []kv.Shard{"a", "b"}, func(tx kv.Tx) error {
			if err := putAll(tx.In("a"), "key", "new"); err != nil {
				return err
			}
			panic(errOnPurpose)
		})
	})
	if with != errOnPurpose {
		t.Errorf("the panic of Update's fn came through as %v", with)
	}
	with = panicked(func() error {
		return s.Engine().View(t.Context(), "a", func(r kv.Reader) error {
			return r.Scan(kv.Range{}, func(_, _ []byte) bool { panic(errOnPurpose) })
		})
	})
	if with != errOnPurpose {
		t.Errorf("the panic of Scan's callback came through as %v", with)
	}
	want(t, s, "a", "key", "old")
	within(t, "an Update after the panic", started(func() {
		put(t, s, "a", "key", "later")
		put(t, s, "b", "key", "later")
	}))
	want(t, s, "a", "key", "later")
}

func testReadOnlyUpdate(t *testing.T, s Subject) {
	put(t, s, "a", "key", "1")
	var got uint64
	update(t, s, "a", func(w kv.Writer) (err error) {
		got, err = counter(w, "key")
		return err
	})
	if got != 1 {
		t.Errorf("an Update that only reads found %d", got)
	}
	want(t, s, "a", "key", "1")
}
