package imapd

import (
	"cmp"
	"slices"
	"strings"

	"posthorn/internal/store"
)

// tree is the names of mailboxes, and those above them.
type tree struct {
	nodes  []*node
	byName map[string]*node
}

// node is a name in the hierarchy of mailboxes.
type node struct {
	parent     *node
	mailbox    *store.Mailbox // nil: there is no mailbox of this name
	place                     // of the mailbox
	subscribed bool
	children   bool // there are mailboxes below it

	childInfo bool // something below it is selected
	hides     bool // something below it is selected, and will not be shown itself
}

func newTree(names int) *tree {
	return &tree{nodes: make([]*node, 0, names), byName: make(map[string]*node, names)}
}

// node gives the node of a name, and makes it and those above it where they are missing.
func (t *tree) node(name string) *node {
	n, ok := t.byName[name]
	if !ok {
		n = &node{place: place{shown: name}}
		if above, ok := parent(name); ok {
			n.parent = t.node(above)
		}
		t.byName[name] = n
		t.nodes = append(t.nodes, n)
	}
	return n
}

// add adds a mailbox.
func (t *tree) add(p place, m *store.Mailbox) {
	n := t.node(p.shown)
	n.place, n.mailbox = p, m
	for above := n.parent; above != nil && !above.children; above = above.parent {
		above.children = true
	}
}

// subscribe adds the name of a subscription, of which there need be no mailbox.
func (t *tree) subscribe(name string) { t.node(name).subscribed = true }

// parent is the name above a name.
func parent(name string) (string, bool) {
	i := strings.LastIndex(name, store.Separator)
	return name[:max(i, 0)], i > 0
}

// sort puts INBOX and what is below it first, and parents before children.
func (t *tree) sort() {
	slices.SortFunc(t.nodes, func(a, b *node) int {
		if ia, ib := inInbox(a.shown), inInbox(b.shown); ia != ib {
			if ia {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.shown, b.shown)
	})
}

func inInbox(name string) bool {
	return name == store.Inbox || strings.HasPrefix(name, store.Inbox+store.Separator)
}
