package smtpwire

import "bytes"

// LineReader looks at the line ends of a message that comes in chunks (RFC 3030),
// where nothing is stuffed and nothing is an end, and reports the same as DotReader:
// a lone CR or LF makes a line for one server and none for the next. It changes
// nothing.
//
// The zero LineReader is ready to use, for one message.
type LineReader struct {
	// HeaderOnly is for a binary message: what follows the blank line is not looked at.
	HeaderOnly     bool
	BareCR, BareLF bool // one was seen

	inLine bool // something stands in the line that has not ended
	heldCR bool // a CR was last: whether it is a lone one is not known yet
	done   bool // HeaderOnly, and the header has ended
}

var (
	cr = []byte{'\r'}
	lf = []byte{'\n'}
)

// Feed takes the next bytes of the message.
func (l *LineReader) Feed(p []byte) {
	for len(p) > 0 && !l.done {
		line, rest, ended := bytes.Cut(p, lf)
		p = rest
		if len(line) > 0 {
			l.BareCR = l.BareCR || l.heldCR
			l.inLine = l.inLine || l.heldCR
			line, l.heldCR = bytes.CutSuffix(line, cr)
			l.BareCR = l.BareCR || bytes.IndexByte(line, '\r') >= 0
			l.inLine = l.inLine || len(line) > 0
		}
		if ended {
			l.BareLF = l.BareLF || !l.heldCR
			l.done = l.HeaderOnly && !l.inLine
			l.inLine, l.heldCR = false, false
		}
	}
}

// Finish ends the message. It says whether its last line has no end.
func (l *LineReader) Finish() (unended bool) {
	l.BareCR = l.BareCR || l.heldCR
	return l.inLine || l.heldCR
}
