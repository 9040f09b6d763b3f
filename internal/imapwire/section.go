package imapwire

import "strconv"

// Specifier says which text of a part a Section means.
type Specifier uint8

// The specifiers (RFC 9051 §6.4.5.1).
const (
	Whole           Specifier = iota // all of the part
	Header                           // HEADER
	HeaderFields                     // HEADER.FIELDS (…)
	HeaderFieldsNot                  // HEADER.FIELDS.NOT (…)
	MIME                             // MIME
	Text                             // TEXT
)

var specifierNames = [...]string{
	Header: "HEADER", HeaderFields: "HEADER.FIELDS", HeaderFieldsNot: "HEADER.FIELDS.NOT", MIME: "MIME", Text: "TEXT",
}

// Section is what stands between the brackets of BODY[…] and BINARY[…].
type Section struct {
	Part      []int // part numbers, from the outermost; none means the message
	Specifier Specifier
	Fields    []string // of HeaderFields and HeaderFieldsNot, as the client wrote them
}

// Partial is the <offset.count> of a FETCH.
type Partial struct {
	Offset, Count int64
}

// section decodes a section with its brackets; of BINARY, part numbers only.
func (d *Decoder) section(s *Section, binary bool) bool {
	if !d.expect('[', "[") {
		return false
	}
	*s = Section{}
	for isDigit(d.next()) {
		var n uint32
		if !d.NZNumber(&n) {
			return false
		}
		s.Part = append(s.Part, int(n))
		if !d.Byte('.') {
			return d.expect(']', "a dot or ]")
		}
		if binary && !isDigit(d.next()) {
			return d.Fail("a part number")
		}
	}
	if (len(s.Part) > 0 || d.next() != ']') && (binary || !d.specifier(s)) {
		return d.Fail("a part number or ]")
	}
	return d.expect(']', "]")
}

func (d *Decoder) specifier(s *Section) bool {
	switch string(d.word()) {
	case "HEADER":
		s.Specifier = Header
	case "TEXT":
		s.Specifier = Text
	case "HEADER.FIELDS":
		s.Specifier = HeaderFields
		return d.headerList(s)
	case "HEADER.FIELDS.NOT":
		s.Specifier = HeaderFieldsNot
		return d.headerList(s)
	case "MIME":
		s.Specifier = MIME
		// RFC 9051 §6.4.5.1: the MIME part specifier must be prefixed by a number.
		return len(s.Part) > 0 || d.failWord("HEADER, HEADER.FIELDS, TEXT or a part number")
	default:
		return d.failWord("a part number, HEADER, HEADER.FIELDS, MIME or TEXT")
	}
	return true
}

func (d *Decoder) headerList(s *Section) bool {
	if !d.SP() || !d.List(func() bool {
		var name string
		ok := d.AString(&name)
		s.Fields = append(s.Fields, name)
		return ok
	}) {
		return false
	}
	return len(s.Fields) > 0 || d.Fail("the name of a header field")
}

// partial decodes an optional <offset.count>, or with a count of 0 the <offset> by
// which a server answers.
func (d *Decoder) partial(p **Partial) bool {
	if !d.Byte('<') {
		return d.err == nil
	}
	var offset, count uint64
	if !d.Number64(&offset) || !d.expect('.', "a dot") || !d.Number64(&count) || !d.expect('>', ">") {
		return false
	}
	if count == 0 {
		return d.Fail("a count from 1")
	}
	*p = &Partial{int64(offset), int64(count)}
	return true
}

// AppendSection appends a section with its brackets.
func AppendSection(dst []byte, s Section) []byte {
	dst = append(dst, '[')
	for i, n := range s.Part {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	if s.Specifier != Whole {
		if len(s.Part) > 0 {
			dst = append(dst, '.')
		}
		dst = append(dst, specifierNames[s.Specifier]...)
	}
	if s.Specifier == HeaderFields || s.Specifier == HeaderFieldsNot {
		dst = append(dst, ' ', '(')
		for i, f := range s.Fields {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = AppendAString(dst, f)
		}
		dst = append(dst, ')')
	}
	return append(dst, ']')
}
