package store

import (
	"slices"
	"sort"
)

// editor makes the next state of a mailbox's chunks out of the last, copying only
// the chunks that change.
type editor struct {
	chunks  []*chunk
	starts  []uint32 // as in Snapshot, of the chunks it began with; nil: not known
	owned   []bool   // chunks[i] was made by this editor and may be changed
	resized int      // the chunks before this one have as many messages as they had
	emptied bool     // there are chunks without messages
}

// newEditor begins with the chunks of a snapshot, and their starts where they are known.
func newEditor(chunks []*chunk, starts []uint32) *editor {
	return &editor{chunks: slices.Clone(chunks), starts: starts, owned: make([]bool, len(chunks)), resized: len(chunks)}
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
		ed.each(ch.uids, func(_ int, c *chunk, from, to int) {
			for i := from; i < to; i++ {
				e := &c.entries[i]
				e.Flags, e.ModSeq = ch.changed(e.Flags), modSeq
			}
		})
	case messagesGone:
		ed.each(ch.uids, func(i int, c *chunk, from, to int) {
			c.entries = slices.Delete(c.entries, from, to)
			ed.resized = min(ed.resized, i)
			ed.emptied = ed.emptied || len(c.entries) == 0
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
	ed.resized = min(ed.resized, len(ed.chunks)-1)
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

// each calls fn for the runs chunks[i].entries[from:to] of messages in these ranges.
func (ed *editor) each(rs ranges, fn func(i int, c *chunk, from, to int)) {
	for _, r := range rs {
		first, last := chunkOf(r.First), chunkOf(r.Last)
		i := sort.Search(len(ed.chunks), func(i int) bool { return ed.chunks[i].number >= first })
		for ; i < len(ed.chunks) && ed.chunks[i].number <= last; i++ {
			entries := ed.chunks[i].entries
			from := sort.Search(len(entries), func(k int) bool { return entries[k].UID >= r.First })
			to := sort.Search(len(entries), func(k int) bool { return entries[k].UID > r.Last })
			if from < to {
				fn(i, ed.own(i), from, to)
			}
		}
	}
}

// finish seals the chunks: those without messages are left out. What has not changed is
// not looked at: in a large mailbox that would take longer than the change.
func (ed *editor) finish() (chunks []*chunk, starts []uint32) {
	for i, c := range ed.chunks {
		if ed.owned[i] {
			c.count()
		}
	}
	chunks = ed.chunks
	if ed.emptied {
		chunks = slices.DeleteFunc(chunks, func(c *chunk) bool { return len(c.entries) == 0 })
	}
	if ed.starts != nil && ed.resized == len(chunks) {
		return chunks, ed.starts[:len(chunks)+1]
	}
	starts = make([]uint32, len(chunks)+1)
	same := 0
	if ed.starts != nil {
		same = copy(starts, ed.starts[:ed.resized+1]) - 1
	}
	for i := same; i < len(chunks); i++ {
		starts[i+1] = starts[i] + uint32(len(chunks[i].entries))
	}
	return chunks, starts
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

// snapshot makes the snapshot of a mailbox out of its record and what an editor has made.
func (m *mailbox) snapshot(chunks []*chunk, starts []uint32) *Snapshot {
	return &Snapshot{
		id: m.ID, uidValidity: m.UIDValidity, uidNext: m.UIDNext, modSeq: m.HighestModSeq,
		keywords: m.keywords, chunks: chunks, starts: starts,
	}
}
