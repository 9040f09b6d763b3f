package imapwire

import "time"

// AppendMessage is one message of an APPEND, up to its literal.
type AppendMessage struct {
	Flags   []string
	Date    time.Time // zero: not given
	Literal Literal
	UTF8    bool // UTF8 (~{…}): a parenthesis follows the literal (RFC 6855 §4)
}

// AppendMessage decodes the space and what else stands before the literal of the
// next message. Then come Body, and AppendMore:
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
	if c := d.next(); c == 'U' || c == 'u' {
		m.UTF8 = true
		if !d.keyword("UTF8") || !d.SP() || !d.expect('(', "(") || d.next() != '~' {
			return d.Fail("a literal")
		}
	}
	return d.Literal(&m.Literal)
}

// AppendMore goes on behind the literal of a message and reports whether another
// message follows; at the end of the command it has been checked to be one.
func (d *Decoder) AppendMore(m *AppendMessage) bool {
	if !d.Resume() || m.UTF8 && !d.expect(')', ")") {
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
	if m.UTF8 {
		dst = append(dst, "UTF8 ("...)
	}
	if m.Literal.Binary {
		dst = append(dst, '~')
	}
	dst = AppendLiteralHeader(dst, m.Literal.Size)
	if m.Literal.NonSync {
		dst = append(dst[:len(dst)-3], "+}\r\n"...)
	}
	return dst
}
