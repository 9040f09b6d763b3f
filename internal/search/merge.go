package search

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/store"
)

const (
	// maxWidth is how many EmailIDs a segment spans at the most.
	maxWidth = 1 << 18
	// writeBytes is how much of a merged segment is written in one commit.
	writeBytes = 2 << 20
	// mergeLease is how long one process believes that another is still merging.
	mergeLease = 10 * time.Minute
)

// level is how often a segment was merged, by its width.
func (x *Index) level(s *segment) int {
	n := 0
	for w := s.width() * 16 / uint64(x.batch); w >= uint64(x.fanIn); w /= uint64(x.fanIn) {
		n++
	}
	return n
}

// mergeable gives the segments to be merged next: the newest ones up to some level,
// if there are enough of them.
func (x *Index) mergeable(all []segment) []segment {
	for level := range 16 {
		run := len(all)
		width := uint64(0)
		for run > 0 && x.level(&all[run-1]) <= level {
			if width = uint64(all[len(all)-1].last-all[run-1].first) + 1; width > maxWidth {
				break
			}
			run--
		}
		if len(all)-run >= x.fanIn {
			return all[run:]
		}
	}
	return nil
}

// mergedElsewhere reports that another process is at it, as far as is known.
func (x *Index) mergedElsewhere(h *head) bool {
	return h.merge != 0 && x.clock().Sub(time.Unix(h.mergeSince, 0)) < mergeLease
}

// merger makes one segment of several.
type merger struct {
	index   *Index
	account store.AccountID
	was     *head
	run     []segment
	out     segment
	alive   bitset // the messages that still are
	rest    func(context.Context, time.Duration)

	started time.Time // of the commit at hand
	rows    []row     // to be written
	size    int       // bytes of them
}

// row is a key with its value.
type row struct{ key, value []byte }

// merge makes one segment of a run of them, without the messages that are gone. It
// is written in several commits, of which the last makes it part of the index.
func (x *Index) merge(ctx context.Context, id store.AccountID, h *head, run []segment, rest func(context.Context, time.Duration)) error {
	m := merger{index: x, account: id, was: h, run: run, rest: rest, started: x.clock()}
	m.out = segment{id: h.lastID + 1, first: run[0].first, last: run[len(run)-1].last}
	if err := m.claim(ctx); err != nil {
		return err
	}
	m.alive = newBitset(m.out.width())
	err := x.store.Account(id).EachContent(ctx, m.out.first, m.out.last, func(e store.EmailID) { m.alive.set(uint64(e - m.out.first)) })
	if err != nil {
		return err
	}
	m.out.messages = uint64(m.alive.count())
	for i := range run {
		for _, g := range run[i].gaps {
			if m.alive.has(uint64(g - m.out.first)) {
				m.out.gaps = append(m.out.gaps, g)
			}
		}
	}
	for f := range numFields {
		if err := m.field(ctx, f); err != nil {
			return err
		}
	}
	return m.update(ctx, m.finish)
}

// claim notes in the head that the segment is being written, and clears away what
// somebody else has begun and not finished.
func (m *merger) claim(ctx context.Context) error {
	return m.index.update(ctx, m.account, func(w kv.Writer, h *head) error {
		if h.generation != m.was.generation || h.lastID != m.was.lastID {
			return errStale
		}
		if h.merge != 0 {
			if err := deleteSegment(w, h.merge); err != nil {
				return err
			}
		}
		h.lastID, h.merge, h.mergeSince = m.out.id, m.out.id, m.index.clock().Unix()
		return nil
	})
}

// update runs fn on the head of an index and writes that back.
func (x *Index) update(ctx context.Context, id store.AccountID, fn func(w kv.Writer, h *head) error) error {
	return x.engine.Update(ctx, []kv.Shard{shardOf(id)}, func(tx kv.Tx) error {
		w := tx.In(shardOf(id))
		h, err := readHead(w)
		if err != nil {
			return err
		}
		if h == nil {
			h = &head{}
		}
		if err := fn(w, h); err != nil {
			return err
		}
		return w.Put(keyHead, h.encode())
	})
}

// update writes the rows, and what else fn changes, if the claim still holds.
func (m *merger) update(ctx context.Context, fn func(w kv.Writer, h *head) error) error {
	err := m.index.update(ctx, m.account, func(w kv.Writer, h *head) error {
		if h.generation != m.was.generation || h.merge != m.out.id {
			return errStale
		}
		for _, r := range m.rows {
			if err := w.Put(r.key, r.value); err != nil {
				return err
			}
		}
		return fn(w, h)
	})
	m.rows, m.size = nil, 0
	m.rest(ctx, m.index.clock().Sub(m.started))
	m.started = m.index.clock()
	return err
}

// finish puts the new segment in the place of the old ones.
func (m *merger) finish(w kv.Writer, h *head) error {
	at := slices.IndexFunc(h.segments, func(s segment) bool { return s.id == m.run[0].id })
	if at < 0 || len(h.segments) < at+len(m.run) || h.segments[at+len(m.run)-1].id != m.run[len(m.run)-1].id {
		return errStale
	}
	for _, s := range m.run {
		if err := deleteSegment(w, s.id); err != nil {
			return err
		}
	}
	h.segments = slices.Replace(slices.Clone(h.segments), at, at+len(m.run), m.out)
	h.merge, h.mergeSince = 0, 0
	return nil
}

func deleteSegment(w kv.Writer, id uint32) error {
	for _, kind := range []byte{dictionaries, postings} {
		p := segmentPrefix(kind, id)
		if err := w.DeleteRange(p, kv.PrefixEnd(p)); err != nil {
			return err
		}
	}
	return nil
}

// field merges the words of one field.
func (m *merger) field(ctx context.Context, f field) error {
	out := blockWriter{emit: func(first, dictionary, lists []byte) error {
		m.rows = append(m.rows, rowsOf(&m.out, f, first, dictionary, lists)...)
		if m.size += len(dictionary) + len(lists); m.size < writeBytes {
			return nil
		}
		return m.update(ctx, func(kv.Writer, *head) error { return nil })
	}}
	cursors := make([]*wordCursor, 0, len(m.run))
	for i := range m.run {
		c := &wordCursor{merger: m, segment: &m.run[i], prefix: fieldPrefix(dictionaries, m.run[i].id, f)}
		ok, err := c.next(ctx)
		if err != nil {
			return err
		}
		if ok {
			cursors = append(cursors, c)
		}
	}
	var word, list []byte
	for len(cursors) > 0 {
		word = append(word[:0], least(cursors)...)
		var err error
		if list, cursors, err = m.list(ctx, list[:0], word, cursors); err != nil {
			return err
		}
		if len(list) > 0 {
			if err := out.add(word, list); err != nil {
				return err
			}
		}
	}
	return out.flush()
}

// rowsOf are the two rows of a block, which is added to its segment's size.
func rowsOf(s *segment, f field, first, dictionary, lists []byte) []row {
	s.bytes += uint64(len(dictionary) + len(lists))
	return []row{
		{append(fieldPrefix(dictionaries, s.id, f), first...), dictionary},
		{append(fieldPrefix(postings, s.id, f), first...), lists},
	}
}

// least is the first of the words that cursors are at.
func least(cursors []*wordCursor) []byte {
	word := cursors[0].word
	for _, c := range cursors[1:] {
		if bytes.Compare(c.word, word) < 0 {
			word = c.word
		}
	}
	return word
}

// list appends the messages that have a word and brings the cursors that are at it
// to their next one; those that have none are left out.
func (m *merger) list(ctx context.Context, dst, word []byte, cursors []*wordCursor) ([]byte, []*wordCursor, error) {
	next := uint64(0)
	kept := cursors[:0]
	for _, c := range cursors {
		if bytes.Equal(c.word, word) {
			n := uint64(c.segment.first - m.out.first)
			for l := c.list; len(l) > 0; {
				gap, size := binary.Uvarint(l)
				if size <= 0 || gap >= maxWidth || n+gap >= m.out.width() {
					return dst, kept, errLists
				}
				n, l = n+gap, l[size:]
				if m.alive.has(n) {
					dst = binary.AppendUvarint(dst, n-next)
					next = n + 1
				}
				n++
			}
			ok, err := c.next(ctx)
			if err != nil {
				return dst, kept, err
			}
			if !ok {
				continue
			}
		}
		kept = append(kept, c)
	}
	return dst, kept, nil
}

// wordCursor goes through the words of a field of a segment.
type wordCursor struct {
	merger  *merger
	segment *segment
	prefix  []byte // of the keys of its dictionaries

	after      []byte // the key of the block at hand
	dictionary []byte // what is left of it
	lists      lists
	number     uint32 // of the next word in the block
	word, list []byte
}

// next goes to the next word; false if there is none.
func (c *wordCursor) next(ctx context.Context) (bool, error) {
	if len(c.dictionary) <= 1 {
		if ok, err := c.block(ctx); !ok || err != nil {
			return false, err
		}
	}
	end := 1 + bytes.IndexByte(c.dictionary[1:], '\n')
	last := c.word
	c.word, c.dictionary = c.dictionary[1:end], c.dictionary[end:]
	if bytes.Compare(last, c.word) >= 0 {
		return false, fault.New(fault.Corrupt, "search: the words of a dictionary are out of order")
	}
	var err error
	c.list, err = c.lists.list(c.number)
	c.number++
	return true, err
}

// block reads the next block; false if there is none.
func (c *wordCursor) block(ctx context.Context) (ok bool, err error) {
	rg := kv.Prefix(c.prefix)
	rg.Limit = 1
	if c.after != nil {
		rg.From = append(bytes.Clone(c.after), 0)
	}
	err = c.merger.index.engine.View(ctx, shardOf(c.merger.account), func(r kv.Reader) error {
		var key, dictionary []byte
		ok = false
		err := r.Scan(rg, func(k, v []byte) bool {
			key, dictionary = bytes.Clone(k), bytes.Clone(v)
			return false
		})
		if err != nil || key == nil {
			return err
		}
		at := append([]byte{postings}, key[1:]...)
		v, found, err := r.Get(at)
		if err == nil && !found {
			err = errLists
		}
		if err != nil {
			return err
		}
		if c.dictionary, err = openDictionary(dictionary); err != nil {
			return err
		}
		c.lists, err = openLists(bytes.Clone(v))
		c.after, c.number, ok = key, 0, true
		return err
	})
	return ok, err
}
