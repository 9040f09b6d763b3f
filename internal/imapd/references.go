package imapd

// linker makes parents out of references (RFC 5256 §3, step 1).
type linker struct {
	*forest
	byID   map[uint64]int32
	groups []int32 // a node of the same tree, perhaps; of others, surely not
	steps  int     // that may still be spent on looking for loops
	fruit  []bool  // nodes that have been a parent
}

// link is step 1. References that would make a loop are not followed.
func (f *forest) link() {
	all := f.letters.all
	l := linker{forest: f, byID: make(map[uint64]int32, len(all)), groups: make([]int32, len(all)), fruit: make([]bool, len(all))}
	for i := range all {
		l.groups[i] = int32(i)
		if id := all[i].id; id != 0 { // of several with one ID, the first has it
			if _, taken := l.byID[id]; !taken {
				l.byID[id] = int32(i)
			}
		}
	}
	l.steps = 1<<20 + 64*(len(all)+len(f.letters.refs))
	for i := range all {
		refs := f.letters.refs[all[i].refs:all[i].refsEnd]
		last := none
		for _, id := range refs { // A
			node := l.node(id)
			if last != none && f.parents[node] == none {
				l.adopt(last, node)
			}
			last = node
		}
		if node := int32(i); f.parents[node] != last { // B
			f.parents[node] = none
			if last != none {
				l.adopt(last, node)
			}
		}
	}
}

// node is the message of an ID, or a dummy for it.
func (l *linker) node(id uint64) int32 {
	node, ok := l.byID[id]
	if !ok {
		node = l.dummy()
		l.byID[id] = node
		l.groups, l.fruit = append(l.groups, node), append(l.fruit, false)
	}
	return node
}

// adopt makes a node that has no parent the child of another, unless that descends from
// it.
func (l *linker) adopt(parent, child int32) {
	if l.descends(parent, child) {
		return
	}
	l.parents[child] = parent
	l.fruit[parent] = true
	l.groups[l.group(child)] = l.group(parent)
}

func (l *linker) group(node int32) int32 {
	for l.groups[node] != node {
		l.groups[node] = l.groups[l.groups[node]]
		node = l.groups[node]
	}
	return node
}

// descends reports whether a node is another, or below it. Whoever writes references
// that take too long to follow gets fewer of them followed.
func (l *linker) descends(node, from int32) bool {
	if node == from {
		return true
	}
	if !l.fruit[from] || l.group(node) != l.group(from) {
		return false
	}
	for ; node != none; node = l.parents[node] {
		if l.steps--; node == from || l.steps < 0 {
			return true
		}
	}
	return false
}

// prune takes dummies out, but for those at the top that hold several messages together
// (RFC 5256 §3, step 3).
func (f *forest) prune() {
	above := make([]int32, len(f.parents)) // of dummies: what their children get
	for i := range above {
		above[i] = none
	}
	var path []int32
	children := make([]int32, len(f.parents)) // of dummies at the top
	for i := range f.letters.all {
		at := f.parents[i]
		for path = path[:0]; at != none && f.isDummy(at) && above[at] == none && f.parents[at] != none; at = f.parents[at] {
			path = append(path, at)
		}
		if at != none && f.isDummy(at) && above[at] != none {
			at = above[at]
		}
		for _, dummy := range path {
			above[dummy] = at
		}
		f.parents[i] = at
		if at != none && f.isDummy(at) {
			children[at]++
		}
	}
	for i := range f.letters.all {
		if parent := f.parents[i]; parent != none && children[parent] == 1 && f.isDummy(parent) {
			f.parents[i] = none
		}
	}
	for i := len(f.letters.all); i < len(f.parents); i++ {
		f.parents[i] = none
	}
}

// mergeSubjects joins threads of one subject (RFC 5256 §3, step 5). It reports whether
// there were any.
func (f *forest) mergeSubjects() (merged bool) {
	table := map[uint64]int32{}
	for _, root := range f.roots { // B
		subject := f.subject(root)
		if subject == 0 {
			continue
		}
		before, ok := table[subject]
		if !ok || !f.isDummy(before) && (f.isDummy(root) || f.isReply(before) && !f.isReply(root)) {
			table[subject] = root
		}
	}
	for _, root := range f.roots { // C
		subject := f.subject(root)
		if subject == 0 || table[subject] == root {
			continue
		}
		merged = true
		switch with := table[subject]; {
		case f.isDummy(root): // so is the other, as B prefers them
			for child := f.links[root].child; child != none; child = f.links[child].sibling {
				f.parents[child] = with
			}
		case f.isDummy(with), f.isReply(root) && !f.isReply(with):
			f.parents[root] = with
		default:
			both := f.dummy()
			f.parents[root], f.parents[with] = both, both
			table[subject] = both
		}
	}
	return merged
}

// subject is that of a thread: of its root, or of a dummy's first child.
func (f *forest) subject(root int32) uint64 {
	if f.isDummy(root) {
		root = f.links[root].child
	}
	return f.letters.all[root].subject
}

func (f *forest) isReply(root int32) bool { return !f.isDummy(root) && f.letters.all[root].reply }
