package pgkv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"posthorn/internal/kv"
)

// shardSet is the shards of an Update.
type shardSet struct {
	names []kv.Shard // in order
	locks []int64    // in order, without duplicates
	key   string     // the same for the same shards
}

func newShardSet(shards []kv.Shard) shardSet {
	set := shardSet{names: slices.Sorted(slices.Values(shards))}
	set.names = slices.Compact(set.names)
	for _, s := range set.names {
		set.locks = append(set.locks, lockOf(s))
		set.key += string(s) + "\x00" // which no name contains
	}
	slices.Sort(set.locks)
	set.locks = slices.Compact(set.locks)
	return set
}

// lockOf is the number of the advisory lock of a shard. Two shards with one lock
// wait for each other where they need not, and that is all.
func lockOf(s kv.Shard) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return int64(h.Sum64())
}

// tx is a transaction of PostgreSQL that carries one Update, or several of the
// same shards, one after the other.
//
// It asks for the locks of its shards together with its first read; they precede
// everything that it sees, and PostgreSQL gives them back when what it wrote is
// durable and visible. Writes are kept here until the commit, so an Update that
// fails is forgotten without a word to the server.
type tx struct {
	reads
	set     shardSet
	locked  bool      // the locks were asked for
	pending []overlay // by shard: what the Updates that went well have written
}

func newTx(c *conn, set shardSet) *tx {
	return &tx{reads: reads{conn: c, what: "update"}, set: set, pending: make([]overlay, len(set.names))}
}

// run is one Update. An error means that nothing of it remains; if the tx itself
// is broken, t.err is not nil.
func (t *tx) run(ctx context.Context, fn func(kv.Tx) error) error {
	if ctx.Err() != nil {
		return canceled(ctx, t.what)
	}
	t.ctx = ctx
	u := &update{tx: t, overlays: make([]overlay, len(t.pending))}
	for i := range t.pending {
		u.overlays[i] = t.pending[i].clone()
	}
	err := u.call(fn)
	switch {
	case t.err != nil:
		return t.err
	case t.conn.err != nil: // ctx ended while nobody waited
		return t.fail(t.conn.err)
	case err != nil:
		return err
	}
	t.pending = u.overlays
	return nil
}

// lock has the locks asked for together with what is sent next.
func (t *tx) lock() {
	if t.locked {
		return
	}
	t.locked = true
	for _, id := range t.set.locks {
		t.conn.send(lock, bigint(id))
	}
	t.unread = len(t.set.locks)
}

// written lists the shards that were written to.
func (t *tx) written() []kv.Shard {
	var names []kv.Shard
	for i, o := range t.pending {
		if !o.empty() {
			names = append(names, t.set.names[i])
		}
	}
	return names
}

// size is how many bytes are to be written.
func (t *tx) size() int {
	n := 0
	for i := range t.pending {
		n += t.pending[i].size
	}
	return n
}

// update is one Update within a tx.
type update struct {
	*tx
	overlays []overlay // by shard
}

// call attends to ctx while fn runs, and cleans up also when it panics.
func (u *update) call(fn func(kv.Tx) error) error {
	defer u.conn.attend(u.ctx)()
	defer func() {
		if u.conn.midway { // it panicked inside a Scan: results are left unread
			_ = u.fail(errAbandoned)
		}
	}()
	return fn(u)
}

var errAbandoned = errors.New("abandoned in the middle of a scan")

func (u *update) In(s kv.Shard) kv.Writer {
	i, ok := slices.BinarySearch(u.set.names, s)
	if !ok {
		panic(fmt.Sprintf("pgkv: shard %q is not part of this Update", s))
	}
	return &writer{u.tx, []byte(s), &u.overlays[i]}
}

// writer is one shard in an Update: its overlay over what the database has.
type writer struct {
	tx    *tx
	shard []byte
	*overlay
}

func (w *writer) Get(key []byte) (value []byte, ok bool, err error) {
	if value, ok, known := w.get(key); known {
		return value, ok, nil
	}
	w.tx.lock()
	return w.tx.get(w.shard, key)
}

// GetEach asks the database for all keys, also for those that the overlay knows.
func (w *writer) GetEach(keys [][]byte, fn func(i int, value []byte, ok bool) bool) error {
	w.tx.lock()
	return w.tx.getEach(w.shard, keys, func(i int, value []byte, ok bool) bool {
		if own, has, known := w.get(keys[i]); known {
			value, ok = own, has
		}
		return fn(i, value, ok)
	})
}

func (w *writer) Put(key, value []byte) error {
	kept := append(append(make([]byte, 0, len(key)+len(value)), key...), value...)
	w.put(kept[:len(key):len(key)], kept[len(key):])
	return nil
}

func (w *writer) Delete(key []byte) error {
	w.delete(bytes.Clone(key))
	return nil
}

func (w *writer) DeleteRange(from, to []byte) error {
	w.deleteRange(from, to)
	return nil
}

// Scan merges the rows of the database with those of the overlay.
func (w *writer) Scan(r kv.Range, fn func(key, value []byte) bool) error {
	m := merge{r: r, own: w.within(r), fn: fn}
	ranges := w.gaps(r)
	for i := range ranges {
		if r.Limit > 0 {
			// As many rows as the overlay may hide have to be left over.
			ranges[i].Limit = r.Limit + len(m.own)
		}
	}
	w.tx.lock()
	if err := w.tx.scan(w.shard, ranges, m.row); err != nil {
		return err
	}
	m.rest()
	return nil
}

// merge gives the rows of a Scan.
type merge struct {
	r     kv.Range
	own   []*write // that the scan has not come to yet
	fn    func(key, value []byte) bool
	given int
	over  bool
}

// row takes the next row of the database; false ends the scan.
func (m *merge) row(key, value []byte) bool {
	for len(m.own) > 0 && !m.over {
		c := compareIn(m.r, m.own[0].key, key)
		if c > 0 {
			break
		}
		m.next()
		if c == 0 {
			return !m.over
		}
	}
	if !m.over {
		m.give(key, value)
	}
	return !m.over
}

// rest gives what the overlay has after the last row of the database.
func (m *merge) rest() {
	for len(m.own) > 0 && !m.over {
		m.next()
	}
}

func (m *merge) next() {
	w := m.own[0]
	m.own = m.own[1:]
	if !w.deleted {
		m.give(w.key, w.value)
	}
}

func (m *merge) give(key, value []byte) {
	m.given++
	m.over = !m.fn(key, value) || m.given == m.r.Limit
}
