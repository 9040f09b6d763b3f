package pebblekv

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"posthorn/internal/kv"
)

// shardTable knows the shards that Updates are using at the moment. The others,
// however many there are, cost nothing.
type shardTable struct {
	seed    maphash.Seed
	stripes [64]stripe
	unused  sync.Pool // of *shard
}

// stripe is a part of the table. Its lock is held for moments only: never while
// waiting, never during input or output.
type stripe struct {
	mu     sync.Mutex
	shards map[kv.Shard]*shard
	_      [64]byte // keeps stripes out of one another's cache lines
}

// shard is what is known of a shard in use.
type shard struct {
	name   kv.Shard
	stripe *stripe
	writer chan struct{} // holds a token while an Update has the shard locked

	users int       // Updates that hold it, wait for it or have a commit under way; under stripe.mu
	queue []*commit // applied and not known to be durable, oldest first; under stripe.mu
}

// commit is an Update between apply and durable.
type commit struct {
	before  *snapshot // the state of its shards just before it was applied
	settled sync.WaitGroup
	lost    error // why it will never be durable; set before settled
}

func (c *commit) settle(lost error) {
	c.lost = lost
	c.settled.Done()
}

// wait returns when the commit is durable or lost.
func (c *commit) wait() error {
	c.settled.Wait()
	return c.lost
}

func newShardTable() *shardTable {
	t := &shardTable{seed: maphash.MakeSeed()}
	for i := range t.stripes {
		t.stripes[i].shards = make(map[kv.Shard]*shard)
	}
	return t
}

func (t *shardTable) stripe(name kv.Shard) *stripe {
	return &t.stripes[maphash.String(t.seed, string(name))%uint64(len(t.stripes))]
}

// use finds or makes a shard, for a caller that will leave it again.
func (t *shardTable) use(name kv.Shard) *shard {
	stripe := t.stripe(name)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	s := stripe.shards[name]
	if s == nil {
		if s, _ = t.unused.Get().(*shard); s == nil {
			s = &shard{writer: make(chan struct{}, 1)}
		}
		s.name, s.stripe = name, stripe
		stripe.shards[name] = s
	}
	s.users++
	return s
}

func (t *shardTable) leave(s *shard) {
	s.stripe.mu.Lock()
	defer s.stripe.mu.Unlock()
	// The queue outlives its users only when the engine is broken. Then it stays,
	// to keep readers from what was lost.
	if s.users--; s.users == 0 && len(s.queue) == 0 {
		delete(s.stripe.shards, s.name)
		t.unused.Put(s)
	}
}

// begin queues a commit in its shards, which the caller has locked. It must come
// before the commit is applied.
func (t *shardTable) begin(written []*shard, before *snapshot) *commit {
	c := &commit{before: before}
	before.users.Store(int32(len(written)))
	c.settled.Add(1)
	for _, s := range written {
		s.stripe.mu.Lock()
		s.queue = append(s.queue, c)
		s.stripe.mu.Unlock()
	}
	return c
}

// finish takes a commit that is durable out of the queues, and those before it:
// the log made them durable first, even if their Updates have not noticed yet.
func (t *shardTable) finish(written []*shard, c *commit) {
	var passed []*commit
	for _, s := range written {
		s.stripe.mu.Lock()
		n := slices.Index(s.queue, c) + 1
		passed = append(passed, s.queue[:n]...)
		s.queue = slices.Delete(s.queue, 0, n)
		s.stripe.mu.Unlock()
	}
	c.settle(nil)
	for _, each := range passed {
		each.before.release()
	}
}

// readable gives the newest state of a shard that is certainly durable, for the
// caller to release; nil if all is durable that the live database shows.
func (t *shardTable) readable(name kv.Shard) *snapshot {
	stripe := t.stripe(name)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	s := stripe.shards[name]
	if s == nil || len(s.queue) == 0 {
		return nil
	}
	before := s.queue[0].before
	before.users.Add(1)
	return before
}

// pending lists the newest commit of every shard.
func (t *shardTable) pending() (newest []*commit) {
	for i := range t.stripes {
		stripe := &t.stripes[i]
		stripe.mu.Lock()
		for _, s := range stripe.shards {
			newest = append(newest, s.tail()...)
		}
		stripe.mu.Unlock()
	}
	return newest
}

// tail is the newest commit in the queue, if any; under stripe.mu.
func (s *shard) tail() []*commit {
	return s.queue[max(0, len(s.queue)-1):]
}

// holding is the set of shards that an Update has locked, in order of their names.
type holding struct {
	table  *shardTable
	shards []*shard
	locked bool
}

// lock locks shards, in the order that keeps Updates from deadlock.
func (t *shardTable) lock(ctx context.Context, names []kv.Shard) (*holding, error) {
	h := &holding{table: t, shards: make([]*shard, 0, len(names)), locked: true}
	if len(names) > 1 {
		names = slices.Clone(names)
		slices.Sort(names)
		names = slices.Compact(names)
	}
	for _, name := range names {
		s := t.use(name)
		if err := s.lock(ctx); err != nil {
			t.leave(s)
			h.release()
			return nil, err
		}
		h.shards = append(h.shards, s)
	}
	return h, nil
}

func (s *shard) lock(ctx context.Context) error {
	select {
	case s.writer <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.writer <- struct{}{}:
		return nil
	case <-ctx.Done():
		return canceled(ctx)
	}
}

// unlock lets the next Update have the shards. They stay in use.
func (h *holding) unlock() {
	if h.locked {
		h.locked = false
		for _, s := range h.shards {
			<-s.writer
		}
	}
}

// release unlocks the shards if need be, and leaves them.
func (h *holding) release() {
	h.unlock()
	for _, s := range h.shards {
		h.table.leave(s)
	}
}

// pending lists the newest commit of each shard.
func (h *holding) pending() (newest []*commit) {
	for _, s := range h.shards {
		s.stripe.mu.Lock()
		newest = append(newest, s.tail()...)
		s.stripe.mu.Unlock()
	}
	return newest
}
