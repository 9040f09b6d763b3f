package kvtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

func testGet(t *testing.T, s Subject) {
	put(t, s, "a", "one", "1", "two", "2")
	put(t, s, "a", "one", "I")
	view(t, s, "a", func(r kv.Reader) error {
		for key, due := range map[string]string{"one": "I", "two": "2"} {
			if value, ok, err := r.Get([]byte(key)); err != nil || !ok || string(value) != due {
				t.Errorf("Get %s: %q, %v, %v", key, value, ok, err)
			}
		}
		for _, key := range []string{"", "on", "one\x00", "three"} {
			if value, ok, err := r.Get([]byte(key)); err != nil || ok || value != nil {
				t.Errorf("Get %q, which was never put: %q, %v, %v", key, value, ok, err)
			}
		}
		return nil
	})
	update(t, s, "a", func(w kv.Writer) error { return w.Delete([]byte("one")) })
	update(t, s, "a", func(w kv.Writer) error { return w.Delete([]byte("never there")) })
	want(t, s, "a", "two", "2")
}

func testGetEach(t *testing.T, s Subject) {
	put(t, s, "a", "one", "1", "two", "2", "three", "3")
	keys := [][]byte{[]byte("two"), []byte("none"), []byte("one"), []byte("two"), []byte("three"), []byte("zero")}
	check := func(r kv.Reader, most int, due string) {
		var got []string
		err := r.GetEach(keys, func(i int, value []byte, ok bool) bool {
			got = append(got, fmt.Sprintf("%d=%s,%v", i, value, ok))
			return len(got) < most
		})
		if now := strings.Join(got, " "); err != nil || now != due {
			t.Errorf("at most %d: %s, %v; not %s", most, now, err, due)
		}
	}
	view(t, s, "a", func(r kv.Reader) error {
		check(r, 99, "0=2,true 1=,false 2=1,true 3=2,true 4=3,true 5=,false")
		check(r, 1, "0=2,true")
		check(r, 2, "0=2,true 1=,false")
		return r.GetEach(nil, nil)
	})
	update(t, s, "a", func(w kv.Writer) error {
		if err := putAll(w, "none", "0", "two", "II"); err != nil {
			return err
		}
		if err := w.Delete([]byte("one")); err != nil {
			return err
		}
		check(w, 99, "0=II,true 1=0,true 2=,false 3=II,true 4=3,true 5=,false")
		return nil
	})
}

func testEmpty(t *testing.T, s Subject) {
	update(t, s, "a", func(w kv.Writer) error {
		for _, key := range [][]byte{nil, {0}, {0, 0}} {
			if err := w.Put(key, nil); err != nil {
				return err
			}
		}
		if value, ok, err := w.Get([]byte{}); err != nil || !ok || len(value) != 0 {
			t.Errorf("the empty value at the empty key, before it is committed: %q, %v, %v", value, ok, err)
		}
		return nil
	})
	want(t, s, "a", "", "", "\x00", "", "\x00\x00", "")
	view(t, s, "a", func(r kv.Reader) error {
		if value, ok, err := r.Get(nil); err != nil || !ok || len(value) != 0 {
			t.Errorf("the empty value at the empty key: %q, %v, %v", value, ok, err)
		}
		return nil
	})
	update(t, s, "a", func(w kv.Writer) error { return w.Delete(nil) })
	want(t, s, "a", "\x00", "", "\x00\x00", "")
	update(t, s, "a", func(w kv.Writer) error { return w.DeleteRange(nil, []byte{0, 0}) })
	want(t, s, "a", "\x00\x00", "")
}

func testArgumentsAreCopied(t *testing.T, s Subject) {
	update(t, s, "a", func(w kv.Writer) error {
		key, value := []byte("key"), []byte("value")
		if err := w.Put(key, value); err != nil {
			return err
		}
		copy(key, "xxx")
		copy(value, "xxxxx")
		from, to := []byte("m"), []byte("p")
		if err := w.DeleteRange(from, to); err != nil {
			return err
		}
		copy(from, "a")
		gone := []byte("nothing")
		if err := w.Delete(gone); err != nil {
			return err
		}
		copy(gone, "key")
		return nil
	})
	want(t, s, "a", "key", "value")
}

func testOrder(t *testing.T, s Subject) {
	ordered := []string{"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "A", "AB", "B", "a", "a\x00", "a\xff", "b", "\xc3\xa4", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff"}
	update(t, s, "a", func(w kv.Writer) error {
		for i := range ordered {
			key := ordered[i*7%len(ordered)]
			if err := w.Put([]byte(key), fmt.Appendf(nil, "%x", key)); err != nil {
				return err
			}
		}
		return nil
	})
	var due []string
	for _, key := range ordered {
		due = append(due, key, fmt.Sprintf("%x", key))
	}
	want(t, s, "a", due...)
}

// ranges are the corners of From and To over the keys b, c, d, e.
var ranges = []struct {
	from, to []byte
	due      string
}{
	{nil, nil, "bcde"},
	{[]byte{}, nil, "bcde"},
	{[]byte("a"), []byte("z"), "bcde"},
	{[]byte("b"), []byte("e"), "bcd"},
	{[]byte("b\x00"), []byte("e\x00"), "cde"},
	{[]byte("c"), []byte("c\x00"), "c"},
	{[]byte("c"), []byte("c"), ""},
	{[]byte("d"), []byte("c"), ""},
	{[]byte("e"), nil, "e"},
	{[]byte("f"), nil, ""},
	{[]byte("\xff\xff"), nil, ""},
	{nil, []byte("c"), "b"},
	{nil, []byte("b"), ""},
	{nil, []byte{}, ""},
	{[]byte{}, []byte{}, ""},
}

func testBounds(t *testing.T, s Subject) {
	for _, shard := range []kv.Shard{"a", "b", "c"} { // neighbours must not show
		put(t, s, shard, "b", "", "c", "", "d", "", "e", "")
	}
	scanned := func(r kv.Reader, which kv.Range) string {
		found, err := rows(r, which)
		if err != nil {
			t.Error(err)
		}
		var keys strings.Builder
		for _, row := range found {
			keys.WriteString(row.key)
		}
		return keys.String()
	}
	backwards := func(s string) string {
		b := []byte(s)
		slices.Reverse(b)
		return string(b)
	}
	check := func(r kv.Reader) error {
		for _, each := range ranges {
			if got := scanned(r, kv.Range{From: each.from, To: each.to}); got != each.due {
				t.Errorf("[%q, %q) gives %q, not %q", each.from, each.to, got, each.due)
			}
			if got := scanned(r, kv.Range{From: each.from, To: each.to, Reverse: true}); got != backwards(each.due) {
				t.Errorf("[%q, %q) in reverse gives %q, not %q", each.from, each.to, got, backwards(each.due))
			}
		}
		return nil
	}
	view(t, s, "b", check)
	update(t, s, "b", func(w kv.Writer) error { return check(w) })
	update(t, s, "b", func(w kv.Writer) error { // the same rows, none of them committed yet
		if err := w.DeleteRange(nil, nil); err != nil {
			return err
		}
		if err := putAll(w, "b", "", "c", "", "d", "", "e", ""); err != nil {
			return err
		}
		return check(w)
	})
	for _, each := range ranges {
		err := s.Engine().Update(t.Context(), []kv.Shard{"b"}, func(tx kv.Tx) error {
			w := tx.In("b")
			if err := w.DeleteRange(each.from, each.to); err != nil {
				return err
			}
			left := strings.NewReplacer(slices.Collect(eachLetter(each.due))...).Replace("bcde")
			if got := scanned(w, kv.Range{}); got != left {
				t.Errorf("deleting [%q, %q) leaves %q, not %q", each.from, each.to, got, left)
			}
			return errOnPurpose
		})
		if err != errOnPurpose {
			t.Fatal(err)
		}
	}
	want(t, s, "a", "b", "", "c", "", "d", "", "e", "")
	want(t, s, "c", "b", "", "c", "", "d", "", "e", "")
}

// eachLetter gives replacements of every letter by nothing.
func eachLetter(letters string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, letter := range letters {
			if !yield(string(letter)) || !yield("") {
				return
			}
		}
	}
}

func testReverse(t *testing.T, s Subject) {
	const n = 300
	update(t, s, "a", func(w kv.Writer) error {
		for i := range n {
			if err := w.Put(fmt.Appendf(nil, "%04d", i), number(uint64(i))); err != nil {
				return err
			}
		}
		return nil
	})
	var due []row
	for i := n - 20; i >= 30; i-- {
		due = append(due, row{fmt.Sprintf("%04d", i), fmt.Sprint(i)})
	}
	view(t, s, "a", func(r kv.Reader) error {
		got, err := rows(r, kv.Range{From: []byte("0030"), To: []byte("0281"), Reverse: true})
		equal(t, "reverse", got, due)
		return err
	})
}

func testLimit(t *testing.T, s Subject) {
	put(t, s, "a", "a", "1", "b", "2", "c", "3", "d", "4")
	update(t, s, "a", func(w kv.Writer) error {
		if err := w.Delete([]byte("b")); err != nil {
			return err
		}
		return check(t, w)
	})
	view(t, s, "a", func(r kv.Reader) error { return check(t, r) })
}

// check tries limits over a=1 c=3 d=4.
func check(t *testing.T, r kv.Reader) error {
	for _, each := range []struct {
		which kv.Range
		due   []row
	}{
		{kv.Range{Limit: 1}, pairs("a", "1")},
		{kv.Range{Limit: 2}, pairs("a", "1", "c", "3")},
		{kv.Range{Limit: 3}, pairs("a", "1", "c", "3", "d", "4")},
		{kv.Range{Limit: 100}, pairs("a", "1", "c", "3", "d", "4")},
		{kv.Range{From: []byte("b"), Limit: 1}, pairs("c", "3")},
		{kv.Range{Limit: 1, Reverse: true}, pairs("d", "4")},
		{kv.Range{To: []byte("d"), Limit: 1, Reverse: true}, pairs("c", "3")},
		{kv.Range{Limit: 2, Reverse: true}, pairs("d", "4", "c", "3")},
	} {
		got, err := rows(r, each.which)
		if err != nil {
			return err
		}
		equal(t, fmt.Sprintf("%+v", each.which), got, each.due)
	}
	seen := 0
	err := r.Scan(kv.Range{}, func(_, _ []byte) bool {
		seen++
		return seen < 2
	})
	if seen != 2 {
		t.Errorf("a scan stopped at its second row gave %d", seen)
	}
	return err
}

func testPrefix(t *testing.T, s Subject) {
	put(t, s, "a",
		"a", "", "a\xfe", "", "a\xff", "", "a\xff\x00", "", "a\xff\xff", "", "a\xff\xff\xff", "", "b", "",
		"\xfe\xff", "", "\xff", "", "\xff\x01", "", "\xff\xff", "", "\xff\xff\xff", "")
	put(t, s, "b", "\x00", "", "\xff\xff", "")
	view(t, s, "a", func(r kv.Reader) error {
		for _, each := range []struct {
			prefix string
			due    []row
		}{
			{"a", pairs("a", "", "a\xfe", "", "a\xff", "", "a\xff\x00", "", "a\xff\xff", "", "a\xff\xff\xff", "")},
			{"a\xff", pairs("a\xff", "", "a\xff\x00", "", "a\xff\xff", "", "a\xff\xff\xff", "")},
			{"a\xff\xff", pairs("a\xff\xff", "", "a\xff\xff\xff", "")},
			{"\xff", pairs("\xff", "", "\xff\x01", "", "\xff\xff", "", "\xff\xff\xff", "")},
			{"\xff\xff", pairs("\xff\xff", "", "\xff\xff\xff", "")},
			{"\xff\xff\xff\xff", nil},
			{"c", nil},
		} {
			got, err := rows(r, kv.Prefix([]byte(each.prefix)))
			if err != nil {
				return err
			}
			equal(t, fmt.Sprintf("prefix %q", each.prefix), got, each.due)
		}
		return nil
	})
}

func testLargeScan(t *testing.T, s Subject) {
	const n, batch = 50_000, 10_000
	filler := strings.Repeat("x", 20)
	for first := 0; first < n; first += batch {
		update(t, s, "a", func(w kv.Writer) error {
			for i := first; i < first+batch; i++ {
				if err := w.Put(fmt.Appendf(nil, "%08d", i), fmt.Appendf(nil, "%d %s", i, filler)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	check := func(what string, r kv.Reader) error {
		next := 0
		err := r.Scan(kv.Range{}, func(key, value []byte) bool {
			if string(key) != fmt.Sprintf("%08d", next) || string(value) != fmt.Sprintf("%d %s", next, filler) {
				t.Errorf("%s: row %d is %q=%q", what, next, key, value)
				return false
			}
			next++
			return true
		})
		if next != n {
			t.Errorf("%s: a scan of %d rows gave %d", what, n, next)
		}
		return err
	}
	view(t, s, "a", func(r kv.Reader) error { return check("view", r) })
	update(t, s, "a", func(w kv.Writer) error {
		if err := w.Put([]byte("00000000"), []byte("0 "+filler)); err != nil {
			return err
		}
		return check("update", w)
	})
	update(t, s, "a", func(w kv.Writer) error { return w.DeleteRange([]byte("00000001"), []byte("00049999")) })
	want(t, s, "a", "00000000", "0 "+filler, "00049999", "49999 "+filler)
}

func testLargeValues(t *testing.T, s Subject) {
	var due []row
	for _, size := range []int{1, 100, 1 << 10, 4 << 10, 128 << 10, 1 << 20} {
		value := bytes.Repeat(fmt.Appendf(nil, "%07d ", size), size/8+1)[:size]
		due = append(due, row{fmt.Sprintf("%07d", size), string(value)})
		put(t, s, "a", due[len(due)-1].key, string(value))
	}
	equal(t, "large values", all(t, s, "a"), due)
	view(t, s, "a", func(r kv.Reader) error {
		for _, row := range due {
			if value, ok, err := r.Get([]byte(row.key)); err != nil || !ok || string(value) != row.value {
				t.Errorf("Get %s: %d bytes, %v, %v", row.key, len(value), ok, err)
			}
		}
		return nil
	})
}

func testNeighbours(t *testing.T, s Subject) {
	// Names that are prefixes of one another, with keys that could join them.
	shards := []kv.Shard{"a", "a/", "a/1", "a/12", "a/2", "a\x01", "a\xff", "b", kv.Shard(strings.Repeat("z", 64))}
	for _, shard := range shards {
		put(t, s, shard, "", "the empty key of "+string(shard), "/1", "x", "1", "x", "\xff", "x")
	}
	for _, shard := range shards {
		want(t, s, shard, "", "the empty key of "+string(shard), "/1", "x", "1", "x", "\xff", "x")
	}
	update(t, s, "a", func(w kv.Writer) error { return w.DeleteRange(nil, nil) })
	want(t, s, "a")
	for _, shard := range shards[1:] {
		want(t, s, shard, "", "the empty key of "+string(shard), "/1", "x", "1", "x", "\xff", "x")
	}
}

func testBadShards(t *testing.T, s Subject) {
	for _, shard := range []kv.Shard{"", "nul\x00inside", kv.Shard(strings.Repeat("z", 65))} {
		err := s.Engine().Update(t.Context(), []kv.Shard{shard}, func(tx kv.Tx) error { return nil })
		wantKind(t, fmt.Sprintf("Update of shard %q", shard), err, fault.Invalid)
		err = s.Engine().View(t.Context(), shard, func(kv.Reader) error { return nil })
		wantKind(t, fmt.Sprintf("View of shard %q", shard), err, fault.Invalid)
	}
	defer func() {
		if recover() == nil {
			t.Error("In did not panic for a shard that is not part of the Update")
		}
	}()
	_ = s.Engine().Update(t.Context(), []kv.Shard{"a"}, func(tx kv.Tx) error {
		return tx.In("b").Put([]byte("key"), nil)
	})
}
