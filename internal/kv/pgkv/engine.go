// Package pgkv is the engine on PostgreSQL, for servers of more than one node. The
// nodes share the database and nothing else.
//
// It owns the table kv with all keys, and the connections to it. It never caches
// what it read, and never lets a caller see a conflict, a lost connection or a
// doubt about a commit, as long as patience can resolve it.
//
// The flow of an Update: Updates of the same shards that wait for each other form
// a group (update.go), whose first takes the shards' locks within this process
// (locks.go) and then a connection (pool.go). The group's transaction (tx.go) asks
// for the shards' advisory locks together with its first read; what is written is
// kept in an overlay (overlay.go) and sent with the commit in one round trip
// (commit.go). Then watchers are told, here at once and on other nodes by NOTIFY
// (nodes.go). A View (view.go) is a transaction with one snapshot.
//
// What everything relies on:
//
//   - A shard is written to only under its advisory lock. Locks are taken in the
//     order of their numbers, here and in the database, so nobody waits in a circle.
//   - Updates read in READ COMMITTED, where each statement has a snapshot of its
//     own: it is taken after the locks are, so it has all that the Updates before
//     have committed, and nobody else changes these shards meanwhile.
//   - Writers wait for the disk (synchronous_commit), and PostgreSQL shows nobody
//     what is not there yet.
//   - A commit whose answer got lost is looked up by the mark that it left, if it
//     happened (doubt.go).
package pgkv

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Options configure an Engine. Zero values mean what the comments say.
type Options struct {
	// DSN says where the database is and as whom to use it, as a URL or as
	// libpq's keywords. The database has to exist; its tables are ours to make.
	// A pooler in between has to be in session mode.
	DSN string
	// MaxWriters and MaxReaders limit the connections of Updates and of Views;
	// 16 each. There are two more for what nodes tell each other.
	MaxWriters, MaxReaders int
	// Patience is how long an operation goes on when the server is not reachable
	// or conflicts recur, before it fails; 10 s.
	Patience time.Duration
	// Timeout is how long one round trip may take before its connection is taken
	// for lost; 1 min.
	Timeout time.Duration
	// Beat is how often a node shows the others that it is alive; 2 s. One that
	// was not heard for four beats counts as dead. The same for all nodes.
	Beat   time.Duration
	Logger *slog.Logger // none: silent
}

// Engine is a kv.Engine on a PostgreSQL database.
type Engine struct {
	patience time.Duration
	dialer   *dialer
	readers  *pool
	writers  *pool
	updates  updates
	watchers kv.Watchers
	nodes    *nodes
	giveUp   context.CancelFunc // on commits whose outcome is open, and on other nodes

	mu       sync.Mutex
	closed   bool
	underWay sync.WaitGroup
}

var _ kv.Engine = (*Engine)(nil)

// Open connects to the database and brings its schema up to date. Several nodes
// may do so at the same time.
func Open(ctx context.Context, o Options) (*Engine, error) {
	o = withDefaults(o)
	d, err := newDialer(o.DSN, o.Timeout)
	if err != nil {
		return nil, fault.New(fault.Invalid, "pgkv: %w", err)
	}
	err = persist(ctx, o.Patience, "open", func() error {
		if err := d.migrate(ctx, o.Logger); err != nil {
			return failure(ctx, "open", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	alive, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	e := &Engine{
		patience: o.Patience,
		dialer:   d,
		readers:  newPool(o.MaxReaders, d.reader),
		writers:  newPool(o.MaxWriters, d.writer),
		giveUp:   giveUp,
	}
	e.updates = updates{
		writers:   e.writers,
		resolver:  &resolver{d, alive, o.Logger},
		committed: e.committed,
		open:      make(map[string]*group),
	}
	e.nodes = newNodes(d, &e.watchers, o)
	e.nodes.start(alive)
	return e, nil
}

func withDefaults(o Options) Options {
	if o.MaxWriters <= 0 {
		o.MaxWriters = 16
	}
	if o.MaxReaders <= 0 {
		o.MaxReaders = 16
	}
	if o.Patience <= 0 {
		o.Patience = 10 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.Beat <= 0 {
		o.Beat = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// View runs fn on a consistent snapshot of one shard.
func (e *Engine) View(ctx context.Context, s kv.Shard, fn func(kv.Reader) error) error {
	if err := e.enter(ctx, "view", s); err != nil {
		return err
	}
	defer e.underWay.Done()
	return persist(ctx, e.patience, "view", func() error { return e.view(ctx, s, fn) })
}

// Update runs fn as the only writer of these shards, on all nodes, and returns
// when what it wrote is on the server's disk.
func (e *Engine) Update(ctx context.Context, shards []kv.Shard, fn func(kv.Tx) error) error {
	if err := e.enter(ctx, "update", shards...); err != nil {
		return err
	}
	defer e.underWay.Done()
	set := newShardSet(shards)
	return persist(ctx, e.patience, "update", func() error { return e.updates.run(ctx, set, fn) })
}

// Watch calls notify after every commit that wrote to s.
func (e *Engine) Watch(s kv.Shard, notify func()) (stop func()) { return e.watchers.Watch(s, notify) }

// shardsPerPage is how many shards are listed in one round trip.
const shardsPerPage = 1000

// Shards lists the shards that hold a key. fn may take its time: it is not called
// while a connection is held.
func (e *Engine) Shards(ctx context.Context, prefix string, fn func(kv.Shard) bool) error {
	if err := e.enter(ctx, "list shards"); err != nil {
		return err
	}
	defer e.underWay.Done()
	from, to := []byte(prefix), kv.PrefixEnd([]byte(prefix))
	if to == nil {
		to = []byte(strings.Repeat("\xff", 65)) // longer than any name
	}
	for {
		var page []kv.Shard
		err := persist(ctx, e.patience, "list shards", func() (err error) {
			page, err = e.shards(ctx, from, to, shardsPerPage)
			return err
		})
		if err != nil {
			return err
		}
		for _, s := range page {
			if !fn(s) {
				return nil
			}
		}
		if len(page) < shardsPerPage {
			return nil
		}
		from = []byte(page[len(page)-1] + "\x00") // what comes next in order
	}
}

// RoundTrips is how often Views and Updates have asked the server and waited for
// its answer.
func (e *Engine) RoundTrips() int64 { return e.dialer.trips.Load() }

// closingTime is how long Close waits for commits whose outcome is open.
const closingTime = 10 * time.Second

// Close waits for what is under way and closes the connections.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	late := time.AfterFunc(closingTime, e.giveUp)
	defer late.Stop()
	e.underWay.Wait()
	e.nodes.stop()
	e.giveUp()
	e.readers.clear()
	e.writers.clear()
	return nil
}

// committed tells everyone what a commit has changed.
func (e *Engine) committed(shards []kv.Shard) {
	for _, s := range shards {
		e.watchers.Notify(s)
	}
	e.nodes.announcer.announce(shards)
}

// enter begins an operation; the caller ends it with underWay.Done.
func (e *Engine) enter(ctx context.Context, what string, shards ...kv.Shard) error {
	if ctx.Err() != nil {
		return canceled(ctx, what)
	}
	for _, s := range shards {
		if err := s.Check(); err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fault.New(fault.Unavailable, "pgkv: %s: the engine is closed", what)
	}
	e.underWay.Add(1)
	return nil
}
