// Package memkv is the reference engine: what the contract of kv says, in memory,
// as plainly as possible. It is for tests; nothing outlives the process.
//
// A shard is the root of an immutable tree, so a View is a root kept for a while,
// an Update works on roots of its own and publishes them at its end, and a
// rollback is to forget them.
//
// It is deliberately unforgiving, so that code written against it runs on every
// engine: bytes it lent out are overwritten once they may no longer be used, and
// a Reader used after its time, or inside the callback of a Scan, panics.
package memkv

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Options make the engine behave as others might. The zero value is plain.
type Options struct {
	// Commit, if set, takes the place of writing to a disk: it is called for
	// each Update that wrote something, after fn and before anything of it can
	// be seen. It may block. If it fails, so does the Update, with this error.
	Commit func() error
	// Rerun runs the fn of every Update twice and forgets the first run, as an
	// engine does that has to retry a conflict.
	Rerun bool
}

// Engine is a kv.Engine in memory.
type Engine struct {
	options  Options
	watchers kv.Watchers
	underWay sync.WaitGroup // Views and Updates

	mu     sync.Mutex // guards what follows; held for moments only
	shards map[kv.Shard]*shard
	closed bool
}

type shard struct {
	writer chan struct{} // holds one token while an Update has the shard
	root   *node         // what is published
}

var _ kv.Engine = (*Engine)(nil)

// New makes an empty engine.
func New(o Options) *Engine {
	return &Engine{options: o, shards: make(map[kv.Shard]*shard)}
}

// Clone makes a new engine that holds what is published in e at this moment, as
// if e had lost its power and had come back. Both go on independently.
func (e *Engine) Clone() *Engine {
	clone := New(e.options)
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, s := range e.shards {
		clone.shards[name] = &shard{make(chan struct{}, 1), s.root}
	}
	return clone
}

// View runs fn on the published root of s.
func (e *Engine) View(ctx context.Context, s kv.Shard, fn func(kv.Reader) error) error {
	if err := e.enter(ctx, s); err != nil {
		return err
	}
	defer e.underWay.Done()
	l := &lease{ctx: ctx}
	defer l.end()
	return fn(&tree{lease: l, root: e.root(s)})
}

// Update locks the shards, runs fn on copies of their roots, and publishes those.
func (e *Engine) Update(ctx context.Context, shards []kv.Shard, fn func(kv.Tx) error) error {
	if err := e.enter(ctx, shards...); err != nil {
		return err
	}
	defer e.underWay.Done()

	names := slices.Sorted(slices.Values(shards)) // the order that keeps Updates from deadlock
	for _, name := range names {
		token := e.shard(name).writer
		select {
		case token <- struct{}{}:
			defer func() { <-token }()
		case <-ctx.Done():
			return canceled(ctx)
		}
	}

	if e.options.Rerun {
		if _, err := e.run(ctx, names, fn); err != nil {
			return err
		}
	}
	tx, err := e.run(ctx, names, fn)
	if err != nil {
		return err
	}
	return e.commit(tx)
}

// run calls fn on the published roots.
func (e *Engine) run(ctx context.Context, names []kv.Shard, fn func(kv.Tx) error) (*tx, error) {
	l := &lease{ctx: ctx}
	defer l.end()
	t := &tx{trees: make(map[kv.Shard]*tree, len(names))}
	for _, name := range names {
		t.trees[name] = &tree{lease: l, root: e.root(name)}
	}
	if err := fn(t); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, canceled(ctx)
	}
	return t, nil
}

func (e *Engine) commit(tx *tx) error {
	written := tx.written()
	if len(written) == 0 {
		return nil
	}
	if e.options.Commit != nil {
		if err := e.options.Commit(); err != nil {
			return err
		}
	}
	e.mu.Lock()
	for _, name := range written {
		e.shards[name].root = tx.trees[name].root
	}
	e.mu.Unlock()
	for _, name := range written {
		e.watchers.Notify(name)
	}
	return nil
}

// Watch calls notify after every commit that wrote to s.
func (e *Engine) Watch(s kv.Shard, notify func()) (stop func()) {
	return e.watchers.Watch(s, notify)
}

// Shards lists the shards that hold a key.
func (e *Engine) Shards(ctx context.Context, prefix string, fn func(kv.Shard) bool) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.underWay.Done()
	e.mu.Lock()
	names := slices.Sorted(maps.Keys(e.shards))
	e.mu.Unlock()
	for _, name := range names {
		if ctx.Err() != nil {
			return canceled(ctx)
		}
		if strings.HasPrefix(string(name), prefix) && e.root(name) != nil && !fn(name) {
			break
		}
	}
	return nil
}

// Close waits for the Views and Updates under way. Later ones fail.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.underWay.Wait()
	return nil
}

// enter begins an operation; the caller ends it with underWay.Done.
func (e *Engine) enter(ctx context.Context, shards ...kv.Shard) error {
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	for _, s := range shards {
		if err := s.Check(); err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fault.New(fault.Unavailable, "memkv: the engine is closed")
	}
	e.underWay.Add(1)
	return nil
}

func (e *Engine) shard(name kv.Shard) *shard {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.shards[name]
	if s == nil {
		s = &shard{writer: make(chan struct{}, 1)}
		e.shards[name] = s
	}
	return s
}

func (e *Engine) root(name kv.Shard) *node {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.shards[name]; s != nil {
		return s.root
	}
	return nil
}

func canceled(ctx context.Context) error {
	return fault.New(fault.Canceled, "memkv: %w", context.Cause(ctx))
}
