package smtpwire

import "bytes"

// DotReader finds the message in the bytes that follow DATA: it ends the message
// at CRLF.CRLF and nowhere else, and takes the stuffed dots out (RFC 5321 §4.5.2).
//
// A lone CR or LF is data like any other byte: it ends no line, so a dot after it
// is neither stuffed nor the end. But it is reported, for a server that passed such
// a message on could be the half of a smuggler's pair (RFC 5321 §2.3.8, §4.1.1.4).
//
// The zero DotReader is ready to use, for one message.
type DotReader struct {
	BareCR, BareLF bool // one was seen
	state          dotState
}

type dotState uint8

const (
	lineStart  dotState = iota // at the beginning, or behind CRLF
	inLine                     // within a line
	afterCR                    // behind a CR within a line
	afterDot                   // behind a dot at the start of a line: stuffed, or the end
	afterDotCR                 // behind ".CR": the CR is held back until it is known which
)

// heldCR is the CR of a line that begins with ".CR" but does not end there.
var heldCR = []byte{'\r'}

// Feed takes the next bytes of the connection. It returns the first stretch of
// message in them, a part of p, and how many bytes of p it has dealt with; the
// caller feeds the rest again until all are consumed or the message is done. Bytes
// after the end are not consumed.
func (d *DotReader) Feed(p []byte) (out []byte, consumed int, done bool) {
	for i := 0; i < len(p); {
		switch d.state {
		case lineStart:
			if p[i] == '.' {
				d.state = afterDot
				return p[:i], i + 1, false
			}
			d.state = inLine
		case afterDot:
			if p[i] == '\r' {
				d.state = afterDotCR
				return nil, 1, false
			}
			d.state = inLine
		case afterDotCR:
			if p[i] == '\n' {
				return nil, 1, true
			}
			d.BareCR = true
			d.state = inLine
			return heldCR, 0, false
		case afterCR:
			if p[i] == '\n' {
				d.state = lineStart
				i++
			} else {
				d.BareCR = true
				d.state = inLine
			}
		case inLine:
			i += d.line(p[i:])
		}
	}
	return p, len(p), false
}

// line passes over bytes up to and including the next CR.
func (d *DotReader) line(p []byte) int {
	n := bytes.IndexByte(p, '\r')
	if n < 0 {
		n = len(p)
	} else {
		d.state = afterCR
	}
	if !d.BareLF && bytes.IndexByte(p[:n], '\n') >= 0 {
		d.BareLF = true
	}
	return min(n+1, len(p))
}
