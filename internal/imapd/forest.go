package imapd

import (
	"cmp"
	"slices"
)

// none is no node.
const none int32 = -1

// forest is messages as threads. Its nodes are the messages, by their position among
// the letters, and behind them dummies: messages that others refer to and that are not
// there, or that stand above threads of one subject.
type forest struct {
	letters *letters
	parents []int32 // by node
	order   []int32 // messages by date, then by position
	links   []link  // by node, when it is grown
	roots   []int32 // in the order of the answer
}

// link is a node's place among its siblings.
type link struct{ child, sibling, last int32 }

func newForest(l *letters) *forest {
	f := &forest{letters: l, parents: make([]int32, len(l.all)), order: make([]int32, len(l.all))}
	for i := range f.order {
		f.order[i], f.parents[i] = int32(i), none
	}
	slices.SortFunc(f.order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(l.all[a].date, l.all[b].date), cmp.Compare(a, b))
	})
	return f
}

func (f *forest) isDummy(node int32) bool { return int(node) >= len(f.letters.all) }

// dummy adds one.
func (f *forest) dummy() int32 {
	f.parents = append(f.parents, none)
	return int32(len(f.parents) - 1)
}

// grow makes children and roots out of parents. Siblings are in the order of their
// dates, and a dummy, which is a root, stands where its first child would (RFC 5256 §3,
// steps 4 and 6).
func (f *forest) grow() {
	f.links = make([]link, len(f.parents))
	for i := range f.links {
		f.links[i] = link{none, none, none}
	}
	f.roots = f.roots[:0]
	for _, node := range f.order {
		parent := f.parents[node]
		switch {
		case parent == none:
			f.roots = append(f.roots, node)
			continue
		case f.links[parent].child == none:
			f.links[parent].child = node
			if f.isDummy(parent) {
				f.roots = append(f.roots, parent)
			}
		default:
			f.links[f.links[parent].last].sibling = node
		}
		f.links[parent].last = node
	}
}

// orderedSubject puts messages of one subject below the first of them (RFC 5256 §3).
func orderedSubject(l *letters) *forest {
	f := newForest(l)
	first := map[uint64]int32{}
	for _, node := range f.order {
		subject := l.all[node].subject
		if root, ok := first[subject]; ok {
			f.parents[node] = root
		} else {
			first[subject] = node
		}
	}
	f.grow()
	return f
}

// references follows References and In-Reply-To, then subjects (RFC 5256 §3).
func references(l *letters) *forest {
	f := newForest(l)
	f.link()
	f.prune()
	f.grow()
	if f.mergeSubjects() {
		f.grow()
	}
	return f
}

// refs is references without regard to subjects. Its threads are in the order of their
// newest messages (draft-ietf-morg-inthread; so it is with other servers).
func refs(l *letters) *forest {
	f := newForest(l)
	f.link()
	f.prune()
	f.grow()
	newest := make([]int64, len(f.parents)) // by root: as dates ascend, the last one is it
	above := slices.Clone(f.parents)
	for _, node := range f.order {
		root := node
		for above[root] != none {
			if next := above[above[root]]; next != none {
				above[root] = next // half of the way for who comes next
			}
			root = above[root]
		}
		newest[root] = l.all[node].date
	}
	slices.SortStableFunc(f.roots, func(a, b int32) int { return cmp.Compare(newest[a], newest[b]) })
	return f
}
