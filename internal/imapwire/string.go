package imapwire

import (
	"bytes"
	"io"
	"math"
	"unicode/utf8"
)

// Tag decodes a command's tag.
func (d *Decoder) Tag(s *string) bool {
	b := d.span(tagChar)
	if len(b) == 0 {
		return d.Fail("a tag")
	}
	*s = string(b)
	return true
}

// Command decodes a command's name, in upper case. It refers to the Decoder and is
// valid until the next keyword.
func (d *Decoder) Command(name *[]byte) bool {
	if *name = d.word(); len(*name) == 0 {
		return d.Fail("a command")
	}
	return true
}

// Atom decodes an atom.
func (d *Decoder) Atom(s *string) bool {
	b := d.span(atomChar)
	if len(b) == 0 {
		return d.Fail("an atom")
	}
	*s = string(b)
	return true
}

// AString decodes an astring: an atom or a string.
func (d *Decoder) AString(s *string) bool {
	if c := d.next(); c == '"' || c == '{' {
		return d.String(s)
	}
	b := d.span(astringChar)
	if len(b) == 0 {
		return d.Fail("a string")
	}
	*s = string(b)
	return true
}

// String decodes a string: quoted or a literal.
func (d *Decoder) String(s *string) bool {
	switch d.next() {
	case '"':
		return d.quoted(s)
	case '{':
		return d.literal(s)
	}
	return d.Fail("a quoted string or a literal")
}

// NString decodes a string or NIL.
func (d *Decoder) NString(s *string, isNil *bool) bool {
	if c := d.next(); c == '"' || c == '{' {
		*isNil = false
		return d.String(s)
	}
	*s, *isNil = "", true
	return d.keyword("NIL")
}

// listMailbox decodes a name or a pattern.
func (d *Decoder) listMailbox(s *string) bool {
	if c := d.next(); c == '"' || c == '{' {
		return d.String(s)
	}
	b := d.span(listChar)
	if len(b) == 0 {
		return d.Fail("a mailbox name or pattern")
	}
	*s = string(b)
	return true
}

func (d *Decoder) quoted(s *string) bool {
	rest := d.line[1:]
	n := bytes.IndexByte(rest, '"')
	if n < 0 {
		return d.Fail("a closing quote")
	}
	if bytes.IndexByte(rest[:n], '\\') < 0 {
		if hasNUL(rest[:n]) || bytes.IndexByte(rest[:n], '\r') >= 0 {
			return d.Fail("a string without NUL and CR")
		}
		return d.unquoted(s, rest[:n], rest[n+1:])
	}
	return d.escaped(s, rest)
}

// unquoted ends a quoted string: the line goes on with rest.
func (d *Decoder) unquoted(s *string, text, rest []byte) bool {
	if d.UTF8 && !utf8.Valid(text) {
		return d.Fail("a string in UTF-8")
	}
	*s, d.line = string(text), rest
	return true
}

// escaped decodes a quoted string that has a backslash in it.
func (d *Decoder) escaped(s *string, rest []byte) bool {
	var b []byte
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; c {
		case '"':
			return d.unquoted(s, b, rest[i+1:])
		case 0, '\r':
			return d.Fail("a string without NUL and CR")
		case '\\':
			if i++; i == len(rest) || rest[i] != '\\' && rest[i] != '"' {
				return d.Fail("a quote or a backslash after a backslash")
			}
			b = append(b, rest[i])
		default:
			b = append(b, c)
		}
	}
	return d.Fail("a closing quote")
}

func hasNUL(b []byte) bool { return bytes.IndexByte(b, 0) >= 0 }

// Literal announces a literal.
type Literal struct {
	Size    int64
	NonSync bool // the client does not wait to be asked for it (RFC 7888)
	Binary  bool // literal8: may hold NULs (RFC 3516)
}

// literal decodes a literal into memory.
func (d *Decoder) literal(s *string) bool {
	var b []byte
	if !d.literalBytes(&b, false) {
		return false
	}
	*s = string(b)
	return true
}

// literalBytes is literal, which may hold NULs if that is said.
func (d *Decoder) literalBytes(s *[]byte, nul bool) bool {
	var l Literal
	if !d.Literal(&l) || !d.hold(l.Size) {
		return false
	}
	body, ok := d.Body(l)
	if !ok {
		return false
	}
	b := make([]byte, l.Size)
	if _, err := io.ReadFull(body, b); err != nil {
		return d.fail(err)
	}
	if !d.nextLine() || !d.hold(int64(len(d.line))+overhead) {
		return false
	}
	if !nul && hasNUL(b) { // RFC 9051 §9: CHAR8 excludes NUL
		return d.Fail("no NUL in the literal")
	}
	*s = b
	return true
}

// overhead is about what a string costs besides its bytes: without counting it, a
// client could make a long list of nothing.
const overhead = 64

// Literal decodes the announcement of a literal, which ends a line.
func (d *Decoder) Literal(l *Literal) bool {
	begin := bytes.LastIndexByte(d.line, '{')
	if !parseLiteral(d.line, l) || begin > 1 || begin == 1 && !l.Binary {
		return d.Fail("a literal")
	}
	d.line = nil
	return true
}

// Body opens a literal that was announced. It must be read to its end, and Resume
// be called, before decoding goes on.
func (d *Decoder) Body(l Literal) (io.Reader, bool) {
	if d.err != nil {
		return nil, false
	}
	r, err := d.src.Literal(l.Size, l.NonSync)
	if err != nil {
		return nil, d.fail(err)
	}
	return r, true
}

// Resume goes on with the line after a literal.
func (d *Decoder) Resume() bool { return d.nextLine() }

// parseLiteral reads the announcement at the end of a line: {5} {5+} ~{5} ~{5+}.
func parseLiteral(line []byte, l *Literal) bool {
	*l = Literal{}
	n := len(line)
	if n < 3 || line[n-1] != '}' {
		return false
	}
	n--
	if line[n-1] == '+' {
		l.NonSync = true
		n--
	}
	digits := n
	for digits > 0 && isDigit(line[digits-1]) {
		digits--
	}
	if digits == n || digits == 0 || line[digits-1] != '{' {
		return false
	}
	for _, b := range line[digits:n] {
		if l.Size > (math.MaxInt64-9)/10 {
			return false
		}
		l.Size = l.Size*10 + int64(b-'0')
	}
	l.Binary = digits > 1 && line[digits-2] == '~'
	return true
}
