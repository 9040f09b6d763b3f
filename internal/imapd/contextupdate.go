package imapd

import (
	"context"
	"slices"
	"sort"
	"strconv"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// told is a message and what it is called in an answer.
type told struct {
	uid    store.UID
	number uint32
}

// gone takes messages out of the contexts. It comes before the client is told that they
// are gone, so that their numbers are still those that it knows (RFC 5267 §4.3.4).
func (cs *contexts) gone(out *output, v *view, expunged []store.Expunged) {
	if len(expunged) == 0 {
		return
	}
	for _, sc := range cs.list {
		var removed []told
		for i, g := range expunged {
			if _, found := slices.BinarySearch(sc.known, g.UID); found {
				removed = append(removed, sc.told(g.UID, v.number(g.Seq+i)))
			}
		}
		sc.remove(out, removed)
	}
}

func (sc *searchContext) told(uid store.UID, number int) told {
	if sc.command.uid {
		return told{uid, uint32(uid)}
	}
	return told{uid, uint32(number)}
}

// note remembers what has changed, once the view has it.
func (cs *contexts) note(v *view, changes *store.Changes) {
	if len(cs.list) == 0 {
		return
	}
	var c collector
	for _, changed := range changes.Changed {
		c.add(changed.Seq, v.At(changed.Seq).UID)
	}
	v.Each(v.Len()+1-changes.Appended, v.Len(), func(seq int, e store.Entry) bool {
		c.add(seq, e.UID)
		return true
	})
	cs.pending = append(cs.pending, c.uids...)
}

// updateContexts looks at what has changed and tells what that does to the results.
func (s *session) updateContexts(ctx context.Context) error {
	cs := &s.box.contexts
	pending := cs.pending
	cs.pending = nil
	if len(pending) == 0 || len(cs.list) == 0 {
		return nil
	}
	out := s.newOutput()
	kept := cs.list[:0]
	for _, sc := range cs.list {
		err := s.update(ctx, out, sc, pending)
		if err == nil && cs.size() <= mostContextUIDs {
			kept = append(kept, sc)
			continue
		}
		s.conn.Log().Warn("a search is not kept up to date any more", "error", err)
		out.b = append(imapwire.AppendString(append(out.b, "* NO [NOUPDATE "...), sc.command.tag), "] There are no more updates, search again\r\n"...)
	}
	cs.list = kept
	return s.closeOutput(out)
}

// update searches among messages that are new or have changed.
func (s *session) update(ctx context.Context, out *output, sc *searchContext, pending []store.UIDRange) error {
	m := s.box
	q, err := m.compile(&imapwire.SearchOptions{Charset: sc.charset, Key: sc.key}, sc.collation, nil)
	if err != nil {
		return err
	}
	q.unseen, q.within = false, pending
	f := finder{session: s, ctx: ctx, box: m, query: q}
	if err := f.run(); err != nil {
		return err
	}
	var removed, added []told
	hits := f.hits
	m.view.EachUID(pending, func(seq int, e store.Entry) bool {
		matches := len(hits) > 0 && hits[0].seq == seq
		if matches {
			hits = hits[1:]
		}
		_, known := slices.BinarySearch(sc.known, e.UID)
		switch {
		case matches && !known:
			added = append(added, sc.told(e.UID, m.view.number(seq)))
		case known && !matches:
			removed = append(removed, sc.told(e.UID, m.view.number(seq)))
		}
		return true
	})
	sc.remove(out, removed)
	if sc.criteria != nil {
		return s.insert(ctx, out, sc, added)
	}
	sc.add(out, added)
	return nil
}

// remove takes messages, in ascending order, out of the result.
func (sc *searchContext) remove(out *output, removed []told) {
	if len(removed) == 0 {
		return
	}
	isRemoved := func(uid store.UID) (int, bool) {
		return slices.BinarySearchFunc(removed, uid, func(t told, uid store.UID) int { return int(int64(t.uid) - int64(uid)) })
	}
	sc.known = slices.DeleteFunc(sc.known, func(uid store.UID) bool {
		_, found := isRemoved(uid)
		return found
	})
	out.esearch(&sc.command)
	out.b = append(out.b, " REMOVEFROM "...)
	if sc.criteria == nil {
		out.position('(', 0, removed)
	} else {
		sep, kept := byte('('), sc.order[:0]
		for _, uid := range sc.order {
			i, found := isRemoved(uid)
			if !found {
				kept = append(kept, uid)
				continue
			}
			out.position(sep, len(kept)+1, removed[i:i+1])
			sep = ' '
		}
		sc.order = kept
	}
	out.b = append(out.b, ")\r\n"...)
	out.writeIfFull()
}

// add puts messages, in ascending order, into a result that is in the order of the
// mailbox.
func (sc *searchContext) add(out *output, added []told) {
	if len(added) == 0 {
		return
	}
	for _, t := range added {
		sc.known = append(sc.known, t.uid)
	}
	slices.Sort(sc.known)
	out.esearch(&sc.command)
	out.b = append(out.b, " ADDTO "...)
	out.position('(', 0, added)
	out.b = append(out.b, ")\r\n"...)
	out.writeIfFull()
}

// fewInserted is up to how many messages are put in their places one by one.
const fewInserted = 50

// insert puts messages into a sorted result.
func (s *session) insert(ctx context.Context, out *output, sc *searchContext, added []told) error {
	if len(added) == 0 {
		return nil
	}
	for _, t := range added {
		sc.known = append(sc.known, t.uid)
	}
	slices.Sort(sc.known)
	if len(added) > fewInserted {
		return s.tellAnew(ctx, out, sc)
	}
	out.esearch(&sc.command)
	out.b = append(out.b, " ADDTO "...)
	sep := byte('(')
	for _, t := range added {
		var err error
		at := sort.Search(len(sc.order), func(i int) bool {
			sorted, orderErr := s.inOrder(ctx, sc.criteria, &query{collation: sc.collation}, s.box.hitsOf([]store.UID{min(t.uid, sc.order[i]), max(t.uid, sc.order[i])}))
			if orderErr != nil {
				err = orderErr
				return true
			}
			return sorted[0].uid == t.uid
		})
		if err != nil {
			s.conn.Log().Warn("a message has no place in the order", "error", err) // it gets the first that may be
		}
		sc.order = slices.Insert(sc.order, at, t.uid)
		out.position(sep, at+1, []told{t})
		sep = ' '
	}
	out.b = append(out.b, ")\r\n"...)
	out.writeIfFull()
	return nil
}

// tellAnew tells a sorted result anew: where much is new, that is less than to tell the
// place of each.
func (s *session) tellAnew(ctx context.Context, out *output, sc *searchContext) error {
	sorted, err := s.inOrder(ctx, sc.criteria, &query{collation: sc.collation}, s.box.hitsOf(sc.known))
	if err != nil {
		return err
	}
	tell := func(item string, uids []store.UID) {
		if len(uids) == 0 {
			return
		}
		list := make([]told, len(uids))
		for i, uid := range uids {
			seq, _ := s.box.view.Seq(uid)
			list[i] = sc.told(uid, s.box.view.number(seq))
		}
		out.esearch(&sc.command)
		out.b = append(out.b, item...)
		out.position('(', 1, list)
		out.b = append(out.b, ")\r\n"...)
	}
	tell(" REMOVEFROM ", sc.order)
	sc.order = make([]store.UID, len(sorted))
	for i, h := range sorted {
		sc.order[i] = h.uid
	}
	tell(" ADDTO ", sc.order)
	return nil
}

// hitsOf gives messages, by ascending UIDs, as those of a search.
func (m *mailbox) hitsOf(uids []store.UID) []hit {
	hits := make([]hit, 0, len(uids))
	for _, uid := range uids {
		if seq, ok := m.view.Seq(uid); ok {
			hits = append(hits, hit{seq: seq, uid: uid})
		}
	}
	return hits
}

// position writes a place in a result and the messages that come there, or go.
func (o *output) position(sep byte, at int, list []told) {
	o.b = strconv.AppendInt(append(o.b, sep), int64(at), 10)
	o.b = append(o.b, ' ')
	o.set(len(list), func(i int) uint32 { return list[i].number })
}
