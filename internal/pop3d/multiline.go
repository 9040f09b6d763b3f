package pop3d

import (
	"bytes"
	"errors"
	"io"
)

// multiline writes a message as a multi-line response (RFC 1939 §3): the status
// line before its first byte, lines that begin with a dot with another one, and in
// the end CRLF, if the message lacks it, and the final dot.
//
// The store's messages have CRLF as line ends. Should one have a bare LF in spite
// of that, a dot after it is doubled, too: many clients would see a line there,
// and in a single dot the end of the response.
//
// Errors of to must stick, as those of a wire.Conn do: not each is looked at.
type multiline struct {
	to    io.Writer
	head  reply
	begun bool
	lost  bool    // the client is gone
	last  [2]byte // what was written last, to see where lines begin and end
}

func (m *multiline) begin() {
	if !m.begun {
		m.begun, m.last = true, [2]byte{'\r', '\n'}
		io.WriteString(m.to, string(m.head)+"\r\n")
	}
}

func (m *multiline) Write(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	m.begin()
	if m.last[1] == '\n' && p[0] == '.' {
		io.WriteString(m.to, ".")
	}
	for rest := p; ; {
		i := bytes.Index(rest, []byte("\n."))
		if i < 0 {
			_, err = m.to.Write(rest)
			break
		}
		m.to.Write(rest[:i+2])
		if _, err = io.WriteString(m.to, "."); err != nil {
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
		io.WriteString(m.to, "\r\n")
	}
	io.WriteString(m.to, ".\r\n")
}

// errEnough is topLines' way to say that it needs no more.
var errEnough = errors.New("pop3d: enough")

// topLines passes on the header of a message, the empty line after it, and some
// more lines.
type topLines struct {
	to     io.Writer
	left   int64 // lines of the body still to be passed on
	inBody bool
	line   []byte // the first bytes of the line under way: enough to see if it is empty
}

func (t *topLines) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) && !t.enough() {
		i := bytes.IndexByte(p[n:], '\n')
		if i < 0 {
			t.begin(p[n:])
			n = len(p)
			break
		}
		if t.inBody {
			t.left--
		} else {
			t.begin(p[n : n+i])
			t.inBody = len(t.line) == 0 || string(t.line) == "\r"
			t.line = t.line[:0]
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

func (t *topLines) enough() bool { return t.inBody && t.left == 0 }

// begin adds to the line under way.
func (t *topLines) begin(p []byte) { t.line = append(t.line, p[:min(len(p), 2-len(t.line))]...) }
