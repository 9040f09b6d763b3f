package dkim

import (
	"hash"
	"io"
)

// relaxedBody passes a body on in its relaxed form (RFC 6376 §3.4.4): blanks at the
// end of lines and empty lines at the end left out, other blanks made one space. Of
// empty lines it keeps the number only, so that its memory does not grow.
type relaxedBody struct {
	to    hash.Hash
	buf   []byte
	lines int  // line ends that have passed since the last text
	blank bool // blanks have passed since then
	cr    bool // the last byte was CR, and may begin a line end
	any   bool // there was text
}

// bodyBuffer is how much goes to the hash at a time.
const bodyBuffer = 1 << 10

func newRelaxedBody(to hash.Hash) *relaxedBody {
	return &relaxedBody{to: to, buf: make([]byte, 0, bodyBuffer)}
}

func (b *relaxedBody) write(p []byte) {
	for i := 0; i < len(p); {
		c := p[i]
		switch {
		case b.cr && c == '\n':
			b.lines++
			b.cr, b.blank = false, false
			i++
		case b.cr: // alone it is text
			b.text([]byte{'\r'})
		case c == '\r':
			b.cr = true
			i++
		case c == ' ' || c == '\t':
			b.blank = true
			i++
		default:
			end := i + 1
			for end < len(p) && p[end] != ' ' && p[end] != '\t' && p[end] != '\r' {
				end++
			}
			b.text(p[i:end])
			i = end
		}
	}
}

// text passes on what is neither a blank nor a line end, and before it what these
// amount to.
func (b *relaxedBody) text(p []byte) {
	b.any, b.cr = true, false
	for ; b.lines > 0; b.lines-- {
		b.room(2)
		b.buf = append(b.buf, '\r', '\n')
	}
	b.room(1 + len(p))
	if b.blank {
		b.buf = append(b.buf, ' ')
		b.blank = false
	}
	if len(p) > cap(b.buf)-len(b.buf) {
		b.flush()
		b.to.Write(p) // a hash never fails
		return
	}
	b.buf = append(b.buf, p...)
}

// room makes place for n bytes in the buffer, if it is so large.
func (b *relaxedBody) room(n int) {
	if len(b.buf)+n > cap(b.buf) {
		b.flush()
	}
}

func (b *relaxedBody) flush() {
	b.to.Write(b.buf)
	b.buf = b.buf[:0]
}

// sum ends the body and gives its hash.
func (b *relaxedBody) sum() []byte {
	if b.cr {
		b.text([]byte{'\r'})
	}
	if b.any {
		b.room(2)
		b.buf = append(b.buf, '\r', '\n')
	}
	b.flush()
	return b.to.Sum(nil)
}

// writeRelaxed writes a field of a header in its relaxed form (RFC 6376 §3.4.2),
// without its line end.
func writeRelaxed(w io.Writer, name, value []byte) {
	line := make([]byte, 0, len(name)+1+len(value))
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		line = append(line, c)
	}
	line = append(line, ':')
	start, blank := len(line), false
	for _, c := range value {
		switch c {
		case ' ', '\t', '\r', '\n':
			blank = true
		default:
			if blank && len(line) > start {
				line = append(line, ' ')
			}
			blank = false
			line = append(line, c)
		}
	}
	_, _ = w.Write(line) // a hash never fails
}
