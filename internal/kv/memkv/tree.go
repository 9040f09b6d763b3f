package memkv

import (
	"bytes"
	"math/rand/v2"
)

// node is the root of an immutable treap: ordered by key, heap-ordered by a
// random rank, so that it is balanced whatever the order of arrival. A change
// copies the path to it and shares the rest; keeping a root keeps a snapshot.
// The nil node is the empty tree.
type node struct {
	key, value  []byte
	rank        uint64
	left, right *node
}

func (n *node) with(left, right *node) *node {
	return &node{n.key, n.value, n.rank, left, right}
}

// split gives the keys before key, and those from key on.
func (n *node) split(key []byte) (before, from *node) {
	if n == nil {
		return nil, nil
	}
	if bytes.Compare(n.key, key) < 0 {
		before, from = n.right.split(key)
		return n.with(n.left, before), from
	}
	before, from = n.left.split(key)
	return before, n.with(from, n.right)
}

// join puts two trees together; every key of a is before every key of b.
func join(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.rank > b.rank:
		return a.with(a.left, join(a.right, b))
	default:
		return b.with(join(a, b.left), b.right)
	}
}

func (n *node) get(key []byte) (value []byte, ok bool) {
	for n != nil {
		switch c := bytes.Compare(key, n.key); {
		case c < 0:
			n = n.left
		case c > 0:
			n = n.right
		default:
			return n.value, true
		}
	}
	return nil, false
}

func (n *node) put(key, value []byte) *node {
	added := &node{key: bytes.Clone(key), value: bytes.Clone(value), rank: rand.Uint64()}
	before, after := n.without(key, next(key))
	return join(join(before, added), after)
}

// without gives what is left of the tree on either side of [from, to).
func (n *node) without(from, to []byte) (before, after *node) {
	before, rest := n.split(from)
	if to == nil {
		return before, nil
	}
	_, after = rest.split(to)
	return before, after
}

// next is the first key after key.
func next(key []byte) []byte {
	return append(bytes.Clone(key), 0)
}

// ascend calls fn in order for the keys in [from, to) until it returns false.
func (n *node) ascend(from, to []byte, fn func(*node) bool) bool {
	if n == nil {
		return true
	}
	early, late := bytes.Compare(n.key, from) < 0, to != nil && bytes.Compare(n.key, to) >= 0
	if !early && !n.left.ascend(from, to, fn) {
		return false
	}
	if !early && !late && !fn(n) {
		return false
	}
	return late || n.right.ascend(from, to, fn)
}

// descend is ascend from the highest key down.
func (n *node) descend(from, to []byte, fn func(*node) bool) bool {
	if n == nil {
		return true
	}
	early, late := bytes.Compare(n.key, from) < 0, to != nil && bytes.Compare(n.key, to) >= 0
	if !late && !n.right.descend(from, to, fn) {
		return false
	}
	if !early && !late && !fn(n) {
		return false
	}
	return early || n.left.descend(from, to, fn)
}
