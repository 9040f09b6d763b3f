package pgkv

import (
	"context"
	"slices"
	"sync"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// updates runs Updates. Those of the same shards that would wait for each other
// form a group instead, and share one transaction, one commit, one fsync: while a
// commit is on its way, the next group gathers.
//
// The first of a group leads it: takes the locks, a connection and its own turn,
// then gives the others their turns, one after the other, and commits for all.
// Each member runs its fn in its own goroutine and under its own ctx, and sees what
// the members before it wrote. A member whose fn fails leaves no trace in the
// group. If the transaction breaks, everyone starts over.
type updates struct {
	writers  *pool
	resolver *resolver
	locks    locks
	// committed is told what a commit has changed, before anyone's Update returns.
	committed func([]kv.Shard)

	mu   sync.Mutex
	open map[string]*group // by the key of their shards: those one may still join
}

// When a group has run so many Updates, or is to write so many bytes, it commits.
const (
	groupMembers = 64
	groupBytes   = 1 << 20
)

type group struct {
	set     shardSet
	waiting []*member // for their turns; guarded by updates.mu
	joined  int
}

// member is an Update that somebody else leads.
type member struct {
	turn    chan *tx   // its turn begins
	ran     chan bool  // its turn has ended; whether there is something to commit
	outcome chan error // of the commit
}

// errDissolved sends the members of a group back to the start.
var errDissolved = transient{fault.New(fault.Unavailable, "pgkv: update: the transaction was lost")}

// run is one attempt at an Update; its error may be transient.
func (u *updates) run(ctx context.Context, set shardSet, fn func(kv.Tx) error) error {
	u.mu.Lock()
	if g := u.open[set.key]; g != nil && g.joined < groupMembers {
		m := &member{make(chan *tx), make(chan bool), make(chan error, 1)}
		g.waiting = append(g.waiting, m)
		g.joined++
		u.mu.Unlock()
		return u.follow(ctx, g, m, fn)
	}
	g := &group{set: set, joined: 1}
	u.open[set.key] = g
	u.mu.Unlock()
	return u.lead(ctx, g, fn)
}

// follow waits for m's turn, takes it, and waits for the outcome.
func (u *updates) follow(ctx context.Context, g *group, m *member, fn func(kv.Tx) error) error {
	select {
	case t := <-m.turn:
		return m.run(ctx, t, fn)
	case err := <-m.outcome:
		return err
	case <-ctx.Done():
		if u.leave(g, m) {
			return canceled(ctx, "update")
		}
	}
	select { // the turn is being given
	case t := <-m.turn:
		return m.run(ctx, t, fn)
	case err := <-m.outcome:
		return err
	}
}

// run takes the turn and waits for the outcome of the commit.
func (m *member) run(ctx context.Context, t *tx, fn func(kv.Tx) error) error {
	if err := m.take(ctx, t, fn); err != nil {
		return err
	}
	return <-m.outcome
}

// take gives t back to the leader also if fn panics.
func (m *member) take(ctx context.Context, t *tx, fn func(kv.Tx) error) error {
	well := false
	defer func() { m.ran <- well }()
	err := t.run(ctx, fn)
	well = err == nil
	return err
}

// lead takes a group from its first turn to its commit.
func (u *updates) lead(ctx context.Context, g *group, fn func(kv.Tx) error) error {
	var aboard []*member // who has had a turn, and waits for the outcome
	var outcome error = errDissolved
	defer func() { // also if fn panics
		for _, m := range u.close(g) {
			m.outcome <- errDissolved
		}
		for _, m := range aboard {
			m.outcome <- outcome
		}
	}()
	release, err := u.locks.acquire(ctx, g.set.locks)
	if err != nil {
		return err
	}
	defer release()
	c, err := u.writers.get(ctx)
	if err != nil {
		return failure(ctx, "update", err)
	}
	defer u.writers.put(c)

	t := newTx(c, g.set)
	err = t.run(ctx, fn)
	for m := u.next(g, t); m != nil; m = u.next(g, t) {
		m.turn <- t
		if <-m.ran {
			aboard = append(aboard, m)
		}
	}
	if t.err == nil {
		outcome = u.commit(t)
	}
	if err != nil {
		return err
	}
	return outcome
}

// next is the member whose turn is next; there is none when it is time to commit,
// and then nobody can join any more.
func (u *updates) next(g *group, t *tx) *member {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t.err != nil || len(g.waiting) == 0 || t.size() >= groupBytes {
		u.shut(g)
		return nil
	}
	m := g.waiting[0]
	g.waiting = g.waiting[1:]
	return m
}

// leave takes a member out who has not got its turn yet.
func (u *updates) leave(g *group, m *member) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.Index(g.waiting, m)
	if i < 0 {
		return false
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	return true
}

// close ends a group and gives those who are still waiting.
func (u *updates) close(g *group) []*member {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.shut(g)
	left := g.waiting
	g.waiting = nil
	return left
}

func (u *updates) shut(g *group) {
	if u.open[g.set.key] == g {
		delete(u.open, g.set.key)
	}
}

// commit returns nil when all that t carries is durable.
func (u *updates) commit(t *tx) error {
	written := t.written()
	if len(written) == 0 {
		return nil
	}
	if err := t.commit(); err != nil {
		failed := failure(context.Background(), t.what, err)
		if isStatementError(err) {
			return failed
		}
		committed, err := u.resolver.committed(t.conn.session, t.conn.seq, err)
		if err != nil {
			return err
		}
		if !committed {
			return failed
		}
	}
	u.committed(written)
	return nil
}
