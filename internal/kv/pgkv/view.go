package pgkv

import (
	"context"

	"posthorn/internal/kv"
)

// view is the Reader of a View.
type view struct {
	reads
	shard []byte
}

// view runs fn in a transaction with one snapshot, taken at the first read, for all
// its reads. What ends it costs no round trip, so neither does what surrounds a
// single Get or Scan.
func (e *Engine) view(ctx context.Context, s kv.Shard, fn func(kv.Reader) error) error {
	c, err := e.readers.get(ctx)
	if err != nil {
		return failure(ctx, "view", err)
	}
	defer e.readers.put(c)
	leave := c.attend(ctx)
	defer leave()

	v := &view{reads{ctx: ctx, what: "view", conn: c}, []byte(s)}
	if err := fn(v); v.err == nil {
		return err
	}
	return v.err
}

func (v *view) Get(key []byte) (value []byte, ok bool, err error) { return v.get(v.shard, key) }

func (v *view) GetEach(keys [][]byte, fn func(i int, value []byte, ok bool) bool) error {
	return v.getEach(v.shard, keys, fn)
}

func (v *view) Scan(r kv.Range, fn func(key, value []byte) bool) error {
	return v.scan(v.shard, []kv.Range{r}, fn)
}

// shards lists at most limit shards from the interval [from, to).
func (e *Engine) shards(ctx context.Context, from, to []byte, limit int) (found []kv.Shard, err error) {
	c, err := e.readers.get(ctx)
	if err != nil {
		return nil, failure(ctx, "list shards", err)
	}
	defer e.readers.put(c)
	leave := c.attend(ctx)
	defer leave()

	c.send(listShards, from, to, bigint(int64(limit)))
	if err = c.ask(); err == nil {
		err = c.rows(ctx, func(row [][]byte) bool {
			found = append(found, kv.Shard(row[0]))
			return true
		})
	}
	if err != nil {
		return nil, failure(ctx, "list shards", err)
	}
	return found, nil
}
