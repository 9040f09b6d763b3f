package pgkv

import (
	"bytes"
	"slices"
	"sort"

	"posthorn/internal/kv"
)

// overlay is what an Update is going to change in one shard. It lies over what
// the database has: a key that the overlay knows, or that is in one of its deleted
// spans, is as the overlay says.
//
// The overlay says how things end, not how they came to be: to apply it, delete
// the spans first, and then write and delete keys in any order.
type overlay struct {
	writes []*write // ordered by key
	spans  []span   // ordered, apart from each other
	size   int      // bytes of keys and values
}

// write is a key with its new value. It is never modified, only replaced.
type write struct {
	key, value []byte
	deleted    bool // there is no value: a key of the database is to be deleted
}

// span is the interval [from, to) of deleted keys.
type span struct {
	from, to string
	open     bool // there is no to
}

func (o *overlay) empty() bool { return len(o.writes) == 0 && len(o.spans) == 0 }

// clone is an overlay that goes its own way from here on.
func (o *overlay) clone() overlay {
	return overlay{slices.Clone(o.writes), slices.Clone(o.spans), o.size}
}

// get is what the overlay says about key, if it is known.
func (o *overlay) get(key []byte) (value []byte, ok, known bool) {
	if i, found := o.find(key); found {
		w := o.writes[i]
		return w.value, !w.deleted, true
	}
	return nil, false, o.covers(key)
}

func (o *overlay) find(key []byte) (int, bool) {
	if n := len(o.writes); n == 0 || bytes.Compare(o.writes[n-1].key, key) < 0 {
		return n, false // who writes in order writes at the end
	}
	return slices.BinarySearchFunc(o.writes, key, func(w *write, key []byte) int { return bytes.Compare(w.key, key) })
}

// covers reports whether key is in a deleted span.
func (o *overlay) covers(key []byte) bool {
	// The first span that ends after key.
	i := sort.Search(len(o.spans), func(i int) bool { return o.spans[i].open || string(key) < o.spans[i].to })
	return i < len(o.spans) && o.spans[i].from <= string(key)
}

// put takes key and value as its own.
func (o *overlay) put(key, value []byte) { o.set(&write{key: key, value: value}) }

// delete takes key as its own.
func (o *overlay) delete(key []byte) {
	if !o.covers(key) {
		o.set(&write{key: key, deleted: true})
		return
	}
	if i, found := o.find(key); found {
		o.remove(i, i+1)
	}
}

func (o *overlay) set(w *write) {
	o.size += len(w.key) + len(w.value)
	i, found := o.find(w.key)
	if !found {
		o.writes = slices.Insert(o.writes, i, w)
		return
	}
	o.size -= len(o.writes[i].key) + len(o.writes[i].value)
	o.writes[i] = w
}

func (o *overlay) remove(i, j int) {
	for _, w := range o.writes[i:j] {
		o.size -= len(w.key) + len(w.value)
	}
	o.writes = slices.Delete(o.writes, i, j)
}

// deleteRange deletes [from, to), where a nil to means up to the end.
func (o *overlay) deleteRange(from, to []byte) {
	if to != nil && bytes.Compare(from, to) >= 0 {
		return
	}
	o.remove(o.between(from, to))
	o.spans = addSpan(o.spans, span{string(from), string(to), to == nil})
}

// between is where the writes of keys in [from, to) are.
func (o *overlay) between(from, to []byte) (i, j int) {
	i, _ = o.find(from)
	j = len(o.writes)
	if to != nil {
		j, _ = o.find(to)
	}
	return i, max(i, j)
}

// addSpan joins s with the spans that it meets.
func addSpan(spans []span, s span) []span {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].open || spans[i].to >= s.from })
	j := i
	for ; j < len(spans) && (s.open || spans[j].from <= s.to); j++ {
		s.from = min(s.from, spans[j].from)
		s.to = max(s.to, spans[j].to)
		s.open = s.open || spans[j].open
	}
	return slices.Replace(spans, i, j, s)
}

// within is what the overlay knows of keys in r, in the order of r.
func (o *overlay) within(r kv.Range) []*write {
	i, j := o.between(r.From, r.To)
	writes := o.writes[i:j]
	if r.Reverse {
		writes = slices.Clone(writes)
		slices.Reverse(writes)
	}
	return writes
}

// gaps are the parts of r outside the deleted spans, in the order of r: what the
// database has there can still be seen.
func (o *overlay) gaps(r kv.Range) []kv.Range {
	if len(o.spans) == 0 {
		return []kv.Range{r}
	}
	var gaps []kv.Range
	rest := r // what lies after the spans seen so far
	for _, s := range o.spans {
		if !s.open && s.to <= string(rest.From) {
			continue
		}
		if rest.To != nil && s.from >= string(rest.To) {
			break
		}
		if s.from > string(rest.From) {
			gap := rest
			gap.To = []byte(s.from)
			gaps = append(gaps, gap)
		}
		if rest.From = []byte(s.to); s.open {
			return inOrder(gaps, r)
		}
	}
	if rest.To == nil || bytes.Compare(rest.From, rest.To) < 0 {
		gaps = append(gaps, rest)
	}
	return inOrder(gaps, r)
}

func inOrder(ranges []kv.Range, r kv.Range) []kv.Range {
	if r.Reverse {
		slices.Reverse(ranges)
	}
	return ranges
}

// compareIn compares keys in the order of r.
func compareIn(r kv.Range, a, b []byte) int {
	c := bytes.Compare(a, b)
	if r.Reverse {
		return -c
	}
	return c
}
