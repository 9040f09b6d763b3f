package pebblekv

import (
	"context"

	"posthorn/internal/kv"
)

// view is the Reader of a View: a cursor over what is durable, opened when first
// needed.
type view struct {
	engine *Engine
	ctx    context.Context
	shard  kv.Shard
	keys   keys
	cursor *cursor
	from   *snapshot // that the cursor reads
}

func (v *view) Get(key []byte) (value []byte, ok bool, err error) {
	if err := v.open(); err != nil {
		return nil, false, err
	}
	return v.cursor.get(v.keys, key)
}

func (v *view) GetEach(keys [][]byte, fn func(i int, value []byte, ok bool) bool) error {
	if err := v.open(); err != nil {
		return err
	}
	return v.cursor.getEach(v.ctx, v.keys, keys, fn)
}

func (v *view) Scan(r kv.Range, fn func(key, value []byte) bool) error {
	if err := v.open(); err != nil {
		return err
	}
	return v.cursor.scan(v.ctx, v.keys, r, fn)
}

// open takes a snapshot of the live database first and looks at the shard's queue
// afterwards: what the snapshot shows was queued before it could be seen, so if the
// queue is empty now, all of it has become durable. Otherwise it is not used.
func (v *view) open() error {
	if v.ctx.Err() != nil {
		return canceled(v.ctx)
	}
	if v.cursor != nil {
		return nil
	}
	live := v.engine.snapshots.take()
	live.users.Store(1)
	if v.from = v.engine.shards.readable(v.shard); v.from == nil {
		v.from = live
	} else {
		live.release()
	}
	v.cursor = v.engine.openCursor(v.from)
	return nil
}

func (v *view) close() {
	if v.cursor != nil {
		v.engine.closeCursor(v.cursor)
		v.from.release()
	}
}
