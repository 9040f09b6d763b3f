package inbound

import (
	"bytes"
	"io"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/message"
)

// mender completes the header of a message that a user's program hands in, while it
// passes through to w (RFC 6409 §8.2, §8.3): a From, a Date and a Message-ID are added
// in front if they are missing, for which the header is held back until its end, and the
// blank line behind it. Fields that name blind copies are taken out (RFC 5322 §3.6.3), and so are results of
// checks that claim to be ours (RFC 8601 §5). The end of every line must
// be CRLF.
type mender struct {
	w    io.Writer
	from string // the value of a From that is missing; "": none is added
	date time.Time
	id   string // for the Message-ID, without its brackets

	hostname string // ours

	header   []byte // what is held back
	held     []byte // the line under way, until it is known what it is
	midLine  bool   // its beginning is in the header already
	removed  bool   // the field that it belongs to is taken out
	authored bool   // there was a From
	dated    bool   // there was a Date
	named    bool   // there was a Message-ID
	done     bool   // the header has ended
}

// longestHeld is so much of a line that its field's name is in it, if it has one.
const longestHeld = 2048

// maxHeader is the longest header that a program may hand in, in bytes. It has room
// for thousands of addresses.
const maxHeader = 256 << 10

// Write takes the next bytes of the message. It fails with fault.TooLarge if the
// header has too many, else as w does.
func (m *mender) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !m.done {
		end := bytes.IndexByte(p, '\n') + 1
		complete := end > 0
		if !complete {
			end = len(p)
		}
		m.held, p = append(m.held, p[:end]...), p[end:]
		if complete || len(m.held) >= longestHeld {
			if err := m.line(complete); err != nil {
				return 0, err
			}
		}
	}
	if len(p) > 0 {
		if _, err := m.w.Write(p); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// line looks at what is held: a line of the header, which goes there, a part of one,
// or the first line after it.
func (m *mender) line(complete bool) error {
	line := m.held
	m.held = m.held[:0]
	continued := m.midLine || line[0] == ' ' || line[0] == '\t'
	if !continued {
		name := fieldName(line)
		if name == nil {
			return m.end(line)
		}
		m.removed = bytes.EqualFold(name, []byte("Bcc")) || bytes.EqualFold(name, []byte("Resent-Bcc"))
		m.authored = m.authored || bytes.EqualFold(name, []byte("From"))
		m.dated = m.dated || bytes.EqualFold(name, []byte("Date"))
		m.named = m.named || bytes.EqualFold(name, []byte("Message-ID"))
	}
	m.midLine = !complete
	if m.removed {
		return nil
	}
	if m.header = append(m.header, line...); len(m.header) > maxHeader {
		return fault.New(fault.TooLarge, "inbound: the header has more than %d bytes", maxHeader)
	}
	return nil
}

// fieldName is the name of the field that a line begins; nil: the line begins none.
func fieldName(line []byte) []byte {
	for f := range message.Fields(line) {
		return f.Name
	}
	return nil
}

// end passes the header on, with what was missing; next follows it. Where it is not
// the blank line that ends a header, there is one missing: others would take the
// text for more of the header, or would not know what is signed.
func (m *mender) end(next []byte) error {
	m.done = true
	var b []byte
	if !m.authored && m.from != "" {
		b = append(append(append(b, "From: "...), m.from...), "\r\n"...)
	}
	if !m.dated {
		b = m.date.AppendFormat(append(b, "Date: "...), time.RFC1123Z)
		b = append(b, "\r\n"...)
	}
	if !m.named {
		b = append(append(append(b, "Message-ID: <"...), m.id...), ">\r\n"...)
	}
	b = append(b, withoutResults(m.header, m.hostname)...)
	if len(bytes.TrimRight(next, "\r\n")) > 0 || len(next) == 0 {
		b = append(b, "\r\n"...)
	}
	b = append(b, next...)
	m.header = nil
	_, err := m.w.Write(b)
	return err
}

// finish ends a message whose header may not have ended before.
func (m *mender) finish() error {
	if !m.done && len(m.held) > 0 {
		if err := m.line(true); err != nil {
			return err
		}
	}
	if !m.done {
		return m.end(nil)
	}
	return nil
}
