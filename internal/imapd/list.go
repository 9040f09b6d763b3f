package imapd

import (
	"context"
	"strings"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// list is LIST (RFC 3501 §6.3.8), with what RFC 3348 and RFC 6154 add to its answers.
func (s *session) list(ctx context.Context, _ *command) error {
	var o imapwire.ListOptions
	if !s.dec.SP() || !s.dec.ListCommand(&o) || !s.dec.End() {
		return s.syntax()
	}
	if o.Extended {
		return bad("LIST-EXTENDED is not offered")
	}
	if o.Patterns[0] == "" { // RFC 3501 §6.3.8: asks for the separator and the root
		s.line(`* LIST (\Noselect) "/" ""`)
		return nil
	}
	tree, err := s.tree(ctx)
	if err != nil {
		return err
	}
	out := s.newOutput()
	p := newPattern(o.Reference, o.Patterns[0])
	for _, n := range tree {
		if p.matches(n.name) {
			out.listEntry("LIST", n.name, n.attributes())
		}
	}
	return s.closeOutput(out)
}

// node is a name in the hierarchy of mailboxes.
type node struct {
	name     string
	exists   bool // there is a mailbox; if not, there are mailboxes below the name
	children bool
	use      string // an attribute of RFC 6154, or empty
}

func (n *node) attributes() []string {
	var list []string
	if !n.exists {
		list = append(list, `\Noselect`)
	}
	if n.children {
		list = append(list, `\HasChildren`)
	} else {
		list = append(list, `\HasNoChildren`)
	}
	if n.use != "" {
		list = append(list, n.use)
	}
	return list
}

// tree gives all names, INBOX and what is below it first, else sorted.
func (s *session) tree(ctx context.Context) ([]node, error) {
	mailboxes, err := s.account.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	uses := make(map[string]string, len(mailboxes))
	names := make([]string, len(mailboxes))
	for i := range mailboxes {
		m := &mailboxes[i]
		names[i] = m.Name
		uses[m.Name] = m.SpecialUse
	}
	tree := hierarchy(names)
	for i := range tree {
		tree[i].use = uses[tree[i].name]
	}
	return tree, nil
}

// hierarchy adds the names above other names that are no mailboxes themselves, and
// finds out who has children.
func hierarchy(names []string) []node {
	index := make(map[string]int, len(names))
	var tree []node
	var add func(name string) int
	add = func(name string) int {
		i, ok := index[name]
		if !ok {
			if above, ok := parent(name); ok {
				tree[add(above)].children = true
			}
			i = len(tree)
			index[name] = i
			tree = append(tree, node{name: name})
		}
		return i
	}
	for _, name := range names {
		tree[add(name)].exists = true
	}
	sortNames(tree)
	return tree
}

// parent is the name above a name.
func parent(name string) (string, bool) {
	i := strings.LastIndex(name, store.Separator)
	return name[:max(i, 0)], i > 0
}

// listEntry writes a LIST or LSUB response.
func (o *output) listEntry(response, name string, attributes []string) {
	o.b = append(append(append(o.b, "* "...), response...), ' ')
	entry := imapwire.ListEntry{Attributes: attributes, Separator: store.Separator[0], Name: name, UTF8: o.reader.has(utf8Accept | rev2)}
	o.b = append(imapwire.AppendListEntry(o.b, &entry), "\r\n"...)
	o.writeIfFull()
}
