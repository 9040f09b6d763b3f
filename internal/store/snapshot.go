package store

import (
	"sort"
	"strings"
)

// Snapshot is a mailbox's messages at one moment: UIDs, flags, sizes and dates. It
// never changes, so any number of sessions share it without locks, and two
// snapshots of a mailbox share the chunks in which they do not differ.
type Snapshot struct {
	id          MailboxID
	uidValidity uint32
	uidNext     UID
	modSeq      ModSeq
	keywords    []string
	chunks      []*chunk // by number, none empty
	starts      []uint32 // starts[i] is how many messages are before chunk i; one more than chunks
}

// chunkBits: a chunk holds the UIDs that agree above this many low bits.
const chunkBits = 8

// chunk is a run of neighbouring messages. It is shared, and never changes.
type chunk struct {
	number  uint32 // UID >> chunkBits
	unseen  uint32
	newest  ModSeq  // the highest of its messages
	entries []Entry // by UID
}

func chunkOf(u UID) uint32 { return uint32(u) >> chunkBits }

// Mailbox is the mailbox's number.
func (s *Snapshot) Mailbox() MailboxID { return s.id }

// UIDValidity is the mailbox's UIDVALIDITY.
func (s *Snapshot) UIDValidity() uint32 { return s.uidValidity }

// UIDNext is above every UID given out so far.
func (s *Snapshot) UIDNext() UID { return s.uidNext }

// ModSeq is the mailbox's HIGHESTMODSEQ.
func (s *Snapshot) ModSeq() ModSeq { return s.modSeq }

// Keywords is the mailbox's table of keywords, in the order of their bits in Flags.
// It must not be changed.
func (s *Snapshot) Keywords() []string { return s.keywords }

// FlagNames names the flags of one of its messages.
func (s *Snapshot) FlagNames(f Flags) []string { return f.Names(nil, s.keywords) }

// Len is the number of messages.
func (s *Snapshot) Len() int { return int(s.starts[len(s.chunks)]) }

// At gives the message with a sequence number, which must be in [1, Len()].
func (s *Snapshot) At(seq int) Entry {
	c := s.chunkAt(seq)
	return s.chunks[c].entries[seq-1-int(s.starts[c])]
}

// chunkAt is the index of the chunk that holds a sequence number.
func (s *Snapshot) chunkAt(seq int) int {
	return sort.Search(len(s.chunks), func(i int) bool { return int(s.starts[i+1]) >= seq })
}

// Seq gives the sequence number of a UID, if it is in the mailbox.
func (s *Snapshot) Seq(uid UID) (seq int, ok bool) {
	seq = s.SeqFrom(uid)
	return seq, seq <= s.Len() && s.At(seq).UID == uid
}

// SeqFrom is the lowest sequence number whose UID is at least uid; Len()+1 if there is none.
func (s *Snapshot) SeqFrom(uid UID) int {
	n := chunkOf(uid)
	c := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i].number >= n })
	if c == len(s.chunks) {
		return s.Len() + 1
	}
	entries := s.chunks[c].entries
	return int(s.starts[c]) + 1 + sort.Search(len(entries), func(i int) bool { return entries[i].UID >= uid })
}

// Each calls fn for the messages with sequence numbers in [from, to], until it returns false.
func (s *Snapshot) Each(from, to int, fn func(seq int, e Entry) bool) {
	from, to = max(from, 1), min(to, s.Len())
	if from > to {
		return
	}
	for c := s.chunkAt(from); c < len(s.chunks); c++ {
		start := int(s.starts[c]) + 1
		entries := s.chunks[c].entries
		for i := max(from-start, 0); i < len(entries); i++ {
			if start+i > to || !fn(start+i, entries[i]) {
				return
			}
		}
	}
}

// EachUID calls fn for the messages whose UIDs are in these ranges, until it returns false.
func (s *Snapshot) EachUID(rs []UIDRange, fn func(seq int, e Entry) bool) {
	for _, r := range normalize(rs) {
		more := true
		s.Each(s.SeqFrom(r.First), s.Len(), func(seq int, e Entry) bool {
			if e.UID > r.Last {
				return false
			}
			more = fn(seq, e)
			return more
		})
		if !more {
			return
		}
	}
}

// EachSince is EachUID for the messages that have changed after a MODSEQ. Runs of
// messages of which none has cost next to nothing.
func (s *Snapshot) EachSince(rs []UIDRange, since ModSeq, fn func(seq int, e Entry) bool) {
	if since >= s.modSeq {
		return
	}
	for _, r := range normalize(rs) {
		c := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i].number >= chunkOf(r.First) })
		for ; c < len(s.chunks) && s.chunks[c].number <= chunkOf(r.Last); c++ {
			if s.chunks[c].newest <= since {
				continue
			}
			for i, e := range s.chunks[c].entries {
				if e.ModSeq > since && e.UID >= r.First && e.UID <= r.Last && !fn(int(s.starts[c])+i+1, e) {
					return
				}
			}
		}
	}
}

// Unseen counts the messages without \Seen.
func (s *Snapshot) Unseen() int {
	n := 0
	for _, c := range s.chunks {
		n += int(c.unseen)
	}
	return n
}

// EachUnseen calls fn for the messages without \Seen, until it returns false.
func (s *Snapshot) EachUnseen(fn func(seq int, e Entry) bool) {
	for i, c := range s.chunks {
		if c.unseen == 0 {
			continue
		}
		for j, e := range c.entries {
			if e.Flags&Seen == 0 && !fn(int(s.starts[i])+j+1, e) {
				return
			}
		}
	}
}

// FirstUnseen is the sequence number of the first message without \Seen; 0 if there is none.
func (s *Snapshot) FirstUnseen() int {
	first := 0
	s.EachUnseen(func(seq int, _ Entry) bool {
		first = seq
		return false
	})
	return first
}

// FlagNamed is the bit of a flag's name in this mailbox; 0 if no message can have it.
func (s *Snapshot) FlagNamed(name string) Flags {
	if f, ok := systemFlag(name); ok {
		return f
	}
	return keywordBit(s.keywords, name)
}

// keywordBit finds a keyword, in any case; 0 if it is not in the table.
func keywordBit(table []string, name string) Flags {
	for i, k := range table {
		if strings.EqualFold(k, name) {
			return 1 << (firstKeyword + i)
		}
	}
	return 0
}

// entrySize is the memory of an Entry, chunkSize that of a chunk besides.
const entrySize, chunkSize = 40, 72

// bytes is about how much memory the snapshot holds alone.
func (s *Snapshot) bytes() int64 {
	return int64(s.Len())*entrySize + int64(len(s.chunks))*chunkSize + 256
}
