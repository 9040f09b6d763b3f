package store

import (
	"slices"
	"sort"
)

// editor makes the next state of a mailbox's chunks out of the last, copying only
// the chunks that change.
type editor struct {
	chunks []*chunk
	owned  []bool // chunks[i] was made by this editor and may be changed
}

func newEditor(chunks []*chunk) *editor {
	return &editor{chunks: slices.Clone(chunks), owned: make([]bool, len(chunks))}
}

// apply replays one change.
func (ed *editor) apply(ch *change, modSeq ModSeq) {
	switch ch.kind {
	case messagesAdded:
		for _, e := range ch.added {
			e.ModSeq = modSeq
			ed.add(e)
		}
	case flagsAdded, flagsRemoved, flagsSet, flagsReplaced:
		ed.each(ch.uids, func(c *chunk, from, to int) {
			for i := from; i < to; i++ {
				e := &c.entries[i]
				e.Flags, e.ModSeq = ch.changed(e.Flags), modSeq
			}
		})
	case messagesGone:
		ed.each(ch.uids, func(c *chunk, from, to int) {
			c.entries = slices.Delete(c.entries, from, to)
		})
	}
}

// add appends a message, whose UID is above all others.
func (ed *editor) add(e Entry) {
	n := chunkOf(e.UID)
	if last := len(ed.chunks) - 1; last < 0 || ed.chunks[last].number != n {
		ed.chunks = append(ed.chunks, &chunk{number: n})
		ed.owned = append(ed.owned, true)
	}
	c := ed.own(len(ed.chunks) - 1)
	c.entries = append(c.entries, e)
}

// own makes a chunk changeable.
func (ed *editor) own(i int) *chunk {
	if !ed.owned[i] {
		c := *ed.chunks[i]
		c.entries = slices.Clone(c.entries)
		ed.chunks[i], ed.owned[i] = &c, true
	}
	return ed.chunks[i]
}

// each calls fn for the runs entries[from:to] of messages in these ranges.
func (ed *editor) each(rs ranges, fn func(c *chunk, from, to int)) {
	for _, r := range rs {
		first, last := chunkOf(r.First), chunkOf(r.Last)
		i := sort.Search(len(ed.chunks), func(i int) bool { return ed.chunks[i].number >= first })
		for ; i < len(ed.chunks) && ed.chunks[i].number <= last; i++ {
			entries := ed.chunks[i].entries
			from := sort.Search(len(entries), func(k int) bool { return entries[k].UID >= r.First })
			to := sort.Search(len(entries), func(k int) bool { return entries[k].UID > r.Last })
			if from < to {
				fn(ed.own(i), from, to)
			}
		}
	}
}

// finish seals the chunks: those without messages are left out.
func (ed *editor) finish() []*chunk {
	out := ed.chunks[:0]
	for i, c := range ed.chunks {
		if ed.owned[i] {
			c.count()
		}
		if len(c.entries) > 0 {
			out = append(out, c)
		}
	}
	ed.chunks, ed.owned = nil, nil
	return out
}

func (c *chunk) count() {
	c.unseen, c.newest = 0, 0
	for i := range c.entries {
		e := &c.entries[i]
		if e.Flags&Seen == 0 {
			c.unseen++
		}
		c.newest = max(c.newest, e.ModSeq)
	}
}

// snapshot makes the snapshot of a mailbox out of its record and its chunks.
func (m *mailbox) snapshot(chunks []*chunk) *Snapshot {
	s := &Snapshot{
		id: m.ID, uidValidity: m.UIDValidity, uidNext: m.UIDNext, modSeq: m.HighestModSeq,
		keywords: m.keywords, chunks: chunks, starts: make([]uint32, len(chunks)+1),
	}
	for i, c := range chunks {
		s.starts[i+1] = s.starts[i] + uint32(len(c.entries))
	}
	return s
}
