package pop3d

import (
	"bytes"
	"errors"
	"io"

	"posthorn/internal/wire"
)

// multiline writes a message as a multi-line response (RFC 1939 §3): the status
// line before its first byte, lines that begin with a dot with another one, and in
// the end CRLF, if the message lacks it, and the final dot.
//
// The store's messages have CRLF as line ends. Should one have a bare LF in spite
// of that, a dot after it is doubled, too: many clients would see a line there,
// and in a single dot the end of the response.
type multiline struct {
	conn  *wire.Conn
	head  reply
	begun bool
	last  [2]byte // what was written last, to see where lines begin and end
}

func (m *multiline) begin() {
	if !m.begun {
		m.begun, m.last = true, [2]byte{'\r', '\n'}
		m.conn.WriteString(string(m.head))
		m.conn.WriteString("\r\n")
	}
}

func (m *multiline) Write(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	m.begin()
	if m.last[1] == '\n' && p[0] == '.' {
		m.conn.WriteString(".")
	}
	for rest := p; ; {
		i := bytes.Index(rest, []byte("\n."))
		if i < 0 {
			_, err = m.conn.Write(rest)
			break
		}
		m.conn.Write(rest[:i+2])
		if _, err = m.conn.WriteString("."); err != nil {
			break
		}
		rest = rest[i+2:]
	}
	if err != nil {
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
		m.conn.WriteString("\r\n")
	}
	m.conn.WriteString(".\r\n")
}

// errEnough is topLines' way to say that it needs no more.
var errEnough = errors.New("pop3d: enough")

// topLines passes on the header of a message, the empty line after it, and some
// more lines.
type topLines struct {
	to     io.Writer
	left   int64 // lines of the body still to be passed on
	inBody bool
	inLine bool // the line under way is not empty
}

func (t *topLines) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) && !t.enough() {
		i := bytes.IndexByte(p[n:], '\n')
		if i < 0 {
			t.inLine = t.inLine || !isEmpty(p[n:])
			n = len(p)
			break
		}
		switch {
		case t.inBody:
			t.left--
		case !t.inLine && isEmpty(p[n:n+i]):
			t.inBody = true
		}
		t.inLine = false
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

func (t *topLines) enough() bool { return t.inBody && t.left == 0 }

// isEmpty reports whether a line, or a piece of one, has nothing but its line end.
func isEmpty(line []byte) bool { return len(line) == 0 || len(line) == 1 && line[0] == '\r' }
