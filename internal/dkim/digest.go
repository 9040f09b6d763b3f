package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
)

// canonical is a body on its way to a hash, in one of the forms of RFC 6376 §3.4.
type canonical interface {
	write(p []byte)
	sum() []byte // ends it
}

// digest is the hash and the size of a body in one of its forms, for all signatures
// that need this one.
type digest struct {
	canonical
	counted *countedHash
	hash    []byte // once the body has ended
}

func newDigest(relaxed bool) *digest {
	d := &digest{counted: &countedHash{Hash: sha256.New()}}
	if relaxed {
		d.canonical = newRelaxedBody(d.counted)
	} else {
		d.canonical = &simpleBody{to: d.counted}
	}
	return d
}

func (d *digest) sum() (hash []byte, size int64) {
	if d.hash == nil {
		d.hash = d.canonical.sum()
	}
	return d.hash, d.counted.n
}

// countedHash counts what it is given.
type countedHash struct {
	hash.Hash
	n int64
}

func (h *countedHash) Write(p []byte) (int, error) {
	h.n += int64(len(p))
	return h.Hash.Write(p)
}

// simpleBody passes a body on as it is, but for empty lines at its end (RFC 6376
// §3.4.3), of which it keeps the number only.
type simpleBody struct {
	to    hash.Hash
	lines int64 // line ends that have passed since the last text
	cr    bool  // the last byte was CR, and may begin a line end
}

func (b *simpleBody) write(p []byte) {
	for len(p) > 0 {
		switch {
		case b.cr && p[0] == '\n':
			b.lines++
			b.cr, p = false, p[1:]
		case b.cr:
			b.text([]byte{'\r'})
		case p[0] == '\r':
			b.cr, p = true, p[1:]
		default:
			end := textEnd(p)
			b.text(p[:end])
			p = p[end:]
		}
	}
}

// textEnd is where the line ends begin with which p ends; they may go on in what
// comes next.
func textEnd(p []byte) int {
	end := len(p)
	if p[end-1] == '\r' {
		end--
	}
	for end > 2 && bytes.HasSuffix(p[:end], []byte("\r\n")) {
		end -= 2
	}
	return end
}

// text passes on what is not an empty line at the end, and those before it, which
// were not there either.
func (b *simpleBody) text(p []byte) {
	for ; b.lines > 0; b.lines-- {
		b.to.Write([]byte("\r\n")) // a hash never fails
	}
	b.to.Write(p)
	b.cr = false
}

func (b *simpleBody) sum() []byte {
	if b.cr {
		b.text([]byte{'\r'})
	}
	b.to.Write([]byte("\r\n"))
	return b.to.Sum(nil)
}
