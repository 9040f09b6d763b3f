package imapd

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"posthorn/internal/imapwire"
	"posthorn/internal/search"
	"posthorn/internal/store"
)

// search is SEARCH (RFC 3501 §6.4.4, RFC 9051 §6.4.4).
func (s *session) search(ctx context.Context, c *command) error {
	var o imapwire.SearchOptions
	if !s.dec.SP() || !s.dec.Search(&o) || !s.dec.End() {
		return s.syntax()
	}
	q, hits, err := s.find(ctx, c, &o)
	if err != nil {
		return s.savingNothing(&o, err)
	}
	a := answer{box: s.box, command: c, options: &o, query: q, hits: hits}
	if !o.Extended && !s.enabled.has(rev2) {
		return s.tellNumbers("SEARCH", &a)
	}
	if err := s.tellESearch(&a); err != nil {
		return err
	}
	s.keepUpdated(&a, nil)
	return nil
}

// find runs the search of a command in the selected mailbox. The hits are in the order
// of the mailbox.
func (s *session) find(ctx context.Context, c *command, o *imapwire.SearchOptions) (*query, []hit, error) {
	if o.Return&imapwire.ReturnUpdate != 0 && s.box.contexts.named(c.tag) >= 0 { // RFC 5267 §4.3
		return nil, nil, bad("This tag is that of a search with UPDATE, use another")
	}
	if err := s.replaceFilters(ctx, o); err != nil {
		return nil, nil, err
	}
	switch {
	case !knownCharset(o.Charset):
		return nil, nil, errCharset
	case s.enabled.has(utf8Accept) && o.Charset != "" && !isUTF8(o.Charset): // RFC 6855 §3
		return nil, nil, bad("Searches are in UTF-8 since you have enabled that")
	}
	if s.readErr = s.catchUp(ctx, telling{uid: c.uid}); s.readErr != nil {
		return nil, nil, s.readErr
	}
	return s.findIn(ctx, c, s.box, o)
}

// findIn runs the search of a command in any mailbox.
func (s *session) findIn(ctx context.Context, c *command, m *mailbox, o *imapwire.SearchOptions) (*query, []hit, error) {
	q, err := m.compile(o, s.collation, s.asker(ctx, m))
	if err != nil {
		return nil, nil, err
	}
	if err := checkReturn(o, q); err != nil {
		return nil, nil, err
	}
	if q.numbered && s.enabled.has(uidOnly) {
		return nil, nil, errUIDRequired
	}
	if q.modSeq {
		s.enableCondStore()
	}
	// RFC 7162 §3.2.10.2: numbers must not change in a UID SEARCH that uses some.
	c.spec.numbered = c.spec.numbered || q.numbered
	if err := s.limitSearch(c, m, q); err != nil {
		return nil, nil, err
	}
	f := finder{session: s, ctx: ctx, box: m, query: q}
	defer s.working(c)()
	if err := f.run(); err != nil {
		return nil, nil, err
	}
	return q, f.hits, nil
}

// finder runs a search in one mailbox. It decides about as many messages as it can
// from the snapshot, about others from their records, and opens only those that are
// left then.
type finder struct {
	*session
	ctx   context.Context
	box   *mailbox
	query *query
	hits  []hit
	at    candidate   // the message that is being looked at
	open  collector   // messages that need to be looked at more closely
	large []store.UID // messages whose bodies must be opened one by one
}

// hit is a message that was found.
type hit struct {
	seq   int
	uid   store.UID
	score uint8 // from 1 to 100; only of use if the search is fuzzy
}

// bodiesAtOnce is how many messages are searched in one view of the store.
const bodiesAtOnce = 64

func (f *finder) run() error {
	snap := f.box.view.Snapshot
	first := func(seq int, e store.Entry) bool {
		f.judge(candidate{seq: seq, Entry: e, level: fromSnapshot})
		return true
	}
	switch {
	case f.query.unseen:
		snap.EachUnseen(first)
	case f.query.within != nil:
		snap.EachUID(f.query.within, first)
	default:
		snap.Each(1, snap.Len(), first)
	}
	if err := f.searchRecords(snap); err != nil {
		return err
	}
	if err := f.searchBodies(snap); err != nil {
		return err
	}
	slices.SortFunc(f.hits, func(a, b hit) int { return cmp.Compare(a.seq, b.seq) })
	return nil
}

// judge notes what comes of a candidate.
func (f *finder) judge(c candidate) {
	f.at = c
	switch f.query.test(&f.at) {
	case yes:
		f.hits = append(f.hits, hit{c.seq, c.UID, f.at.scores.score()})
	case unknown:
		f.open.add(c.seq, c.UID)
	}
}

// take gives the messages that are still open and starts a new list of them.
func (f *finder) take() []store.UIDRange {
	uids := f.open.uids
	f.open = collector{}
	return uids
}

func (f *finder) searchRecords(snap *store.Snapshot) error {
	uids := f.take()
	if len(uids) == 0 {
		return nil
	}
	found := len(f.hits)
	var last store.UID
	return f.box.account.Records(f.ctx, snap, uids, func(seq int, e store.Entry, r *store.Record) bool {
		if e.UID <= last { // the engine has begun the scan anew
			f.hits, f.open = f.hits[:found], collector{}
		}
		if last = e.UID; r != nil {
			f.judge(candidate{seq: seq, Entry: e, level: fromRecord, record: r})
		}
		return f.ctx.Err() == nil
	})
}

func (f *finder) searchBodies(snap *store.Snapshot) error {
	for uids := f.take(); len(uids) > 0; {
		var last store.UID
		n, found, large := 0, len(f.hits), len(f.large)
		err := f.box.account.Bodies(f.ctx, snap, uids, func(seq int, e store.Entry, r *store.Record, body []byte) bool {
			if e.UID <= last { // the engine has begun the scan anew
				n, f.hits, f.large = 0, f.hits[:found], f.large[:large]
			}
			last = e.UID
			n++
			switch {
			case r == nil:
			case body == nil:
				f.large = append(f.large, e.UID)
			default:
				text := search.NewText(bytes.NewReader(body), int64(len(body)), r.Layout)
				f.judge(candidate{seq: seq, Entry: e, level: fromBody, record: r, text: text})
			}
			return n < bodiesAtOnce
		})
		if err == nil {
			err = f.ctx.Err()
		}
		if err != nil {
			return err
		}
		if n < bodiesAtOnce {
			break
		}
		uids = after(uids, last)
	}
	return f.searchLarge(snap)
}

// searchLarge opens messages one by one, with no view of the store open.
func (f *finder) searchLarge(snap *store.Snapshot) error {
	for _, uid := range f.large {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		var m *fetched
		err := f.box.account.Records(f.ctx, snap, []store.UIDRange{{First: uid, Last: uid}}, func(seq int, e store.Entry, r *store.Record) bool {
			if r != nil {
				m = (&fetched{seq: seq, Entry: e, record: r}).keep()
			}
			return false
		})
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		body, err := f.box.account.Body(f.ctx, snap, uid)
		if err != nil {
			f.conn.Log().Error("opening a message failed", "uid", uid, "error", err)
			continue
		}
		text := search.NewText(body, body.Size(), m.record.Layout)
		f.judge(candidate{seq: m.seq, Entry: m.Entry, level: fromBody, record: m.record, text: text})
		body.Close()
	}
	return nil
}
