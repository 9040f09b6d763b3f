package imapd

import (
	"context"
	"slices"

	"posthorn/internal/casemap"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// searchContext is a search whose result a client is kept informed of (RFC 5267 §4.3).
type searchContext struct {
	command  command
	charset  string
	key      imapwire.SearchKey       // its message numbers are UIDs by now
	criteria []imapwire.SortCriterion // of SORT; nil: the result is in the order of the mailbox
	known    []store.UID              // what the client knows to be in the result, ascending
	order    []store.UID              // of SORT: the same, in its order

	collation casemap.Collation // by which texts were compared
}

// contexts is those of a selected mailbox. When it is told to the client that messages
// are gone, they are gone from the contexts at once; what is new or has changed is only
// noted, and looked at when nothing else is under way.
type contexts struct {
	list    []*searchContext
	pending []store.UIDRange
}

// The bounds of what a session has to remember.
const (
	maxContexts     = 10
	maxContextUIDs  = 256 << 10 // of all together when one is made
	mostContextUIDs = 4 * maxContextUIDs
)

func (cs *contexts) named(tag string) int {
	return slices.IndexFunc(cs.list, func(sc *searchContext) bool { return sc.command.tag == tag })
}

// size is how many UIDs are remembered.
func (cs *contexts) size() (n int) {
	for _, sc := range cs.list {
		n += len(sc.known) + len(sc.order)
	}
	return n
}

// keepUpdated makes a context of a search if that is wanted. Too many of them are
// refused without refusing the search (RFC 5267 §4.3.1).
func (s *session) keepUpdated(a *answer, criteria []imapwire.SortCriterion) {
	if a.options.Return&imapwire.ReturnUpdate == 0 {
		return
	}
	m := s.box
	byScore := slices.ContainsFunc(criteria, func(c imapwire.SortCriterion) bool { return c.Key == imapwire.SortRelevancy })
	switch {
	case byScore:
		s.refuseUpdates(a.command.tag, "Relevancy is not kept")
		return
	case len(m.contexts.list) == maxContexts || m.contexts.size()+len(a.hits) > maxContextUIDs:
		s.refuseUpdates(a.command.tag, "Too many contexts")
		return
	}
	sc := &searchContext{command: *a.command, charset: a.options.Charset, key: m.freeze(a.options.Key), criteria: criteria, collation: a.query.collation}
	sc.known = make([]store.UID, len(a.hits))
	for i, h := range a.hits {
		sc.known[i] = h.uid
	}
	if criteria != nil {
		sc.order = slices.Clone(sc.known)
		slices.Sort(sc.known)
	}
	m.contexts.list = append(m.contexts.list, sc)
}

func (s *session) refuseUpdates(tag, why string) {
	code := string(imapwire.AppendString([]byte("NOUPDATE "), tag))
	s.line("* NO [", code, "] ", why)
}

// freeze makes UIDs of the message numbers in a search, and of "$" (RFC 5267 §4.3: they
// mean what they mean when the command is received).
func (m *mailbox) freeze(k imapwire.SearchKey) imapwire.SearchKey {
	if k.Op == imapwire.SearchSeq || k.Op == imapwire.SearchUID && k.Set.Saved {
		c := compiler{box: m}
		ranges := []imapwire.NumRange{}
		for _, r := range c.set(&k) {
			ranges = append(ranges, imapwire.NumRange{First: uint32(r.First), Last: uint32(r.Last)})
		}
		return imapwire.SearchKey{Op: imapwire.SearchUID, Set: imapwire.NumSet{Ranges: ranges}}
	}
	k.Keys = slices.Clone(k.Keys)
	for i := range k.Keys {
		k.Keys[i] = m.freeze(k.Keys[i])
	}
	return k
}

// cancelUpdate is CANCELUPDATE (RFC 5267 §4.3.5).
func (s *session) cancelUpdate(context.Context, *command) error {
	var tags []string
	for ok := true; ok; ok = !s.dec.AtEnd() {
		var tag string
		if !s.dec.SP() || !s.dec.String(&tag) {
			return s.syntax()
		}
		tags = append(tags, tag)
	}
	if !s.dec.End() {
		return s.syntax()
	}
	cs := &s.box.contexts
	cs.list = slices.DeleteFunc(cs.list, func(sc *searchContext) bool { return slices.Contains(tags, sc.command.tag) })
	return nil
}
