package search

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"posthorn/internal/fault"
)

// The words of one field of a segment are sorted and lie in blocks, each in two
// values: the dictionary, where every word stands between line ends, so that a search
// inside words is one search in a text; and the lists that say which messages have
// each of its words. A list is the distances between the numbers of its messages.
//
//	dictionary  crc32c (4 bytes), LF, word, LF, word, LF, …
//	lists       crc32c (4 bytes), number of lists, their lengths, the lists
const (
	dictionaryBytes = 64 << 10  // a block ends when its dictionary or
	listsBytes      = 128 << 10 // its lists have become so large
)

const checksum = 4 // bytes before everything else

func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[checksum:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// unseal gives what seal has sealed.
func unseal(b []byte) ([]byte, error) {
	if len(b) < checksum || binary.BigEndian.Uint32(b) != crc32.Checksum(b[checksum:], crc32.MakeTable(crc32.Castagnoli)) {
		return nil, fault.New(fault.Corrupt, "search: a block does not match its checksum")
	}
	return b[checksum:], nil
}

// openDictionary reads a dictionary: words between line ends.
func openDictionary(b []byte) ([]byte, error) {
	d, err := unseal(b)
	if err == nil && (len(d) < 2 || d[0] != '\n' || d[len(d)-1] != '\n') {
		err = fault.New(fault.Corrupt, "search: a dictionary does not decode")
	}
	return d, err
}

// matches appends the numbers of the words of a dictionary that a pattern is in.
func matches(dst []uint32, dictionary, pattern []byte) []uint32 {
	number, from := 0, 0 // from is the line end before word number
	for {
		at := bytes.Index(dictionary[from:], pattern)
		if at < 0 {
			return dst
		}
		at += from
		word := at // the line end before the word that matches
		if pattern[0] != '\n' {
			word = from + bytes.LastIndexByte(dictionary[from:at], '\n')
		}
		number += bytes.Count(dictionary[from:word], []byte{'\n'})
		dst = append(dst, uint32(number))
		from = word + 1
		end := bytes.IndexByte(dictionary[from:], '\n')
		if end < 0 {
			return dst
		}
		from += end
		number++
	}
}

// lists are the lists of a block.
type lists struct {
	lengths, bodies []byte
	left            uint64 // lists after the last one that was taken
	next            uint32 // the number of the list at which the slices begin
}

func openLists(b []byte) (lists, error) {
	b, err := unseal(b)
	if err != nil {
		return lists{}, err
	}
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)) {
		return lists{}, errLists
	}
	l := lists{lengths: b[size:], left: n}
	rest := l.lengths
	for range n {
		_, size := binary.Uvarint(rest)
		if size <= 0 {
			return lists{}, errLists
		}
		rest = rest[size:]
	}
	l.lengths, l.bodies = l.lengths[:len(l.lengths)-len(rest)], rest
	return l, nil
}

var errLists = fault.New(fault.Corrupt, "search: the lists of a block do not decode")

// list gives a list. They have to be asked for in ascending order.
func (l *lists) list(number uint32) ([]byte, error) {
	for ; l.left > 0; l.left-- {
		length, size := binary.Uvarint(l.lengths)
		if size <= 0 || length > uint64(len(l.bodies)) {
			return nil, errLists
		}
		list := l.bodies[:length]
		l.lengths, l.bodies = l.lengths[size:], l.bodies[length:]
		l.next++
		if l.next == number+1 {
			l.left--
			return list, nil
		}
	}
	return nil, errLists
}

// bitset is a set of messages by their number in a segment.
type bitset []uint64

func newBitset(n uint64) bitset { return make(bitset, (n+63)/64) }

func (s bitset) has(n uint64) bool { return s[n/64]&(1<<(n%64)) != 0 }

func (s bitset) set(n uint64) { s[n/64] |= 1 << (n % 64) }

func (s bitset) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

func (s bitset) count() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s bitset) intersect(t bitset) {
	for i := range s {
		s[i] &= t[i]
	}
}

func (s bitset) unite(t bitset) {
	for i := range s {
		s[i] |= t[i]
	}
}

// addList adds the messages of a list.
func (s bitset) addList(list []byte) error {
	n := uint64(0)
	limit := uint64(len(s)) * 64
	for len(list) > 0 {
		gap, size := uint64(list[0]), 1
		if gap >= 0x80 {
			gap, size = binary.Uvarint(list)
		}
		if n += gap; size <= 0 || gap >= limit || n >= limit {
			return errLists
		}
		s.set(n)
		n++
		list = list[size:]
	}
	return nil
}

// blockWriter makes blocks of words that come sorted.
type blockWriter struct {
	emit func(first, dictionary, lists []byte) error

	first      []byte
	dictionary []byte
	lengths    []byte
	bodies     []byte
	words      uint64
}

// add takes the next word and its list.
func (w *blockWriter) add(word, list []byte) error {
	if len(w.dictionary)+len(word) > dictionaryBytes || len(w.bodies)+len(list) > listsBytes {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if w.words == 0 {
		w.first = append(w.first[:0], word...)
		w.dictionary = append(make([]byte, checksum, dictionaryBytes/4), '\n')
	}
	w.dictionary = append(append(w.dictionary, word...), '\n')
	w.lengths = binary.AppendUvarint(w.lengths, uint64(len(list)))
	w.bodies = append(w.bodies, list...)
	w.words++
	return nil
}

// flush ends the block that has been begun, if any.
func (w *blockWriter) flush() error {
	if w.words == 0 {
		return nil
	}
	b := make([]byte, checksum, checksum+binary.MaxVarintLen32+len(w.lengths)+len(w.bodies))
	b = binary.AppendUvarint(b, w.words)
	b = append(append(b, w.lengths...), w.bodies...)
	err := w.emit(w.first, seal(w.dictionary), seal(b))
	w.lengths, w.bodies, w.words = w.lengths[:0], w.bodies[:0], 0
	w.dictionary = nil
	return err
}
