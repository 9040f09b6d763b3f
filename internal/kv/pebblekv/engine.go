// Package pebblekv is the embedded engine: kv over CockroachDB's Pebble, a
// log-structured merge tree in one directory.
//
// A key of a shard is stored as shard, NUL, key: a shard's keys lie together, and
// shards lie in the order of their names.
//
// An Update locks its shards, runs fn over a batch, applies the batch, unlocks the
// shards, and only then waits for the disk. Applying writes to Pebble's log and
// makes the batch visible to the next writer of these shards. So nobody waits for
// the disk while holding a shard, and all who wait at one time share one sync; where
// many come, it waits a little for more of them (pace).
// That is safe since the log is one sequence: what rests on an earlier commit is
// durable only once that one is.
//
// Readers are stricter: they must not see what may yet be lost. Before a commit is
// applied it takes a snapshot and queues in each of its shards; when it is durable
// it leaves the queue, and with it all that were before it. A View of a shard with
// a queue reads the snapshot of the oldest in it; otherwise it reads the live
// database. What guards the queues is held for moments, never while fn runs or
// during input and output.
//
// A write to the log that fails ends the process (Options.Fatal): neither this
// process nor Pebble can tell what of it reached the disk, and only recovery at
// the next start finds out. No Update whose sync failed ever returns nil. A disk
// that fills up is noticed before it comes to that; see space.
package pebblekv

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Engine is a kv.Engine in a directory.
type Engine struct {
	db        *pebble.DB
	log       *slog.Logger
	shards    *shardTable
	snapshots snapshots
	space     *space
	pace      pace
	watchers  kv.Watchers
	cursors   sync.Pool // of *cursor

	fatal  func(error)
	broken atomic.Pointer[error] // set once the log could not be written

	running sync.RWMutex // read-locked by everything under way, locked by Close
	closed  bool
}

var _ kv.Engine = (*Engine)(nil)

// View runs fn on a snapshot of s. What it costs begins with the first read.
func (e *Engine) View(ctx context.Context, s kv.Shard, fn func(kv.Reader) error) error {
	if err := e.enter(ctx, s); err != nil {
		return err
	}
	defer e.running.RUnlock()
	v := view{engine: e, ctx: ctx, shard: s, keys: keysOf(s)}
	defer v.close()
	return fn(&v)
}

// Update runs fn on a batch and commits it.
func (e *Engine) Update(ctx context.Context, shards []kv.Shard, fn func(kv.Tx) error) error {
	if err := e.enter(ctx, shards...); err != nil {
		return err
	}
	defer e.running.RUnlock()
	held, err := e.shards.lock(ctx, shards)
	if err != nil {
		return err
	}
	defer held.release()
	tx := newTx(ctx, e, held)
	defer tx.close()

	err = fn(tx)
	if err == nil && ctx.Err() != nil {
		err = canceled(ctx)
	}
	if err == nil && tx.wrote() {
		return e.commit(held, tx)
	}
	// Nothing to commit. But what fn read may not be durable yet, and whatever it
	// concluded from that must not get out before it is.
	pending := held.pending()
	held.unlock()
	for _, c := range pending {
		if lost := c.wait(); lost != nil {
			return lost
		}
	}
	return err
}

// commit applies the batch, gives the shards free and waits for the disk.
func (e *Engine) commit(held *holding, tx *tx) error {
	if broken := e.broken.Load(); broken != nil {
		return *broken
	}
	if err := e.space.take(int64(tx.batch.Len())); err != nil {
		return err
	}
	written := tx.written()
	tx.closeReads()
	e.pace.begin()
	defer e.pace.end()
	c := e.shards.begin(written, e.snapshots.take())
	e.apply(tx.batch, c)
	held.unlock()

	if err := tx.batch.SyncWait(); err != nil {
		lost := e.fail(err)
		c.settle(lost)
		return lost
	}
	e.shards.finish(written, c)
	for _, s := range written {
		e.watchers.Notify(s.name)
	}
	return nil
}

// apply writes the batch to the log and the memtable. Pebble panics when it can
// not; that leaves it unusable, so it must not be survived.
func (e *Engine) apply(batch *pebble.Batch, c *commit) {
	defer func() {
		if cause := recover(); cause != nil {
			c.settle(e.fail(fault.New(fault.Internal, "%v", cause)))
			panic(cause)
		}
	}()
	if err := e.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		panic(err)
	}
}

// fail marks the engine as broken and calls Options.Fatal, which as a rule does
// not come back. If it does, Updates fail from now on, and Views go on without
// what was lost: its commits never leave their queues.
func (e *Engine) fail(cause error) error {
	lost := fault.New(fault.Unavailable, "pebblekv: the log cannot be written, and what happened to the last commits shows only at the next start: %w", cause)
	if e.broken.CompareAndSwap(nil, &lost) {
		e.fatal(lost)
	}
	return lost
}

// Watch calls notify after every commit that wrote to s.
func (e *Engine) Watch(s kv.Shard, notify func()) (stop func()) {
	return e.watchers.Watch(s, notify)
}

// Shards lists the shards by seeking from each to the next. Between pages nothing
// is held, so fn may take its time and use the engine.
func (e *Engine) Shards(ctx context.Context, prefix string, fn func(kv.Shard) bool) error {
	const page = 1000
	from := append([]byte(nil), prefix...) // nil for "": Pebble wants no empty bound
	for {
		names, err := e.shardsFrom(ctx, from, prefix, page)
		if err != nil {
			return err
		}
		for _, s := range names {
			if !fn(s) {
				return nil
			}
		}
		if len(names) < page {
			return nil
		}
		from = keysOf(names[page-1]).end
	}
}

// shardsFrom lists up to n shards with a prefix, from a stored key on.
func (e *Engine) shardsFrom(ctx context.Context, from []byte, prefix string, n int) ([]kv.Shard, error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.running.RUnlock()
	iter, err := e.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: kv.PrefixEnd([]byte(prefix))})
	if err != nil {
		return nil, storageError(err)
	}
	defer iter.Close()
	// All that the iterator can see was queued before, so it will be durable.
	for _, c := range e.shards.pending() {
		if lost := c.wait(); lost != nil {
			return nil, lost
		}
	}
	var names []kv.Shard
	for found := iter.First(); found && len(names) < n; {
		if ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		name, _, _ := strings.Cut(string(iter.Key()), "\x00")
		if strings.HasPrefix(name, prefix) {
			names = append(names, kv.Shard(name))
		}
		found = iter.SeekGE(keysOf(kv.Shard(name)).end)
	}
	return names, storageError(iter.Error())
}

// Close waits for what is under way and closes the database. Later calls fail.
func (e *Engine) Close() error {
	e.running.Lock()
	defer e.running.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	e.space.close()
	if broken := e.broken.Load(); broken != nil {
		return *broken // Pebble may hold its locks for ever
	}
	e.snapshots.close()
	return storageError(e.db.Close())
}

// enter begins an operation, which ends with running.RUnlock.
func (e *Engine) enter(ctx context.Context, shards ...kv.Shard) error {
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	for _, s := range shards {
		if err := s.Check(); err != nil {
			return err
		}
	}
	e.running.RLock()
	if e.closed {
		e.running.RUnlock()
		return fault.New(fault.Unavailable, "pebblekv: the engine is closed")
	}
	return nil
}
