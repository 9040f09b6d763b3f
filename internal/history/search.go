package history

import (
	"context"
	"slices"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/obs"
)

// Query is what is looked for.
type Query struct {
	// What is a Message-ID, an address, a domain, an IP address, or our name for a
	// message; letter case does not matter.
	What     string
	Accounts []uint64  // or what reached the mailboxes of these accounts
	Since    time.Time // not what happened before; zero: all that is kept
	Limit    int       // of lives; 0: the default
	// Submitted: only messages that the user called What has submitted.
	Submitted bool
}

// Answer is what was found.
type Answer struct {
	Lives []Life    // the latest ones, in the order in which they began
	More  bool      // there are older ones
	Kept  time.Time // since when events are kept; zero: there are none
}

const (
	defaultLimit = 100
	// maxFound is how many events one answer has at most.
	maxFound = 50_000
)

// Search finds lives. Damaged batches are logged and left out.
func (h *History) Search(ctx context.Context, q Query) (Answer, error) {
	wanted, err := tokensOf(q.What)
	if err != nil {
		return Answer{}, err
	}
	for _, id := range q.Accounts {
		wanted = append(wanted, hashAccount(id))
	}
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	s := &search{history: h, since: q.Since, waiting: h.waiting()}
	if q.Submitted {
		s.user = q.What
	}
	if err := s.days(ctx); err != nil {
		return Answer{}, err
	}
	return s.lives(ctx, wanted, q.Limit)
}

// search is one search: what was there when it began.
type search struct {
	history *History
	since   time.Time
	user    string     // only what he has submitted is looked for; "": anything
	shards  []kv.Shard // the days, the latest first
	kept    time.Time
	waiting []*batch // not yet written, the oldest first
}

// days finds the days that there are.
func (s *search) days(ctx context.Context) error {
	err := s.history.engine.Shards(ctx, s.history.prefix, func(shard kv.Shard) bool {
		day, ok := s.history.dayOf(shard)
		if !ok {
			return true
		}
		if s.kept.IsZero() {
			s.kept = day
		}
		s.shards = append(s.shards, shard)
		return true
	})
	slices.Reverse(s.shards)
	if s.kept.IsZero() && len(s.waiting) > 0 {
		s.kept = s.waiting[0].name.at()
	}
	return err
}

// find calls fn with the events that have one of the tokens (without any: with all),
// batch by batch, the latest first, each batch in its order, until fn returns false; none from
// batches that began before a time.
func (s *search) find(ctx context.Context, wanted []token, from time.Time, fn func([]*obs.Event) bool) error {
	f := &finder{search: s, wanted: slices.Sorted(slices.Values(wanted)), marks: marksOf(wanted), from: from}
	for _, b := range slices.Backward(s.waiting) {
		if found := f.pick(b.name, b.out.Record()); len(found) > 0 && !fn(found) {
			return nil
		}
	}
	for _, shard := range s.shards {
		if day, _ := s.history.dayOf(shard); day.AddDate(0, 0, 1).Before(from.Add(-slack)) {
			break
		}
		if more, err := f.shard(ctx, shard, fn); err != nil || !more {
			return err
		}
	}
	return nil
}

// finder is one pass over the batches.
type finder struct {
	*search
	wanted []token // sorted
	marks  []uint32
	from   time.Time
}

// maxIndexes is how many indexes are read before the batches that they point to;
// maxAtOnce where all of them point to one.
const (
	maxIndexes = 256
	maxAtOnce  = 8
)

// shard goes through one day. It says whether there is more to do after it.
func (f *finder) shard(ctx context.Context, shard kv.Shard, fn func([]*obs.Event) bool) (more bool, err error) {
	first := newName(f.from.Add(-slack), 0, 0)
	most := maxIndexes
	if len(f.wanted) == 0 {
		most = maxAtOnce
	}
	rest := kv.Range{From: first.key(indexKey), To: []byte{indexKey + 1}, Reverse: true, Limit: most}
	if f.from.IsZero() {
		rest.From = []byte{indexKey}
	}
	for {
		var batches [][]*obs.Event
		var last []byte
		seen := 0
		err := f.history.engine.View(ctx, shard, func(r kv.Reader) error {
			batches, seen = nil, 0
			var names []name
			err := r.Scan(rest, func(key, index []byte) bool {
				seen++
				last = append(last[:0], key...)
				if n, ok := nameOf(key); ok && f.mayHave(n, index) {
					names = append(names, n)
				}
				return true
			})
			if err == nil {
				batches, err = f.read(r, names)
			}
			return err
		})
		if err != nil {
			return false, err
		}
		for _, found := range batches {
			if !fn(found) {
				return false, nil
			}
		}
		if seen < most {
			return true, nil
		}
		rest.To = last
	}
}

// mayHave says that a batch is worth opening.
func (f *finder) mayHave(n name, index []byte) bool {
	if slices.ContainsFunc(f.waiting, func(b *batch) bool { return b.name == n }) {
		return false // it was seen before it was written
	}
	if len(f.wanted) == 0 {
		return true
	}
	has, err := indexHas(index, f.marks)
	if err != nil {
		f.damaged(n, err)
	}
	return has || err != nil
}

// read opens batches and picks what is wanted.
func (f *finder) read(r kv.Reader, names []name) (batches [][]*obs.Event, err error) {
	for _, n := range names {
		contents, ok, err := r.Get(n.key(batchKey))
		if err != nil {
			return nil, err
		}
		if !ok {
			f.damaged(n, fault.New(fault.Corrupt, "history: an index has no batch"))
			continue
		}
		if found := f.pick(n, contents); len(found) > 0 {
			batches = append(batches, found)
		}
	}
	return batches, nil
}

// pick gives the events of a batch that have one of the tokens.
func (f *finder) pick(n name, contents []byte) []*obs.Event {
	var found []*obs.Event
	err := readBatch(contents, func(e *obs.Event) {
		has := len(f.wanted) == 0
		tokens(e, func(t token) {
			if !has {
				_, has = slices.BinarySearch(f.wanted, t)
			}
		})
		if has && !e.Time.Before(f.from) {
			found = append(found, e)
		}
	})
	if err != nil {
		f.damaged(n, err)
	}
	return found
}

func (f *finder) damaged(n name, err error) {
	f.history.log.Error("a part of the history is damaged", "shard", f.history.shardOf(n.at()), "batch", n.at(), "error", err)
}
