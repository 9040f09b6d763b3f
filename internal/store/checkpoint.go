package store

import (
	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// A checkpoint is the chunks of a mailbox as of mailbox.checkpoint. It is brought
// up to date when the feed after it has grown so heavy that replaying it would cost
// more than reading it: so neither a delivery nor opening a mailbox ever pays for
// more than a bounded part of the feed, and a change of flags of any range is one
// record.

// When the feed after the checkpoint has so many records, or replaying it would touch
// so many messages (besides a share of the mailbox, as a checkpoint costs that much
// itself), it is time for the next.
const (
	checkpointRecords  = 512
	checkpointMessages = 32 << 10
	checkpointShare    = 8 // times the number of messages
)

// backlog weighs the feed after a checkpoint.
type backlog struct{ records, messages uint64 }

func (l *backlog) add(f *feedRecord) {
	l.records++
	for i := range f.changes {
		l.messages += f.changes[i].messages()
	}
}

// due reports whether a mailbox of this size needs a checkpoint.
func (l *backlog) due(messages uint32) bool {
	return l.records >= checkpointRecords || l.messages >= checkpointMessages+checkpointShare*uint64(messages)
}

const chunkVersion = 3 // 2: without when they were saved; 1: without content and zone, too

func (c *chunk) encode() []byte {
	first := c.entries[0]
	e := record.NewEncoder(32 + 12*len(c.entries))
	e.Byte(chunkVersion)
	e.Uint(uint64(len(c.entries)))
	e.Uint(uint64(first.ModSeq))
	e.Int(first.InternalDate)
	last := first
	last.Content, last.Saved = 0, 0
	for _, m := range c.entries {
		e.Byte(byte(m.UID))
		e.Uint(uint64(m.Flags))
		e.Uint(uint64(m.Size))
		e.Int(int64(m.ModSeq - last.ModSeq))
		e.Int(m.InternalDate - last.InternalDate)
		e.Int(int64(m.Content) - int64(last.Content))
		e.Int(int64(m.Zone))
		e.Int(int64(m.Saved) - int64(last.Saved))
		last = m
	}
	return e.Record()
}

func decodeChunk(number uint32, b []byte) (*chunk, error) {
	d := record.NewDecoder(b)
	version, err := d.Version(chunkVersion, "store: a chunk of a checkpoint")
	if err != nil {
		return nil, err
	}
	c := &chunk{number: number, entries: make([]Entry, d.Count(5))}
	modSeq, date := ModSeq(d.Uint()), d.Int()
	var content, saved int64
	for i := range c.entries {
		e := &c.entries[i]
		e.UID = UID(number<<chunkBits | uint32(d.Byte()))
		e.Flags = Flags(d.Uint())
		e.Size = uint32(d.Uint())
		modSeq += ModSeq(d.Int())
		date += d.Int()
		e.ModSeq, e.InternalDate = modSeq, date
		if e.Zone = UnknownZone; version > 1 {
			content += d.Int()
			e.Content, e.Zone = EmailID(content), int16(d.Int())
		}
		if version > 2 {
			saved += d.Int()
			e.Saved = uint32(saved)
		}
	}
	c.count()
	return c, d.Done("store: a chunk of a checkpoint")
}

// readChunks reads the checkpoint's chunks with numbers in [first, last].
func readChunks(r kv.Reader, id MailboxID, first, last uint32) ([]*chunk, error) {
	rg := kv.Range{From: keyChunk(id, first), To: kv.PrefixEnd(keyChunk(id, last))}
	if last == ^uint32(0) {
		rg.To = kv.PrefixEnd(mailboxPrefix('K', id))
	}
	var chunks []*chunk
	err := scan(r, rg, func(k, v []byte) error {
		c, err := decodeChunk(uint32(uidOf(k)), v)
		chunks = append(chunks, c)
		return err
	})
	return chunks, err
}

// readFeed reads a mailbox's feed after a MODSEQ.
func readFeed(r kv.Reader, id MailboxID, after ModSeq) ([]*feedRecord, error) {
	var feed []*feedRecord
	rg := kv.Range{From: keyFeed(id, after+1), To: kv.PrefixEnd(mailboxPrefix('F', id))}
	err := scan(r, rg, func(k, v []byte) error {
		f, err := decodeFeed(modSeqOf(k), v)
		feed = append(feed, f)
		return err
	})
	return feed, err
}

// writeCheckpoint replays the feed since the last checkpoint into the chunks that
// it touches, and no others.
func writeCheckpoint(w kv.Writer, m *mailbox) error {
	feed, err := readFeed(w, m.ID, m.checkpoint)
	if err != nil {
		return err
	}
	chunks, err := touchedChunks(w, m.ID, feed)
	if err != nil {
		return err
	}
	ed := newEditor(chunks, nil)
	for _, f := range feed {
		for i := range f.changes {
			ed.apply(&f.changes[i], f.modSeq)
		}
	}
	for i, c := range ed.chunks {
		switch {
		case !ed.owned[i]:
			continue
		case len(c.entries) == 0:
			err = w.Delete(keyChunk(m.ID, c.number))
		default:
			err = w.Put(keyChunk(m.ID, c.number), c.encode())
		}
		if err != nil {
			return err
		}
	}
	m.checkpoint, m.backlog = m.HighestModSeq, backlog{}
	return nil
}

// touchedChunks reads the chunks that these changes may touch.
func touchedChunks(r kv.Reader, id MailboxID, feed []*feedRecord) ([]*chunk, error) {
	var touched []UIDRange
	for _, f := range feed {
		for _, ch := range f.changes {
			for _, u := range ch.uids {
				touched = append(touched, UIDRange{UID(chunkOf(u.First)), UID(chunkOf(u.Last))})
			}
			if n := len(ch.added); n > 0 {
				touched = append(touched, UIDRange{UID(chunkOf(ch.added[0].UID)), UID(chunkOf(ch.added[n-1].UID))})
			}
		}
	}
	var all []*chunk
	for _, t := range normalize(touched) {
		chunks, err := readChunks(r, id, uint32(t.First), uint32(t.Last))
		if err != nil {
			return nil, err
		}
		all = append(all, chunks...)
	}
	return all, nil
}
