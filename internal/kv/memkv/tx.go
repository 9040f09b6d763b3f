package memkv

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"posthorn/internal/kv"
)

// tx is an Update under way.
type tx struct{ trees map[kv.Shard]*tree }

func (t *tx) In(s kv.Shard) kv.Writer {
	w := t.trees[s]
	if w == nil {
		panic(fmt.Sprintf("memkv: shard %q is not part of this Update", s))
	}
	return w
}

// written lists the shards that were written to, in order.
func (t *tx) written() []kv.Shard {
	var names []kv.Shard
	for name, tree := range t.trees {
		if tree.written {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// tree is the Reader of a View and the Writer of an Update.
type tree struct {
	lease   *lease
	root    *node
	written bool
}

func (t *tree) Get(key []byte) (value []byte, ok bool, err error) {
	t.lease.check()
	if t.lease.ctx.Err() != nil {
		return nil, false, canceled(t.lease.ctx)
	}
	if value, ok = t.root.get(key); ok {
		value = t.lease.lend(value)
	}
	return value, ok, nil
}

func (t *tree) GetEach(keys [][]byte, fn func(i int, value []byte, ok bool) bool) error {
	t.lease.check()
	for i, key := range keys {
		if t.lease.ctx.Err() != nil {
			return canceled(t.lease.ctx)
		}
		value, ok := t.root.get(key)
		visit := func(_, value []byte) bool {
			if !ok {
				value = nil
			}
			return fn(i, value, ok)
		}
		if !t.lease.call(visit, &node{value: value}) {
			break
		}
	}
	return nil
}

func (t *tree) Scan(r kv.Range, fn func(key, value []byte) bool) error {
	t.lease.check()
	walk := t.root.ascend
	if r.Reverse {
		walk = t.root.descend
	}
	count := 0
	walk(r.From, r.To, func(n *node) bool {
		if t.lease.ctx.Err() != nil {
			return false
		}
		count++
		return t.lease.call(fn, n) && count != r.Limit
	})
	if t.lease.ctx.Err() != nil {
		return canceled(t.lease.ctx)
	}
	return nil
}

func (t *tree) Put(key, value []byte) error {
	t.lease.check()
	t.root, t.written = t.root.put(key, value), true
	return nil
}

func (t *tree) Delete(key []byte) error {
	return t.DeleteRange(key, next(key))
}

func (t *tree) DeleteRange(from, to []byte) error {
	t.lease.check()
	if to == nil || bytes.Compare(from, to) < 0 {
		t.root, t.written = join(t.root.without(from, to)), true
	}
	return nil
}

// lease is the time in which a Reader may be used, and what it lent out.
type lease struct {
	ctx      context.Context
	over     bool // fn has returned
	scanning bool // a callback of Scan or GetEach is running
	lent     [][]byte
	row      []byte // lent to that callback
}

func (l *lease) check() {
	if l.over {
		panic("memkv: used after its View or Update has ended")
	}
	if l.scanning {
		panic("memkv: used inside the callback of a Scan")
	}
}

// lend gives a copy that is good until the lease ends.
func (l *lease) lend(b []byte) []byte {
	b = append(make([]byte, 0, len(b)), b...)
	l.lent = append(l.lent, b)
	return b
}

// call runs a callback on a copy that is good until it returns.
func (l *lease) call(fn func(key, value []byte) bool, n *node) bool {
	l.row = append(append(l.row[:0], n.key...), n.value...)
	l.scanning = true
	defer func() {
		l.scanning = false
		spoil(l.row)
	}()
	k := len(n.key)
	return fn(l.row[:k:k], l.row[k:])
}

// end makes everything lent out unusable.
func (l *lease) end() {
	l.over = true
	for _, b := range l.lent {
		spoil(b)
	}
}

func spoil(b []byte) {
	for i := range b {
		b[i] = 0xdd
	}
}
