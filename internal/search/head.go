package search

import (
	"encoding/binary"
	"strconv"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/record"
	"posthorn/internal/store"
)

// The keys of an index's shard. Numbers are big-endian, so that they sort.
//
//	A                     the head: which segments there are
//	D segment field word  a dictionary; word is its first
//	P segment field word  the lists of its words
var keyHead = []byte{'A'}

const (
	dictionaries byte = 'D'
	postings     byte = 'P'
)

// shards is what the names of all indexes begin with.
const shards = "s/"

func shardOf(id store.AccountID) kv.Shard {
	return kv.Shard(shards + strconv.FormatUint(uint64(id), 36))
}

// accountOf is the account of a shard made by shardOf.
func accountOf(s kv.Shard) (store.AccountID, error) {
	id, err := strconv.ParseUint(string(s)[len(shards):], 36, 64)
	if err != nil {
		return 0, fault.New(fault.Corrupt, "search: shard %q is not an account's: %w", s, err)
	}
	return store.AccountID(id), nil
}

func segmentPrefix(kind byte, segment uint32) []byte {
	return binary.BigEndian.AppendUint32(append(make([]byte, 0, 6), kind), segment)
}

func fieldPrefix(kind byte, segment uint32, f field) []byte {
	return append(segmentPrefix(kind, segment), byte(f))
}

// keyPrefix is how long the keys of blocks are without their words.
const keyPrefix = 6

// field is a part of messages that has words of its own.
type field uint8

const (
	fieldSubject field = iota
	fieldFrom
	fieldTo
	fieldCc
	fieldBcc
	fieldHeader // all of it, by words
	fieldBody
	numFields
)

// fieldNamed finds the header fields of which the values are kept as they are, so
// that whatever is looked for in one is answered by the index alone.
func fieldNamed(name string) (field, bool) {
	switch name {
	case "subject":
		return fieldSubject, true
	case "from":
		return fieldFrom, true
	case "to":
		return fieldTo, true
	case "cc":
		return fieldCc, true
	case "bcc":
		return fieldBcc, true
	}
	return 0, false
}

// segment is a part of an index: the words of the messages with EmailIDs from first
// to last.
type segment struct {
	id          uint32
	first, last store.EmailID
	messages    uint64          // in it when it was written
	bytes       uint64          // of its blocks
	gaps        []store.EmailID // messages that could not be read: they are searched themselves
}

// width is how many EmailIDs a segment spans.
func (s *segment) width() uint64 { return uint64(s.last-s.first) + 1 }

// head is what an index knows of itself.
type head struct {
	generation uint64        // of rebuilding
	lastID     uint32        // the last segment's number given out
	upTo       store.EmailID // all contents up to here are in segments, or gone
	segments   []segment     // ascending
	merge      uint32        // the segment that is being written by merging others; 0: none
	mergeSince int64         // Unix seconds
}

const headVersion = 1

func (h *head) encode() []byte {
	e := record.NewEncoder(64 + 24*len(h.segments))
	e.Byte(headVersion)
	e.Uint(h.generation)
	e.Uint(uint64(h.lastID))
	e.Uint(uint64(h.upTo))
	e.Uint(uint64(h.merge))
	e.Int(h.mergeSince)
	e.Uint(uint64(len(h.segments)))
	for _, s := range h.segments {
		e.Uint(uint64(s.id))
		e.Uint(uint64(s.first))
		e.Uint(uint64(s.last - s.first))
		e.Uint(s.messages)
		e.Uint(s.bytes)
		e.Uint(uint64(len(s.gaps)))
		last := s.first
		for _, g := range s.gaps {
			e.Uint(uint64(g - last))
			last = g
		}
	}
	return e.Record()
}

func decodeHead(b []byte) (h head, err error) {
	d := record.NewDecoder(b)
	if _, err := d.Version(headVersion, "search: the head of an index"); err != nil {
		return h, err
	}
	h.generation, h.lastID, h.upTo = d.Uint(), uint32(d.Uint()), store.EmailID(d.Uint())
	h.merge, h.mergeSince = uint32(d.Uint()), d.Int()
	h.segments = make([]segment, d.Count(6))
	after := store.EmailID(0)
	for i := range h.segments {
		s := &h.segments[i]
		s.id, s.first = uint32(d.Uint()), store.EmailID(d.Uint())
		width := d.Uint()
		s.last = s.first + store.EmailID(width)
		if s.first <= after || width >= maxWidth || s.last > h.upTo {
			d.Fail()
		}
		s.messages, s.bytes = d.Uint(), d.Uint()
		last := s.first
		for range d.Count(1) {
			last += store.EmailID(d.Uint())
			if last > s.last {
				d.Fail()
			}
			s.gaps = append(s.gaps, last)
		}
		after = s.last
	}
	return h, d.Done("search: the head of an index")
}

// readHead reads the head; nil if there is no index.
func readHead(r kv.Reader) (*head, error) {
	b, ok, err := r.Get(keyHead)
	if err != nil || !ok {
		return nil, err
	}
	h, err := decodeHead(b)
	return &h, err
}
