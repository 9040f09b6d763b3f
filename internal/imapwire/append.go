package imapwire

import "time"

// AppendMessage is one message of an APPEND, up to its literal.
type AppendMessage struct {
	Flags   []string
	Date    time.Time // zero: not given
	Literal Literal
	UTF8    bool // UTF8 (~{…}): a parenthesis follows the literal (RFC 6855 §4)

	Catenate bool // CATENATE (…): no literal, but parts follow (RFC 4469)
}

// CatenatePart is one of the parts of which CATENATE makes a message.
type CatenatePart struct {
	URL     string  // empty: a literal
	Literal Literal // up to the literal itself
	UTF8    bool    // as in AppendMessage
}

// AppendMessage decodes the space and what else stands before the literal of the
// next message. Then come Body, and AppendMore, or for Catenate, the parts:
//
//	for more := true; more; more = d.AppendMore(&m) {
//		if !d.AppendMessage(&m) {
//			return d.Err()
//		}
//		body, ok := d.Body(m.Literal)
//		… // read all of body
//	}
//	return d.Err()
func (d *Decoder) AppendMessage(m *AppendMessage) bool {
	*m = AppendMessage{}
	if !d.SP() {
		return false
	}
	if d.next() == '(' && (!d.FlagList(&m.Flags) || !d.SP()) {
		return false
	}
	if d.next() == '"' && (!d.DateTime(&m.Date) || !d.SP()) {
		return false
	}
	switch d.next() {
	case 'U', 'u':
		m.UTF8 = true
		return d.utf8Literal(&m.Literal)
	case 'C', 'c':
		m.Catenate = true
		return d.keyword("CATENATE") && d.SP() && d.expect('(', "(")
	}
	return d.Literal(&m.Literal)
}

// utf8Literal decodes UTF8 (~{…} (RFC 6855 §4).
func (d *Decoder) utf8Literal(l *Literal) bool {
	if !d.keyword("UTF8") || !d.SP() || !d.expect('(', "(") || d.next() != '~' {
		return d.Fail("a literal")
	}
	return d.Literal(l)
}

// CatenatePart decodes the next part of a CATENATE, up to its literal, if it is one. Then
// come Body for a literal, and CatenateMore for each.
func (d *Decoder) CatenatePart(p *CatenatePart) bool {
	*p = CatenatePart{}
	switch string(d.word()) {
	case "URL":
		return d.SP() && d.AString(&p.URL) && (p.URL != "" || d.Fail("a URL"))
	case "TEXT":
		return d.SP() && d.Literal(&p.Literal)
	case "UTF8":
		d.line = d.mark
		p.UTF8 = true
		return d.utf8Literal(&p.Literal)
	}
	return d.failWord("TEXT or URL")
}

// CatenateMore goes on behind a part and reports whether another one follows; if not,
// AppendMore is next.
func (d *Decoder) CatenateMore(p *CatenatePart) bool {
	if p.URL == "" && (!d.Resume() || p.UTF8 && !d.expect(')', ")")) {
		return false
	}
	return !d.Byte(')') && d.expect(' ', "a space or the end of the list")
}

// AppendMore goes on behind the literal of a message and reports whether another
// message follows; at the end of the command it has been checked to be one.
func (d *Decoder) AppendMore(m *AppendMessage) bool {
	if !m.Catenate && (!d.Resume() || m.UTF8 && !d.expect(')', ")")) {
		return false
	}
	if d.AtEnd() {
		return false
	}
	return d.next() == ' ' || d.Fail("a space or the end of the command")
}

// AppendAppendMessage appends what stands before the literal, with a space.
func AppendAppendMessage(dst []byte, m *AppendMessage) []byte {
	dst = append(dst, ' ')
	if m.Flags != nil {
		dst = append(AppendFlags(dst, m.Flags), ' ')
	}
	if !m.Date.IsZero() {
		dst = append(AppendInternalDate(dst, m.Date), ' ')
	}
	switch {
	case m.Catenate:
		return append(dst, "CATENATE "...)
	case m.UTF8:
		dst = append(dst, "UTF8 ("...)
	}
	return appendAnnounced(dst, m.Literal)
}

// appendAnnounced appends the announcement of a literal of any kind.
func appendAnnounced(dst []byte, l Literal) []byte {
	if l.Binary {
		dst = append(dst, '~')
	}
	dst = AppendLiteralHeader(dst, l.Size)
	if l.NonSync {
		dst = append(dst[:len(dst)-3], "+}\r\n"...)
	}
	return dst
}

// AppendCatenatePart appends a part, up to its literal; first says that none is before
// it. A parenthesis ends the list.
func AppendCatenatePart(dst []byte, p *CatenatePart, first bool) []byte {
	if first {
		dst = append(dst, '(')
	} else {
		dst = append(dst, ' ')
	}
	switch {
	case p.URL != "":
		return AppendAString(append(dst, "URL "...), p.URL)
	case p.UTF8:
		dst = append(dst, "UTF8 ("...)
	default:
		dst = append(dst, "TEXT "...)
	}
	return appendAnnounced(dst, p.Literal)
}
