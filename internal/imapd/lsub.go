package imapd

import (
	"context"

	"posthorn/internal/imapwire"
)

// lsub is LSUB (RFC 3501 §6.3.9). A name that is not subscribed to, but above one
// that is and that "%" keeps the pattern from reaching, is shown in its place with
// \Noselect.
func (s *session) lsub(ctx context.Context, _ *command) error {
	var o imapwire.ListOptions
	if !s.dec.SP() || !s.dec.LSub(&o) || !s.dec.End() {
		return s.syntax()
	}
	if o.Patterns[0] == "" {
		s.line(`* LSUB (\Noselect) "/" ""`)
		return nil
	}
	names, err := s.account.Subscriptions(ctx)
	if err != nil {
		return err
	}
	tree := newTree(len(names))
	for _, name := range names {
		tree.subscribe(name)
	}
	tree.sort()
	out := s.newOutput()
	p := s.pattern(o.Reference, o.Patterns[0])
	for _, n := range tree.nodes {
		if !p.matches(n.shown) || !n.subscribed && !p.stops {
			continue
		}
		e := imapwire.ListEntry{Name: n.shown}
		if !n.subscribed {
			e.Attributes = []string{`\Noselect`}
		}
		out.listEntry("LSUB", &e)
	}
	return s.closeOutput(out)
}
