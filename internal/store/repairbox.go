package store

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// A rebuild puts a mailbox together again of which the record, chunks or parts of the feed
// cannot be read. Which messages there are, the references to contents and the notes of
// what was deleted tell; dates and sizes are in their records; flags are in the chunks and
// the feed that are left. UIDs stay, for the references have them. A message whose flags
// may have been lost changes: clients are told what is left of them.
type rebuild struct {
	*mender
	box *mailbox

	entries []Entry      // by UID
	unsure  map[UID]bool // flags were lost, or may have been
	feed    []*feedRecord
	broken  ModSeq // the last record of the feed that cannot be read
	behind  bool   // what came after the checkpoint is not known
	chunks  int    // that cannot be read
	newer   bool   // something is of a newer program, and no damage
}

// ofNewer reports whether a record is in a form that a newer program can have written: then
// it is not damaged, and nothing is to be put in its place.
func ofNewer(b []byte, known byte) bool { return len(b) > 0 && b[0] > known && b[0] < 32 }

// whole reports whether everything of the mailbox can be read.
func (m *mender) whole(box *mailbox) bool {
	snap, err := box.load(m.w, nil)
	if err != nil {
		return false
	}
	feed, err := readFeed(m.w, box.ID, box.feedFloor)
	if err != nil {
		return false
	}
	last := box.feedFloor
	for _, f := range feed {
		last = f.modSeq
	}
	if last != box.HighestModSeq {
		return false
	}
	there := map[uint32]bool{}
	for _, c := range snap.chunks {
		there[c.number] = true
	}
	return !slices.ContainsFunc(m.members[box.ID], func(g departed) bool { return !there[chunkOf(g.uid)] })
}

// load gives the messages of a mailbox, which it puts together again if it has to. The error
// is Corrupt if that is not possible.
func (m *mender) load(box *mailbox) (*Snapshot, error) {
	if m.notes != nil && !m.whole(box) {
		if err := m.rebuild(box); err != nil {
			return nil, err
		}
	}
	return box.load(m.w, nil)
}

// findMembers finds the messages of all mailboxes by the references to their contents.
func (m *mender) findMembers() (err error) {
	if m.notes, err = readNotes(m.w); err != nil {
		return err
	}
	m.members = map[MailboxID][]departed{}
	err = scan(m.w, kv.Prefix([]byte{'E'}), func(k, _ []byte) error {
		p, uid := splitEmailKey(k)
		if !m.notes[p.mailbox].contains(uid) {
			m.members[p.mailbox] = append(m.members[p.mailbox], departed{uid, p.email})
		}
		return nil
	})
	for _, all := range m.members {
		slices.SortFunc(all, func(a, b departed) int { return cmp.Compare(a.uid, b.uid) })
	}
	return err
}

// rebuild makes what cannot be read of a mailbox anew.
func (m *mender) rebuild(box *mailbox) error {
	b := &rebuild{mender: m, box: box, unsure: map[UID]bool{}}
	for _, step := range []func() error{b.readChunks, b.readFeed, b.gather} {
		if err := step(); err != nil || b.newer {
			return err
		}
	}
	for _, f := range b.feed {
		for i := range f.changes {
			b.replay(f, &f.changes[i])
		}
	}
	if b.chunks == 0 && b.broken == 0 && !b.behind {
		if snap, err := box.load(b.w, nil); err != nil || snap.Len() == len(b.entries) {
			return err // nothing is left of what is missing, or it has left unnoted
		}
	}
	known := Flags(1)<<(firstKeyword+len(box.keywords)) - 1
	for i := range b.entries {
		e := &b.entries[i]
		if e.Flags &= known; b.behind {
			b.unsure[e.UID] = true
		}
	}
	if err := b.write(); err != nil {
		return err
	}
	text := fmt.Sprintf("it is put together from what is left: %d messages", len(b.entries))
	if n := len(b.unsure); n > 0 {
		text += fmt.Sprintf("; %d of them may have lost flags", n)
	}
	if b.chunks > 0 {
		text += fmt.Sprintf("; %d chunks of it could not be read", b.chunks)
	}
	if b.broken > 0 {
		text += fmt.Sprintf("; its feed could not be read up to MODSEQ %d", b.broken)
	}
	m.tell(box.Name, "%s", text)
	return nil
}

// readChunks takes over the messages of the chunks that can be read.
func (b *rebuild) readChunks() error {
	return scan(b.w, kv.Prefix(mailboxPrefix('K', b.box.ID)), func(k, v []byte) error {
		c, err := decodeChunk(uint32(uidOf(k)), v)
		if err != nil {
			b.newer = b.newer || ofNewer(v, chunkVersion)
			b.chunks++
			return nil
		}
		b.entries = append(b.entries, c.entries...)
		return nil
	})
}

// readFeed reads what can be read of the feed.
func (b *rebuild) readFeed() error {
	last := b.box.feedFloor
	err := scan(b.w, kv.Prefix(mailboxPrefix('F', b.box.ID)), func(k, v []byte) error {
		f, err := decodeFeed(modSeqOf(k), v)
		last = modSeqOf(k)
		if err != nil {
			b.newer = b.newer || ofNewer(v, feedVersion)
			b.broken, b.behind = last, b.behind || last > b.box.checkpoint
			return nil
		}
		b.feed = append(b.feed, f)
		return nil
	})
	b.behind = b.behind || last != b.box.HighestModSeq
	return err
}

// gather adds the messages that only references tell of. Where changes were lost, what
// nothing refers to has left.
func (b *rebuild) gather() error {
	members := b.members[b.box.ID]
	if b.behind {
		b.entries = slices.DeleteFunc(b.entries, func(e Entry) bool {
			_, is := slices.BinarySearchFunc(members, e.UID, func(g departed, u UID) int { return cmp.Compare(g.uid, u) })
			return !is
		})
	}
	known := len(b.entries)
	for _, g := range members {
		if i := b.from(g.uid, known); i < known && b.entries[i].UID == g.uid {
			continue
		}
		e, ok, err := b.entryOf(g)
		if err != nil {
			return err
		}
		if ok { // otherwise Verify names it
			b.entries = append(b.entries, e)
			b.unsure[e.UID] = true
		}
	}
	slices.SortFunc(b.entries, func(a, b Entry) int { return cmp.Compare(a.UID, b.UID) })
	b.entries = slices.CompactFunc(b.entries, func(a, b Entry) bool { return a.UID == b.UID })
	return nil
}

// entryOf is what a message's record tells of it.
func (b *rebuild) entryOf(g departed) (Entry, bool, error) {
	e := Entry{UID: g.uid}
	for _, own := range []bool{true, false} {
		k := keyContent(g.content)
		if own {
			k = keyRecord(b.box.ID, g.uid)
		}
		raw, ok, err := b.w.Get(k)
		if err != nil {
			return e, false, err
		}
		var rec Record
		if !ok || rec.decode(raw) != nil || rec.EmailID != g.content {
			continue
		}
		e.Size = uint32(rec.Size)
		e.identify(rec.EmailID, rec.InternalDate)
		if !own {
			e.Saved = savedAt(rec.SaveDate.Unix())
		}
		return e, true, nil
	}
	return e, false, nil
}

// from is where among the first n messages those with this UID or a higher one begin.
func (b *rebuild) from(uid UID, n int) int {
	return sort.Search(n, func(i int) bool { return b.entries[i].UID >= uid })
}

// replay repeats a change. Those that the chunks have already do no harm: of each flag the
// last change counts.
func (b *rebuild) replay(f *feedRecord, ch *change) {
	for _, e := range ch.added {
		if i := b.from(e.UID, len(b.entries)); i < len(b.entries) && b.entries[i].UID == e.UID {
			b.entries[i] = e
			delete(b.unsure, e.UID)
		}
	}
	for _, r := range ch.uids {
		first := b.from(r.First, len(b.entries))
		last := first
		for ; last < len(b.entries) && b.entries[last].UID <= r.Last; last++ {
			e := &b.entries[last]
			if e.ModSeq = f.modSeq; ch.kind != messagesGone {
				e.Flags = ch.changed(e.Flags)
			} else {
				delete(b.unsure, e.UID)
			}
		}
		if ch.kind == messagesGone {
			b.entries = slices.Delete(b.entries, first, last)
		}
	}
}

// write stores the mailbox as its checkpoint, and tells in the feed what may have changed.
func (b *rebuild) write() error {
	box := b.box
	if b.behind { // nobody is to go on from before
		b.broken = box.HighestModSeq
	}
	if len(b.unsure) > 0 || b.behind {
		if err := b.announce(); err != nil {
			return err
		}
	}
	box.checkpoint, box.backlog = box.HighestModSeq, backlog{}
	if b.broken > box.feedFloor {
		box.feedFloor = b.broken
	}
	chunks := mailboxPrefix('K', box.ID)
	for _, err := range []error{
		b.w.DeleteRange(keyFeed(box.ID, 0), keyFeed(box.ID, box.feedFloor+1)),
		b.w.DeleteRange(chunks, kv.PrefixEnd(chunks)),
	} {
		if err != nil {
			return err
		}
	}
	for rest := b.entries; len(rest) > 0; {
		c := &chunk{number: chunkOf(rest[0].UID)}
		n := sort.Search(len(rest), func(i int) bool { return chunkOf(rest[i].UID) > c.number })
		c.entries, rest = rest[:n], rest[n:]
		if err := b.w.Put(keyChunk(box.ID, c.number), c.encode()); err != nil {
			return err
		}
	}
	if n := len(b.entries); n > 0 {
		box.UIDNext = max(box.UIDNext, b.entries[n-1].UID+1)
	}
	b.account.store.cache.drop(snapshotKey{b.account.id, box.ID})
	return b.w.Put(keyMailbox(box.ID), box.encode())
}

// announce gives messages of which something may have changed a new MODSEQ.
func (b *rebuild) announce() error {
	b.head.modSeq = max(b.head.modSeq, b.box.HighestModSeq) + 1
	b.changed = true
	b.box.HighestModSeq = b.head.modSeq
	byFlags := map[Flags]*collector{}
	gone := UIDRange{First: 1}
	f := feedRecord{modSeq: b.head.modSeq, time: b.account.store.clock().Unix()}
	left := change{kind: messagesGone}
	for i := range b.entries {
		e := &b.entries[i]
		if gone.Last = e.UID - 1; gone.First <= gone.Last {
			left.uids = append(left.uids, gone)
		}
		gone.First = e.UID + 1
		if !b.unsure[e.UID] {
			continue
		}
		e.ModSeq = f.modSeq
		if byFlags[e.Flags] == nil {
			byFlags[e.Flags] = new(collector)
		}
		byFlags[e.Flags].add(i+1, e.UID)
	}
	if gone.Last = b.box.UIDNext - 1; gone.First <= gone.Last {
		left.uids = append(left.uids, gone)
	}
	if len(left.uids) > 0 {
		f.changes = append(f.changes, left)
	}
	for flags, c := range byFlags {
		f.changes = append(f.changes, change{kind: flagsSet, flags: flags, uids: c.ranges})
	}
	return b.w.Put(keyFeed(b.box.ID, f.modSeq), f.encode())
}

// remakeMailbox makes a mailbox's record anew. What only it had is lost: the keywords, other
// special uses than those of its name, and UIDVALIDITY, so that clients begin afresh.
func (m *mender) remakeMailbox(id MailboxID) (*mailbox, error) {
	box := &mailbox{Mailbox: Mailbox{ID: id}}
	err := scan(m.w, kv.Prefix([]byte{'N'}), func(k, v []byte) error {
		if d := record.NewDecoder(v); MailboxID(d.Uint()) == id {
			box.Name = string(k[1:])
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case id == InboxID:
		box.Name = Inbox
	case box.Name == "":
		box.Name = fmt.Sprintf("Recovered %d", id)
	}
	for _, d := range defaultMailboxes {
		if d.name == box.Name {
			box.SpecialUse = d.use
		}
	}
	box.UIDNext = 1
	if n := len(m.members[id]); n > 0 {
		box.UIDNext = m.members[id][n-1].uid + 1
	}
	if n := len(m.notes[id]); n > 0 {
		box.UIDNext = max(box.UIDNext, m.notes[id][n-1].Last+1)
	}
	box.recentFrom = box.UIDNext
	m.head.uidValidity = max(m.head.uidValidity+1, uint32(m.account.store.clock().Unix()))
	m.head.lastMailbox = max(m.head.lastMailbox, id)
	m.changed = true
	box.UIDValidity, box.HighestModSeq = m.head.uidValidity, m.head.modSeq
	m.tell(box.Name, "its record was missing or damaged, it is made anew: UIDVALIDITY is another, keywords are lost")
	return box, m.rebuild(box)
}

// mendMissing makes records of mailboxes that have a name and messages, but no record.
func (m *mender) mendMissing() error {
	return inBatches(m.w, kv.Prefix([]byte{'N'}), func(k, v []byte) error {
		d := record.NewDecoder(v)
		id := MailboxID(d.Uint())
		if d.Done("store: a mailbox's name") != nil || len(m.members[id]) == 0 && id != InboxID {
			return nil
		}
		if ok, err := m.exists(id); err != nil || ok {
			return err
		}
		return m.mendMailbox(id, nil)
	})
}
