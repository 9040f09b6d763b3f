package pgkv

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"posthorn/internal/kv"
)

// TestOverlay compares an overlay over a table with a table that is changed at once.
func TestOverlay(t *testing.T) {
	genByte := rapid.SampledFrom([]byte{0, 'a', 'b', 0xff})
	genKey := rapid.SliceOfN(genByte, 0, 2)
	genBound := rapid.OneOf(rapid.Just([]byte(nil)), genKey)
	rapid.Check(t, func(t *rapid.T) {
		table := make(map[string]string)
		for _, key := range rapid.SliceOfN(genKey, 0, 10).Draw(t, "table") {
			table[string(key)] = "old"
		}
		model := maps.Clone(table)
		var o overlay
		for i := range rapid.IntRange(0, 12).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "clone") { // what becomes of the original must not matter
				original := o
				o = o.clone()
				original.deleteRange(nil, nil)
				original.put([]byte("a"), []byte("of the original"))
			}
			key, value := genKey.Draw(t, "key"), fmt.Sprint(i)
			switch rapid.SampledFrom([]string{"put", "delete", "deleteRange"}).Draw(t, "step") {
			case "put":
				o.put(key, []byte(value))
				model[string(key)] = value
			case "delete":
				o.delete(key)
				delete(model, string(key))
			case "deleteRange":
				r := kv.Range{From: genBound.Draw(t, "from"), To: genBound.Draw(t, "to")}
				o.deleteRange(r.From, r.To)
				maps.DeleteFunc(model, func(key, _ string) bool { return contains(r, key) })
			}
		}
		checkGet(t, &o, table, model)
		checkSize(t, &o)
		checkScan(t, &o, table, model, kv.Range{
			From: genBound.Draw(t, "from"), To: genBound.Draw(t, "to"),
			Reverse: rapid.Bool().Draw(t, "reverse"), Limit: rapid.IntRange(0, 5).Draw(t, "limit"),
		})
		if applied := apply(&o, table); !maps.Equal(applied, model) {
			t.Fatalf("applied it gives %v, not %v", applied, model)
		}
	})
}

func contains(r kv.Range, key string) bool {
	return key >= string(r.From) && (r.To == nil || key < string(r.To))
}

func checkGet(t *rapid.T, o *overlay, table, model map[string]string) {
	for _, first := range []string{"", "\x00", "a", "b", "\xff"} {
		for _, second := range []string{"", "\x00", "a", "b", "\xff"} {
			key := first + second
			value, ok, known := o.get([]byte(key))
			got := string(value)
			if !known {
				got, ok = table[key]
			}
			if due, there := model[key]; ok != there || got != due {
				t.Fatalf("get %q: %q, %v, not %q, %v", key, got, ok, due, there)
			}
		}
	}
}

func checkSize(t *rapid.T, o *overlay) {
	size := 0
	for _, w := range o.writes {
		size += len(w.key) + len(w.value)
	}
	if o.size != size {
		t.Fatalf("size is %d, not %d", o.size, size)
	}
}

func checkScan(t *rapid.T, o *overlay, table, model map[string]string, r kv.Range) {
	var got, due []string
	m := merge{r: r, own: o.within(r), fn: func(key, value []byte) bool {
		got = append(got, fmt.Sprintf("%q=%q", key, value))
		return true
	}}
	for _, gap := range o.gaps(r) {
		for _, key := range sorted(table, gap) {
			if !m.over {
				m.row([]byte(key), []byte(table[key]))
			}
		}
	}
	m.rest()
	for _, key := range sorted(model, r) {
		if r.Limit == 0 || len(due) < r.Limit {
			due = append(due, fmt.Sprintf("%q=%q", key, model[key]))
		}
	}
	if !slices.Equal(got, due) {
		t.Fatalf("scan %+v gives %v, not %v", r, got, due)
	}
}

func sorted(table map[string]string, r kv.Range) []string {
	var keys []string
	for key := range table {
		if contains(r, key) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return compareIn(r, []byte(a), []byte(b)) })
	return keys
}

// apply does what the statements of a commit do.
func apply(o *overlay, table map[string]string) map[string]string {
	table = maps.Clone(table)
	for _, s := range o.spans {
		maps.DeleteFunc(table, func(key, _ string) bool { return key >= s.from && (s.open || key < s.to) })
	}
	for _, w := range o.writes {
		if w.deleted {
			delete(table, string(w.key))
		} else {
			table[string(w.key)] = string(w.value)
		}
	}
	return table
}
