package imapd

import (
	"context"
	"strconv"

	"posthorn/internal/imapwire"
)

// threadAlgorithms link messages that were read to a forest.
var threadAlgorithms = map[string]func(*letters) *forest{
	"ORDEREDSUBJECT": orderedSubject, // RFC 5256 §3
	"REFERENCES":     references,     // RFC 5256 §3
	"REFS":           refs,
}

// thread is THREAD (RFC 5256 §3): a search whose answer shows what replies to what.
func (s *session) thread(ctx context.Context, c *command) error {
	var name string
	var o imapwire.SearchOptions
	if !s.dec.SP() || !s.dec.Thread(&name, &o) || !s.dec.End() {
		return s.syntax()
	}
	algorithm := threadAlgorithms[name]
	if algorithm == nil {
		return bad("Threads are made by ORDEREDSUBJECT, REFERENCES or REFS")
	}
	_, hits, err := s.find(ctx, c, &o)
	if err != nil {
		return err
	}
	l := newLetters(len(hits), s.collation)
	for i, h := range hits {
		l.all[i].date = s.box.view.At(h.seq).InternalDate
	}
	if err := s.eachHeader(ctx, hits, l.read); err != nil {
		return err
	}
	out := s.newOutput()
	out.b = append(out.b, "* THREAD"...)
	if len(hits) > 0 {
		out.b = append(out.b, ' ')
	}
	out.threads(algorithm(l), func(message int32) uint32 { return s.box.told(hits[message], c.uid) })
	out.b = append(out.b, "\r\n"...)
	s.readErr = s.closeOutput(out)
	return s.readErr
}

// threads writes a forest (RFC 5256 §4): a line of messages that are each the only reply
// to the one before in one list, several replies in lists of their own.
func (o *output) threads(f *forest, number func(int32) uint32) {
	w := threadWriter{output: o, forest: f, number: number}
	for _, root := range f.roots {
		o.b = append(o.b, '(')
		for at := root; at != none; {
			at = w.node(at)
			o.writeIfFull()
		}
	}
}

// threadWriter walks through a thread. There are threads as deep as their mailbox is
// large, so it remembers its way instead of calling itself.
type threadWriter struct {
	*output
	*forest
	number func(int32) uint32
	forks  []int32 // of several replies to one message, the one that it is at
}

// node writes one and gives the next.
func (w *threadWriter) node(at int32) (next int32) {
	if !w.isDummy(at) {
		w.b = strconv.AppendUint(w.b, uint64(w.number(at)), 10)
	}
	child := w.links[at].child
	switch {
	case child == none:
		return w.close()
	case w.links[child].sibling == none:
		w.b = append(w.b, ' ')
		return child
	case !w.isDummy(at):
		w.b = append(w.b, ' ')
	}
	w.b = append(w.b, '(')
	w.forks = append(w.forks, child)
	return child
}

// close ends a list, and those whose last list it was, and begins the next.
func (w *threadWriter) close() (next int32) {
	w.b = append(w.b, ')')
	for n := len(w.forks) - 1; n >= 0; n-- {
		if next = w.links[w.forks[n]].sibling; next != none {
			w.forks[n] = next
			w.b = append(w.b, '(')
			return next
		}
		w.forks = w.forks[:n]
		w.b = append(w.b, ')')
	}
	return none
}
