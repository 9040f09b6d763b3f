package message

import (
	"bytes"
	"io"
)

// NewCRLFWriter gives a writer that turns every bare LF into CRLF on its way
// to w, also when a line end is cut by the border of two writes. CRLF and bare
// CR pass as they are.
func NewCRLFWriter(w io.Writer) io.Writer { return &crlfWriter{w: w} }

type crlfWriter struct {
	w       io.Writer
	afterCR bool // the byte before the next one was a CR
	buf     []byte
}

// Write hands on as few pieces as it can: p itself if it needs no change, one
// buffer of about its size otherwise.
func (c *crlfWriter) Write(p []byte) (int, error) {
	at := nextBareLF(p, 0, c.afterCR)
	if len(p) > 0 {
		c.afterCR = p[len(p)-1] == '\r'
	}
	if at < 0 {
		return c.w.Write(p)
	}
	c.buf = c.buf[:0]
	from := 0
	for ; at >= 0; at = nextBareLF(p, at+1, false) {
		c.buf = append(append(c.buf, p[from:at]...), '\r', '\n')
		from = at + 1
	}
	c.buf = append(c.buf, p[from:]...)
	if _, err := c.w.Write(c.buf); err != nil {
		return 0, err // how much of p was in the part that went through cannot be said
	}
	return len(p), nil
}

// nextBareLF finds the first LF at or after from that no CR precedes. afterCR
// says whether a CR precedes p[0].
func nextBareLF(p []byte, from int, afterCR bool) int {
	for {
		i := bytes.IndexByte(p[from:], '\n')
		if i < 0 {
			return -1
		}
		i += from
		if i == 0 && !afterCR || i > 0 && p[i-1] != '\r' {
			return i
		}
		from = i + 1
	}
}
