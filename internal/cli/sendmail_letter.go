package cli

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/message"
)

// letter is a message as a program hands it in: its header, and what follows.
type letter struct {
	header []byte // without the blank line
	body   io.Reader
	err    error // why standard input could not be read to its end
}

// maxLetterHeader is how long a header may be.
const maxLetterHeader = 256 << 10

// readLetter reads the header of a message; dots says that a line with only a dot
// ends it.
func readLetter(in io.Reader, dots bool) (*letter, error) {
	l := &letter{}
	lines := &lineEnds{in: bufio.NewReader(in), dots: dots, start: true, failed: func(err error) { l.err = err }}
	r := bufio.NewReaderSize(lines, 64<<10)
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		switch {
		case err == nil && first && (bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))):
			// Mailbox files have such a line in front.
		case err == nil && isField(line, len(l.header) > 0):
			l.header = append(l.header, line...)
		case err == nil, errors.Is(err, bufio.ErrBufferFull), errors.Is(err, io.EOF):
			// The blank line, or what should stand behind one.
			var text []byte
			if string(line) != "\r\n" {
				text = bytes.Clone(line)
			}
			l.body = io.MultiReader(bytes.NewReader(text), r)
			return l, nil
		default:
			return nil, err
		}
		if len(l.header) > maxLetterHeader {
			return nil, fault.New(fault.Invalid, "the header has more than %d bytes", maxLetterHeader)
		}
	}
}

// isField says that a line is one of a header.
func isField(line []byte, within bool) bool {
	if within && (line[0] == ' ' || line[0] == '\t') {
		return true
	}
	for f := range message.Fields(line) {
		return len(f.Name) > 0
	}
	return false
}

// reader gives the message.
func (l *letter) reader() io.Reader {
	return io.MultiReader(bytes.NewReader(l.header), strings.NewReader("\r\n"), l.body)
}

// recipients are those whom the header names: in the fields of a message that is sent
// once more, if it has such.
func (l *letter) recipients() []string {
	first, again := []string{}, []string{}
	for f := range message.Fields(l.header) {
		name, resent := strings.CutPrefix(strings.ToLower(string(f.Name)), "resent-")
		if name != "to" && name != "cc" && name != "bcc" {
			continue
		}
		for _, a := range message.ParseAddressList(string(f.Value)) {
			text := a.Mailbox
			switch {
			case a.Host == "": // the border of a group
				continue
			case a.Host != message.MissingDomain:
				text = addr.Address{Local: a.Mailbox, Domain: a.Host}.String()
			}
			if resent {
				again = append(again, text)
			} else {
				first = append(first, text)
			}
		}
	}
	if len(again) > 0 {
		return again
	}
	return first
}

// removeBcc takes blind copies out.
func (l *letter) removeBcc() {
	var left []byte
	for f := range message.Fields(l.header) {
		if name := string(f.Name); !strings.EqualFold(name, "Bcc") && !strings.EqualFold(name, "Resent-Bcc") {
			left = append(left, f.Raw...)
		}
	}
	l.header = left
}

// complete adds what a header must have (RFC 5322 §3.6), for a server that takes it
// as it is.
func (l *letter) complete(from string, at time.Time, id string) {
	has := map[string]bool{}
	for f := range message.Fields(l.header) {
		has[strings.ToLower(string(f.Name))] = true
	}
	var front []byte
	if !has["from"] && from != "" {
		front = append(append(append(front, "From: "...), from...), "\r\n"...)
	}
	if !has["date"] {
		front = append(at.AppendFormat(append(front, "Date: "...), time.RFC1123Z), "\r\n"...)
	}
	if !has["message-id"] {
		front = append(append(append(front, "Message-ID: <"...), id...), ">\r\n"...)
	}
	l.header = append(front, l.header...)
}

// lineEnds reads text of whatever line ends, and gives it with CRLF.
type lineEnds struct {
	in     *bufio.Reader
	dots   bool // a line with only a dot is the end
	failed func(error)

	start bool // of a line
	dot   bool // a dot was the first of its line, and may be the only one
	cr    bool // a CR was last
	done  bool
	buf   []byte
	out   []byte // of it, what has not been read yet
}

// Read gives the next bytes.
func (l *lineEnds) Read(p []byte) (int, error) {
	if len(l.out) == 0 {
		l.fill()
	}
	if len(l.out) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.out)
	l.out = l.out[n:]
	return n, nil
}

const lineEndsBuffer = 16 << 10

// fill converts the next bytes.
func (l *lineEnds) fill() {
	l.buf = l.buf[:0]
	for !l.done && len(l.buf) < lineEndsBuffer {
		c, err := l.in.ReadByte()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				l.failed(err)
			}
			l.finish()
			break
		}
		l.next(c)
	}
	l.out = l.buf
}

// next takes one byte.
func (l *lineEnds) next(c byte) {
	if l.cr {
		l.cr = false
		l.endLine()
		if c == '\n' || l.done {
			return
		}
	}
	switch {
	case c == '\r':
		l.cr = true
	case c == '\n':
		l.endLine()
	case c == '.' && l.start && l.dots && !l.dot:
		l.dot = true
	default:
		if l.dot {
			l.buf = append(l.buf, '.')
		}
		l.buf = append(l.buf, c)
		l.start, l.dot = false, false
	}
}

func (l *lineEnds) endLine() {
	if l.dot {
		l.done = true
		return
	}
	l.buf = append(l.buf, '\r', '\n')
	l.start = true
}

// finish ends the last line.
func (l *lineEnds) finish() {
	l.done = true
	if l.cr || !l.start {
		l.buf = append(l.buf, '\r', '\n')
	}
}
