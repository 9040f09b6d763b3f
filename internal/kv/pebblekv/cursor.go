package pebblekv

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"posthorn/internal/kv"
)

// keys is where the keys of a shard are stored.
type keys struct{ prefix, end []byte }

func keysOf(s kv.Shard) keys {
	both := make([]byte, 0, 2*len(s)+2)
	both = append(append(both, s...), 0)
	both = append(append(both, s...), 1)
	return keys{both[: len(s)+1 : len(s)+1], both[len(s)+1:]}
}

// bounds appends the stored form of a range to two buffers; ok is false if there
// can be nothing in it.
func (k keys) bounds(from, to, lower, upper []byte) (_, _ []byte, ok bool) {
	lower = append(append(lower, k.prefix...), from...)
	if to == nil {
		return lower, append(upper, k.end...), true
	}
	upper = append(append(upper, k.prefix...), to...)
	return lower, upper, bytes.Compare(from, to) < 0
}

// cursor reads one state of the database. The first gets look where a key is
// probably found, in what was written last, and stop there; further gets and all scans
// share an iterator, which has to look everywhere but keeps its place. It is for one
// goroutine, and for one thing at a time.
type cursor struct {
	from    pebble.Reader
	gets    int              // without the iterator
	iter    *pebble.Iterator // nil until needed
	bounded bool
	lower   []byte // buffers
	upper   []byte
	lent    arena // values that get gave out
}

// directGets is how many gets come before an iterator is worth its price.
const directGets = 3

// get looks up a key of a shard. The value is good until close.
func (c *cursor) get(k keys, key []byte) (value []byte, ok bool, err error) {
	if c.iter == nil && c.gets < directGets {
		c.gets++
		return c.getDirectly(k, key)
	}
	if value, ok, err = c.find(k, key); ok {
		value = c.lent.copy(value)
	}
	return value, ok, err
}

// find is get with a value that is good until the next move of the iterator.
func (c *cursor) find(k keys, key []byte) (value []byte, ok bool, err error) {
	if err := c.iterate(); err != nil {
		return nil, false, err
	}
	if c.bounded {
		c.iter.SetBounds(nil, nil)
		c.bounded = false
	}
	c.lower = append(append(c.lower[:0], k.prefix...), key...)
	if !c.iter.SeekPrefixGE(c.lower) { // the whole key is the prefix: this asks the bloom filters
		return nil, false, storageError(c.iter.Error())
	}
	if value, err = c.iter.ValueAndErr(); err != nil {
		return nil, false, storageError(err)
	}
	return value[:len(value):len(value)], true, nil
}

func (c *cursor) getEach(ctx context.Context, k keys, wanted [][]byte, fn func(i int, value []byte, ok bool) bool) error {
	for i, key := range wanted {
		if i%64 == 0 && ctx.Err() != nil {
			return canceled(ctx)
		}
		value, ok, err := c.find(k, key)
		if err != nil {
			return err
		}
		if !fn(i, value, ok) {
			break
		}
	}
	return nil
}

// getDirectly is get without the iterator.
func (c *cursor) getDirectly(k keys, key []byte) ([]byte, bool, error) {
	c.lower = append(append(c.lower[:0], k.prefix...), key...)
	value, closer, err := c.from.Get(c.lower)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, storageError(err)
	}
	value = c.lent.copy(value)
	return value, true, storageError(closer.Close())
}

// iterate makes the iterator, if there is none yet.
func (c *cursor) iterate() (err error) {
	if c.iter == nil {
		c.iter, err = c.from.NewIter(nil)
		c.bounded = false
	}
	return storageError(err)
}

func (c *cursor) scan(ctx context.Context, k keys, r kv.Range, fn func(key, value []byte) bool) error {
	var some bool
	c.lower, c.upper, some = k.bounds(r.From, r.To, c.lower[:0], c.upper[:0])
	if !some {
		return nil
	}
	if err := c.iterate(); err != nil {
		return err
	}
	c.iter.SetBounds(c.lower, c.upper)
	c.bounded = true
	start, step := c.iter.First, c.iter.Next
	if r.Reverse {
		start, step = c.iter.Last, c.iter.Prev
	}
	count := 0
	for found := start(); found; found = step() {
		if count%64 == 0 && ctx.Err() != nil {
			return canceled(ctx)
		}
		value, err := c.iter.ValueAndErr()
		if err != nil {
			return storageError(err)
		}
		count++
		key := c.iter.Key()
		if !fn(key[len(k.prefix):len(key):len(key)], value[:len(value):len(value)]) || count == r.Limit {
			break
		}
	}
	return storageError(c.iter.Error())
}

// firstKeys copies the first n keys of a range, without looking at the values.
func (c *cursor) firstKeys(k keys, from, to []byte, n int) (found [][]byte, err error) {
	var some bool
	c.lower, c.upper, some = k.bounds(from, to, c.lower[:0], c.upper[:0])
	if !some {
		return nil, nil
	}
	if err := c.iterate(); err != nil {
		return nil, err
	}
	c.iter.SetBounds(c.lower, c.upper)
	c.bounded = true
	for ok := c.iter.First(); ok && len(found) < n; ok = c.iter.Next() {
		found = append(found, bytes.Clone(c.iter.Key()[len(k.prefix):]))
	}
	return found, storageError(c.iter.Error())
}

// openCursor makes a cursor over a state that stays as it is until closeCursor.
func (e *Engine) openCursor(from pebble.Reader) *cursor {
	c, _ := e.cursors.Get().(*cursor)
	if c == nil {
		c = new(cursor)
	}
	c.from, c.gets = from, 0
	return c
}

// closeCursor ends the life of what the cursor lent out.
func (e *Engine) closeCursor(c *cursor) {
	const keep = 64 << 10
	if c.iter != nil {
		_ = c.iter.Close() // it reports again what a get or scan has returned
	}
	c.iter, c.from = nil, nil
	if c.lent.reset() && cap(c.lower) <= keep {
		e.cursors.Put(c)
	}
}

// refresh shows the cursor what was written to its batch since it was made.
func (c *cursor) refresh() {
	if c.iter != nil {
		c.iter.SetOptions(&pebble.IterOptions{})
		c.bounded = false
	}
}
