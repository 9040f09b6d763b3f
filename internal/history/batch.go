package history

import (
	"encoding/binary"
	"strings"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/obs"
	"posthorn/internal/record"
)

// The keys of a day's shard, "h/2026-11-22" in UTC ("h" may be another stream). A batch is written once, and
// belongs to the day of its first event; name is the moment of that in milliseconds
// (8 bytes), the process that wrote it (8 bytes of chance) and a number (4 bytes), so
// that names sort by time and no two processes ever have the same.
//
//	B name   the events: records that build upon each other
//	I name   the index: which tokens they have
const (
	batchKey = 'B'
	indexKey = 'I'
)

const dayFormat = "2006-01-02"

// shardOf is the shard of a day.
func (h *History) shardOf(at time.Time) kv.Shard {
	return kv.Shard(h.prefix + at.UTC().Format(dayFormat))
}

// dayOf is when the day of a shard began.
func (h *History) dayOf(shard kv.Shard) (time.Time, bool) {
	day, err := time.Parse(dayFormat, strings.TrimPrefix(string(shard), h.prefix))
	return day, err == nil
}

// name is the name of a batch.
type name [8 + 8 + 4]byte

func newName(at time.Time, process uint64, number uint32) (n name) {
	binary.BigEndian.PutUint64(n[:], uint64(at.UnixMilli()))
	binary.BigEndian.PutUint64(n[8:], process)
	binary.BigEndian.PutUint32(n[16:], number)
	return n
}

// at is the time of the first event.
func (n name) at() time.Time { return time.UnixMilli(int64(binary.BigEndian.Uint64(n[:]))) }

func (n name) key(kind byte) []byte { return append([]byte{kind}, n[:]...) }

// nameOf is the name in a key; false if that is none of ours.
func nameOf(key []byte) (n name, ok bool) {
	return n, len(key) == 1+len(n) && copy(n[:], key[1:]) == len(n)
}

// What a batch holds at most.
const (
	maxEvents = 1000
	maxBytes  = 128 << 10
)

// batch is events that are written together.
type batch struct {
	name   name
	events int
	last   before
	out    record.Encoder
	marks  []uint32 // not sorted, some of them twice
}

// newBatch makes a batch with room for so many bytes and marks.
func newBatch(n name, bytes, marks int) *batch {
	b := &batch{name: n, out: record.NewEncoder(bytes), marks: make([]uint32, 0, marks)}
	b.out.Byte(batchVersion)
	return b
}

func (b *batch) add(e *obs.Event) {
	b.last.encode(&b.out, e)
	b.events++
	tokens(e, func(t token) { b.marks = append(b.marks, uint32(t)) })
}

func (b *batch) full() bool { return b.events >= maxEvents || len(b.out.Record()) >= maxBytes }

// size is roughly what the batch takes in memory.
func (b *batch) size() int { return len(b.out.Record()) + 4*len(b.marks) }

// copy is the batch as it is now, to be read.
func (b *batch) copy() *batch {
	c := &batch{name: b.name, events: b.events}
	c.out.Raw(b.out.Record())
	return c
}

// put writes the batch.
func (b *batch) put(w kv.Writer) error {
	if err := w.Put(b.name.key(batchKey), b.out.Record()); err != nil {
		return err
	}
	return w.Put(b.name.key(indexKey), encodeIndex(b.marks))
}

// readBatch calls fn with the events of a batch, in their order. Damage is
// fault.Corrupt, and costs what stands behind it.
func readBatch(contents []byte, fn func(*obs.Event)) error {
	d := record.NewTextDecoder(contents)
	if _, err := d.Version(batchVersion, "history: a batch"); err != nil {
		return err
	}
	var last before
	for d.More() {
		e := last.decode(&d)
		if err := d.Done("history: a batch"); err != nil {
			return err
		}
		fn(e)
	}
	return nil
}
