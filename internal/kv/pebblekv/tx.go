package pebblekv

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"posthorn/internal/kv"
)

// tx is an Update under way: a batch, and cursors to read with.
//
// Most Updates read before they write, so the batch is made without an index, and
// gets one when a shard is read that was written to before.
type tx struct {
	ctx     context.Context
	engine  *Engine
	writers []writer

	batch     *pebble.Batch // nil until the first write
	committed *cursor       // without the batch: reads of shards that were not written to
	merged    *cursor       // with the batch as it was after mergedAt writes
	mergedAt  uint32
}

// writer is the part of a tx that concerns one shard.
type writer struct {
	tx      *tx
	shard   *shard
	keys    keys
	written bool
}

func newTx(ctx context.Context, e *Engine, held *holding) *tx {
	t := &tx{ctx: ctx, engine: e, writers: make([]writer, len(held.shards))}
	for i, s := range held.shards {
		t.writers[i] = writer{tx: t, shard: s, keys: keysOf(s.name)}
	}
	return t
}

func (t *tx) In(s kv.Shard) kv.Writer {
	for i := range t.writers {
		if t.writers[i].shard.name == s {
			return &t.writers[i]
		}
	}
	panic(fmt.Sprintf("pebblekv: shard %q is not part of this Update", s))
}

func (t *tx) wrote() bool { return t.batch != nil }

func (t *tx) written() []*shard {
	shards := make([]*shard, 0, len(t.writers))
	for _, w := range t.writers {
		if w.written {
			shards = append(shards, w.shard)
		}
	}
	return shards
}

// closeReads ends all reading, so that it pins nothing during the commit.
func (t *tx) closeReads() {
	for _, c := range []**cursor{&t.committed, &t.merged} {
		if *c != nil {
			t.engine.closeCursor(*c)
			*c = nil
		}
	}
}

func (t *tx) close() {
	t.closeReads()
	if t.batch != nil {
		_ = t.batch.Close()
	}
}

func (w *writer) Get(key []byte) (value []byte, ok bool, err error) {
	c, err := w.cursor()
	if err != nil {
		return nil, false, err
	}
	return c.get(w.keys, key)
}

func (w *writer) GetEach(keys [][]byte, fn func(i int, value []byte, ok bool) bool) error {
	c, err := w.cursor()
	if err != nil {
		return err
	}
	return c.getEach(w.tx.ctx, w.keys, keys, fn)
}

func (w *writer) Scan(r kv.Range, fn func(key, value []byte) bool) error {
	c, err := w.cursor()
	if err != nil {
		return err
	}
	return c.scan(w.tx.ctx, w.keys, r, fn)
}

// cursor gives what to read with. The shards are locked, so what is committed in
// them does not change during the Update.
func (w *writer) cursor() (*cursor, error) {
	t := w.tx
	if t.ctx.Err() != nil {
		return nil, canceled(t.ctx)
	}
	if w.written {
		return t.mergedCursor()
	}
	if t.committed == nil {
		t.committed = t.engine.openCursor(t.engine.db)
	}
	return t.committed, nil
}

// mergedCursor brings the cursor over batch and database up to date.
func (t *tx) mergedCursor() (*cursor, error) {
	if !t.batch.Indexed() {
		indexed := t.engine.db.NewIndexedBatch()
		if err := indexed.Apply(t.batch, nil); err != nil {
			return nil, storageError(err)
		}
		_ = t.batch.Close()
		t.batch = indexed
	}
	switch {
	case t.merged == nil:
		t.merged = t.engine.openCursor(t.batch)
	case t.mergedAt != t.batch.Count():
		t.merged.refresh()
	}
	t.mergedAt = t.batch.Count()
	return t.merged, nil
}

// batchFor gives the batch for a write to the writer's shard.
func (w *writer) batchFor() *pebble.Batch {
	if w.tx.batch == nil {
		w.tx.batch = w.tx.engine.db.NewBatch()
	}
	w.written = true
	return w.tx.batch
}

func (w *writer) Put(key, value []byte) error {
	prefix := w.keys.prefix
	op := w.batchFor().SetDeferred(len(prefix)+len(key), len(value))
	copy(op.Key[copy(op.Key, prefix):], key)
	copy(op.Value, value)
	return storageError(op.Finish())
}

func (w *writer) Delete(key []byte) error {
	prefix := w.keys.prefix
	op := w.batchFor().DeleteDeferred(len(prefix) + len(key))
	copy(op.Key[copy(op.Key, prefix):], key)
	return storageError(op.Finish())
}

// fewKeys is how many keys are deleted one by one rather than as a range. Every
// range deleted makes all reads dearer until the memtable is flushed: a thousand
// of them by ten times.
const fewKeys = 256

func (w *writer) DeleteRange(from, to []byte) error {
	c, err := w.cursor()
	if err != nil {
		return err
	}
	few, err := c.firstKeys(w.keys, from, to, fewKeys+1)
	if err != nil {
		return err
	}
	if len(few) > fewKeys {
		lower, upper, _ := w.keys.bounds(from, to, nil, nil)
		return storageError(w.batchFor().DeleteRange(lower, upper, nil))
	}
	for _, key := range few {
		if err := w.Delete(key); err != nil {
			return err
		}
	}
	return nil
}
