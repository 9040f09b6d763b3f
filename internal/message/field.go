package message

import (
	"bytes"
	"iter"
	"strings"
)

// Field is one field of a header block. A line that is no field (an mbox
// "From " line, garbage) comes with an empty Name, so that the Raws of all
// fields together are the header block without its blank line.
type Field struct {
	Name  []byte // as written
	Raw   []byte // the whole field, with its folds and line ends
	Value []byte // what follows the colon, still folded, without the last line end
}

// Fields goes through the fields of a header block, which may lack its blank
// line and may have bare LFs. The slices of a Field point into header.
func Fields(header []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for at := 0; ; {
			f, ok := nextField(header, at)
			if !ok {
				return
			}
			field := Field{Raw: header[at:f.end]}
			if f.name > at {
				field.Name = header[at:f.name]
				field.Value = header[f.value:f.valueEnd]
			}
			if !yield(field) {
				return
			}
			at = f.end
		}
	}
}

// fieldSpan is where a field lies in its block: [start, name) is its name,
// [value, valueEnd) its value. A line that is no field has name == start.
type fieldSpan struct{ name, value, valueEnd, end int }

// nextField finds the end of the field that begins at byte at; false at the
// blank line or the end of the block.
func nextField(header []byte, at int) (fieldSpan, bool) {
	if at >= len(header) || isBlankLine(header[at:]) {
		return fieldSpan{}, false
	}
	f := fieldSpan{name: at, end: at}
	for {
		i := bytes.IndexByte(header[f.end:], '\n')
		if i < 0 {
			f.end = len(header)
			f.valueEnd = f.end
			break
		}
		f.end += i + 1
		f.valueEnd = f.end - 1
		if f.end == len(header) || header[f.end] != ' ' && header[f.end] != '\t' {
			break
		}
	}
	for f.valueEnd > at && header[f.valueEnd-1] == '\r' {
		f.valueEnd--
	}
	if n := fieldNameLength(header[at:f.valueEnd]); n > 0 {
		f.name += n
		f.value = f.name + bytes.IndexByte(header[f.name:], ':') + 1
	}
	return f, true
}

// isBlankLine says whether b begins with an empty line. CRs before the line end
// are let pass: there are gateways that turn CRLF into CR CRLF.
func isBlankLine(b []byte) bool {
	for i, c := range b {
		switch c {
		case '\n':
			return true
		case '\r':
		default:
			return false
		}
		if i == 3 {
			return false
		}
	}
	return false
}

// fieldNameLength is the length of the field name with which the line begins,
// 0 if it does not begin a field. RFC 5322 §2.2 and, for blanks before the
// colon, §4.5.8 (obs-optional).
func fieldNameLength(line []byte) int {
	n := 0
	for n < len(line) && line[n] > ' ' && line[n] < 127 && line[n] != ':' {
		n++
	}
	for i := n; i < len(line); i++ {
		switch line[i] {
		case ':':
			return n
		case ' ', '\t':
		default:
			return 0
		}
	}
	return 0
}

// isMboxLine says whether a line is what mailbox files put before a message.
func isMboxLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// unfold takes the line ends out of a field value (RFC 5322 §2.2.3) and the
// blanks off its ends.
func unfold(value string) string {
	value = strings.Trim(value, " \t\r\n")
	if strings.IndexByte(value, '\n') < 0 && strings.IndexByte(value, '\r') < 0 {
		return value
	}
	b := make([]byte, 0, len(value))
	for i := range len(value) {
		if c := value[i]; c != '\r' && c != '\n' {
			b = append(b, c)
		}
	}
	return string(b)
}
