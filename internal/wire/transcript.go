package wire

import (
	"bytes"
	"fmt"
	"io"
)

// transcript writes down what is said, line by line: "C: " what the client said,
// "S: " what we did. What comes from the client is held back until something
// else happens, so that the session can still declare it secret.
type transcript struct {
	to      io.Writer
	pending []byte // heard and not yet written
	secret  bool
}

// Transcript writes down all that is said from now on; nil ends it.
func (c *Conn) Transcript(to io.Writer) {
	if c.transcript != nil {
		c.transcript.settle()
	}
	c.transcript = nil
	if to != nil {
		c.transcript = &transcript{to: to}
	}
}

// Secret says that what comes from the peer is a secret: what was just read, but
// for its first word ("PASS", a tag), and everything until Secret(false).
func (c *Conn) Secret(on bool) {
	if t := c.transcript; t != nil {
		if on && len(t.pending) > 0 {
			word, rest, ok := bytes.Cut(t.pending, []byte{' '})
			if !ok {
				word, rest = nil, t.pending
			}
			t.pending = fmt.Appendf(nil, "%s [%d bytes]\r\n", word, len(rest))
		}
		t.settle()
		t.secret = on
	}
}

func (t *transcript) heard(p []byte) {
	t.settle()
	if t.secret {
		p = fmt.Appendf(nil, "[%d bytes]\r\n", len(p))
	}
	t.pending = append(t.pending, p...)
}

func (t *transcript) said(p []byte) {
	t.settle()
	t.lines("S: ", p)
}

// settle writes what was held back.
func (t *transcript) settle() {
	if len(t.pending) > 0 {
		t.lines("C: ", t.pending)
		t.pending = t.pending[:0]
	}
}

// lines writes p as lines of text. A transcript that cannot be written is no
// reason to disturb the session.
func (t *transcript) lines(who string, p []byte) {
	var b []byte
	for line := range bytes.Lines(p) {
		b = append(b, who...)
		for _, x := range bytes.TrimRight(line, "\r\n") {
			if x < ' ' && x != '\t' || x == 0x7f {
				b = fmt.Appendf(b, `\x%02x`, x)
			} else {
				b = append(b, x)
			}
		}
		b = append(b, '\n')
	}
	t.to.Write(b)
}
