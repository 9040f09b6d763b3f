// Package search is the full-text index: it answers which messages of an account
// contain a text, so that SEARCH need not open them.
//
// It owns the shards "s/…", one beside each account's that has an index, and what
// the text of a message is (text.go). It never decides what a search means, and
// nothing rests on it: whatever the index does not know, or no longer knows, Candidates
// says, and whoever searches looks at the message itself.
//
// Messages are known by their content, the EmailID: copies share it, and moving a
// message changes nothing. An index is a few segments, each of a range of EmailIDs
// (head.go); in a segment every field has sorted words, with lists of the messages
// that have them (block.go). Of SUBJECT, FROM, TO, CC and BCC the values are kept as
// they are, everything else by words; in scripts without blanks pairs of characters are
// the words (words.go). What is looked for need not be words: its beginning may be the
// end of one and its end the beginning of another, so dictionaries are searched as
// texts (lookup.go).
//
// Flow: a search finds that many messages are not in the index -> Want -> Run reads
// the next contents of the account and makes a segment of them (fill.go) -> segments
// of like size are merged eight at a time (merge.go) -> Candidates (query.go).
//
// Invariants:
//
//   - A message in a segment's range is No only if it does not contain the text, and
//     Yes only if it does. Messages that cannot be read are gaps.
//   - Segments never change. The head names those that there are; to read it and
//     them is one View.
//   - Only the shard of the index is written, so no writer of mail ever waits.
package search

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/store"
)

// Options configure an Index. Engine and Store are required.
type Options struct {
	Engine kv.Engine
	Store  *store.Store
	Logger *slog.Logger     // default: discards
	Clock  func() time.Time // default: time.Now

	BatchMessages int // how many messages make a new segment at the most; default 1024
	FanIn         int // how many segments of like size are merged; default 8
}

// Index is the index of all accounts. All methods may be called from any goroutine.
type Index struct {
	engine kv.Engine
	store  *store.Store
	log    *slog.Logger
	clock  func() time.Time
	batch  int
	fanIn  int

	mu      sync.Mutex
	waiting []store.AccountID // that have something to do
	listed  map[store.AccountID]want
	wake    chan struct{} // has room for one
}

// want is what is to be done for an account.
type want struct {
	anew bool // what there is is damaged
}

// New makes an Index. Nothing happens to it but in Run and CatchUp.
func New(o Options) *Index {
	x := &Index{
		engine: o.Engine, store: o.Store, log: o.Logger, clock: o.Clock, batch: o.BatchMessages, fanIn: o.FanIn,
		listed: map[store.AccountID]want{}, wake: make(chan struct{}, 1),
	}
	if x.log == nil {
		x.log = slog.New(slog.DiscardHandler)
	}
	if x.clock == nil {
		x.clock = time.Now
	}
	if x.batch == 0 {
		x.batch = 1024
	}
	if x.fanIn == 0 {
		x.fanIn = 8
	}
	return x
}

// maxWaiting bounds the memory; who is left out now comes with the next search.
const maxWaiting = 100_000

// Want notes that an account's index should be brought up to date.
func (x *Index) Want(id store.AccountID) { x.note(id, want{}) }

// discard notes that an account's index is damaged.
func (x *Index) discard(id store.AccountID) { x.note(id, want{anew: true}) }

func (x *Index) note(id store.AccountID, w want) {
	x.mu.Lock()
	defer x.mu.Unlock()
	have, ok := x.listed[id]
	if !ok {
		if len(x.waiting) >= maxWaiting {
			return
		}
		x.waiting = append(x.waiting, id)
	}
	x.listed[id] = want{have.anew || w.anew}
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// take gives the account that has waited longest.
func (x *Index) take() (id store.AccountID, w want, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.waiting) == 0 {
		return 0, want{}, false
	}
	id, x.waiting = x.waiting[0], x.waiting[1:]
	w = x.listed[id]
	delete(x.listed, id)
	return id, w, true
}

// Run keeps the indexes up to date until ctx ends: those that a search wants, and
// from time to time all that there are. It works on one account at a time, in small
// pieces, and rests after each for as long as it took.
func (x *Index) Run(ctx context.Context) {
	sweep := time.NewTimer(firstSweep)
	defer sweep.Stop()
	sweeps := 0
	for ctx.Err() == nil {
		id, w, ok := x.take()
		if !ok {
			select {
			case <-ctx.Done():
			case <-x.wake:
			case <-sweep.C:
				sweeps++
				x.sweep(ctx, sweeps%sweepsToShrink == 0)
				sweep.Reset(sweepEvery)
			}
			continue
		}
		if w.anew {
			if err := x.Rebuild(ctx, id); err != nil {
				x.failed(ctx, id, err)
				continue
			}
		}
		more, err := x.step(ctx, id, rest)
		if err != nil {
			x.failed(ctx, id, err)
		} else if more {
			x.Want(id)
		}
	}
}

func (x *Index) failed(ctx context.Context, id store.AccountID, err error) {
	if ctx.Err() == nil {
		x.log.Warn("the search index of an account could not be brought up to date", "account", id, "error", err)
	}
}

// rest waits as long as something took, so that no more than half a processor is
// ever spent on indexing.
func rest(ctx context.Context, took time.Duration) {
	timer := time.NewTimer(took)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// sweepEvery is how often indexes are looked at that no search has asked for: so
// even the first search of the day finds most of the messages in its index.
const (
	firstSweep = time.Minute
	sweepEvery = 10 * time.Minute
	// sweepsToShrink is how many sweeps there are to one that also looks for segments
	// of which most is gone: a day's.
	sweepsToShrink = 144
)

// sweep finds the indexes that have fallen behind, and if wanted lets those shrink
// that have too much of what is gone.
func (x *Index) sweep(ctx context.Context, shrink bool) {
	err := x.each(ctx, func(id store.AccountID) error {
		h, err := x.head(ctx, id)
		if err != nil || h == nil {
			return err
		}
		_, _, newest, err := x.store.Account(id).Contents(ctx, h.upTo, 0, 0)
		if err == nil && newest >= h.upTo+behindBy {
			x.Want(id)
		}
		if err == nil && shrink {
			err = x.shrink(ctx, id, h)
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		x.log.Warn("looking after the search indexes failed", "error", err)
	}
}

// shrink writes the first segment again of which more than half is gone, so that the
// words of what was deleted for good do not stay.
func (x *Index) shrink(ctx context.Context, id store.AccountID, h *head) error {
	for i := range h.segments {
		s := &h.segments[i]
		alive := newBitset(s.width())
		err := x.store.Account(id).EachContent(ctx, s.first, s.last, func(e store.EmailID) { alive.set(uint64(e - s.first)) })
		if err != nil {
			return err
		}
		if 2*uint64(alive.count()) < s.messages && !x.mergedElsewhere(h) {
			return x.merge(ctx, id, h, h.segments[i:i+1], rest)
		}
	}
	return nil
}

// each calls fn for every account that has an index.
func (x *Index) each(ctx context.Context, fn func(store.AccountID) error) error {
	var failed error
	err := x.engine.Shards(ctx, shards, func(s kv.Shard) bool {
		id, err := accountOf(s)
		if err == nil {
			err = fn(id)
		}
		failed = err
		return err == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// head reads the head of an account's index; nil if there is none.
func (x *Index) head(ctx context.Context, id store.AccountID) (h *head, err error) {
	err = x.engine.View(ctx, shardOf(id), func(r kv.Reader) (err error) {
		h, err = readHead(r)
		return err
	})
	return h, err
}

// CatchUp brings an account's index up to date, whatever it takes.
func (x *Index) CatchUp(ctx context.Context, id store.AccountID) error {
	for {
		more, err := x.step(ctx, id, func(context.Context, time.Duration) {})
		if err != nil || !more {
			return err
		}
	}
}

// Rebuild drops an account's index. Until it is made again, by Run, searches of the
// account take longer.
func (x *Index) Rebuild(ctx context.Context, id store.AccountID) error {
	err := x.engine.Update(ctx, []kv.Shard{shardOf(id)}, func(tx kv.Tx) error {
		w := tx.In(shardOf(id))
		next := head{generation: uint64(x.clock().UnixNano())}
		if old, err := readHead(w); err == nil && old != nil {
			next.generation = max(next.generation, old.generation+1)
		}
		if err := w.DeleteRange(nil, nil); err != nil {
			return err
		}
		return w.Put(keyHead, next.encode())
	})
	if err == nil {
		x.Want(id)
	}
	return err
}

// Remove drops the index of an account that is no more.
func (x *Index) Remove(ctx context.Context, id store.AccountID) error {
	return x.engine.Update(ctx, []kv.Shard{shardOf(id)}, func(tx kv.Tx) error {
		return tx.In(shardOf(id)).DeleteRange(nil, nil)
	})
}

// RebuildAll is Rebuild for every account that has an index, and tells how many.
func (x *Index) RebuildAll(ctx context.Context) (n int, err error) {
	err = x.each(ctx, func(id store.AccountID) error {
		n++
		return x.Rebuild(ctx, id)
	})
	return n, err
}
