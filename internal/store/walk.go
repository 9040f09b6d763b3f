package store

import (
	"encoding/binary"

	"posthorn/internal/kv"
)

// What lies by content is read in the order of messages, which is the order of contents
// in a mailbox as mail arrived, and in copies of it: then it is scanned. Otherwise
// each is looked up.
const (
	readAtOnce  = 1024 // messages whose records are asked for together
	lookedUp    = 256  // of them, so many are looked up with one question
	scanFrom    = 32   // so many contents in a row are worth a scan
	nearRecords = 8    // a scan passes over fewer other records than that between two
	nearBodies  = 1    // and over no body
)

// contentReader reads values of one kind, C or B, by content.
type contentReader struct {
	reader kv.Reader
	kind   byte
	near   EmailID
	keys   [][]byte // buffers
	bytes  []byte
}

// each calls fn with the value of each content, nil if there is none, until it
// returns false.
func (c *contentReader) each(emails []EmailID, fn func(i int, value []byte) bool) (more bool, err error) {
	more = true
	for i := 0; i < len(emails) && more && err == nil; {
		n := c.row(emails[i:])
		if n >= scanFrom {
			more, err = c.scan(emails[i:i+n], i, fn)
		} else {
			for i+n < len(emails) && n < lookedUp {
				next := c.row(emails[i+n:])
				if next >= scanFrom {
					break
				}
				n += next
			}
			n = min(n, lookedUp)
			more, err = c.lookUp(emails[i:i+n], i, fn)
		}
		i += n
	}
	return more, err
}

// row is how many of the first ones are in a row.
func (c *contentReader) row(emails []EmailID) int {
	for i := 1; i < len(emails); i++ {
		if emails[i] <= emails[i-1] || emails[i]-emails[i-1] > c.near {
			return i
		}
	}
	return len(emails)
}

// keyOf is a key, made in the buffer.
func (c *contentReader) keyOf(e EmailID) []byte {
	from := len(c.bytes)
	c.bytes = binary.BigEndian.AppendUint64(append(c.bytes, c.kind), uint64(e))
	return c.bytes[from:len(c.bytes):len(c.bytes)]
}

// scan reads contents in a row; from is what fn calls the first.
func (c *contentReader) scan(emails []EmailID, from int, fn func(i int, value []byte) bool) (more bool, err error) {
	next, more := 0, true
	visit := func(value []byte) {
		more = fn(from+next, value)
		next++
	}
	c.bytes = c.bytes[:0]
	first, behind := c.keyOf(emails[0]), c.keyOf(emails[len(emails)-1]+1)
	err = c.reader.Scan(kv.Range{From: first, To: behind}, func(k, v []byte) bool {
		email := EmailID(modSeqOf(k))
		for more && next < len(emails) && emails[next] < email {
			visit(nil)
		}
		if more && next < len(emails) && emails[next] == email {
			visit(v)
		}
		return more && next < len(emails)
	})
	for err == nil && more && next < len(emails) {
		visit(nil)
	}
	return more, err
}

// lookUp reads contents in any order.
func (c *contentReader) lookUp(emails []EmailID, from int, fn func(i int, value []byte) bool) (more bool, err error) {
	c.keys, c.bytes = c.keys[:0], c.bytes[:0]
	for _, e := range emails {
		c.keys = append(c.keys, c.keyOf(e))
	}
	more = true
	err = c.reader.GetEach(c.keys, func(i int, value []byte, ok bool) bool {
		if !ok {
			value = nil
		}
		more = fn(from+i, value)
		return more
	})
	return more, err
}
