package pop3d

import (
	"bytes"
	"errors"
	"io"
	"strconv"
)

// multiline writes a message as a multi-line response (RFC 1939 §3): the status
// line before its first byte, lines that begin with a dot with another one, and in
// the end CRLF, if the message lacks it, and the final dot.
//
// The store's messages have CRLF as line ends. Should one have a bare LF in spite
// of that, a dot after it is doubled, too: many clients would see a line there,
// and in a single dot the end of the response. A NUL, at which some clients take the
// message to end, is sent as the byte 0x80, as over IMAP. A header without the empty
// line after it gets one: there are clients that wait for it.
//
// Errors of to must stick, as those of a wire.Conn do: not each is looked at.
type multiline struct {
	to     io.Writer
	octets int64 // to be told in the status line; -1: not
	begun  bool
	lost   bool      // the client is gone
	header emptyLine // looks for the end of the header
	last   [2]byte   // what was written last, to see where lines begin and end
	line   [32]byte  // the status line
}

var (
	crlf     = []byte("\r\n")
	blank    = []byte("\r\n\r\n")
	dotLine  = []byte("\n.")
	oneDot   = []byte(".")
	lastLine = []byte(".\r\n")
)

func (m *multiline) begin() {
	if m.begun {
		return
	}
	m.begun, m.last = true, [2]byte{'\r', '\n'}
	line := append(m.line[:0], "+OK"...)
	if m.octets >= 0 {
		line = append(strconv.AppendInt(append(line, ' '), m.octets, 10), " octets"...)
	}
	m.to.Write(append(line, '\r', '\n'))
}

func (m *multiline) Write(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	m.begin()
	if !m.header.found {
		m.header.look(p)
	}
	if bytes.IndexByte(p, 0) >= 0 {
		p = bytes.ReplaceAll(p, []byte{0}, []byte{0x80})
	}
	if m.last[1] == '\n' && p[0] == '.' {
		m.to.Write(oneDot)
	}
	for rest := p; ; {
		i := bytes.Index(rest, dotLine)
		if i < 0 {
			_, err = m.to.Write(rest)
			break
		}
		m.to.Write(rest[:i+2])
		if _, err = m.to.Write(oneDot); err != nil {
			break
		}
		rest = rest[i+2:]
	}
	if err != nil {
		m.lost = true
		return 0, err
	}
	if len(p) == 1 {
		m.last = [2]byte{m.last[1], p[0]}
	} else {
		m.last = [2]byte(p[len(p)-2:])
	}
	return len(p), nil
}

func (m *multiline) end() {
	m.begin()
	if m.last != [2]byte{'\r', '\n'} {
		m.to.Write(crlf)
	}
	if !m.header.found {
		m.to.Write(crlf)
	}
	m.to.Write(lastLine)
}

// emptyLine looks for the first empty line of what comes bit by bit.
type emptyLine struct {
	found bool
	size  int  // bytes of the line under way
	cr    bool // they are but a CR
}

// look goes through the next bytes.
func (l *emptyLine) look(p []byte) {
	if bytes.Contains(p, blank) { // as nearly always, and quick
		l.found = true
		return
	}
	for !l.found {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.begin(p)
			return
		}
		l.end(p[:i])
		p = p[i+1:]
	}
}

// begin takes in a part of a line.
func (l *emptyLine) begin(p []byte) {
	if len(p) > 0 {
		l.cr = l.size == 0 && len(p) == 1 && p[0] == '\r'
		l.size += len(p)
	}
}

// end takes in the last part of a line.
func (l *emptyLine) end(p []byte) {
	l.begin(p)
	l.found = l.size == 0 || l.cr
	l.size, l.cr = 0, false
}

// errEnough is topLines' way to say that it needs no more.
var errEnough = errors.New("pop3d: enough")

// topLines passes on the header of a message, the empty line after it, and some
// more lines.
type topLines struct {
	to     io.Writer
	left   int64 // lines of the body still to be passed on
	header emptyLine
}

func (t *topLines) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) && !t.enough() {
		i := bytes.IndexByte(p[n:], '\n')
		switch {
		case i < 0:
			t.header.begin(p[n:])
			i = len(p) - n - 1
		case t.header.found:
			t.left--
		default:
			t.header.end(p[n : n+i])
		}
		n += i + 1
	}
	if _, err := t.to.Write(p[:n]); err != nil {
		return 0, err
	}
	if t.enough() {
		return n, errEnough
	}
	return n, nil
}

func (t *topLines) enough() bool { return t.header.found && t.left == 0 }
