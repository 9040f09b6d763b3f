package imapwire

import "bytes"

// Pair is one field of ID.
type Pair struct {
	Name, Value string
	Nil         bool // the value is NIL
}

// maxIDFields is the most pairs that RFC 2971 §3.3 allows in an ID.
const maxIDFields = 30

// ID decodes the argument of ID: NIL or a list of names and values.
func (d *Decoder) ID(pairs *[]Pair) bool {
	*pairs = nil
	if d.next() != '(' {
		return d.keyword("NIL")
	}
	return d.List(func() bool {
		var p Pair
		ok := len(*pairs) < maxIDFields && d.String(&p.Name) && d.SP() && d.NString(&p.Value, &p.Nil)
		*pairs = append(*pairs, p)
		return ok
	})
}

// AppendID appends the argument of ID.
func AppendID(dst []byte, pairs []Pair) []byte {
	if len(pairs) == 0 {
		return append(dst, "NIL"...)
	}
	for i, p := range pairs {
		dst = append(dst, "( "[min(i, 1)])
		dst = append(AppendString(dst, p.Name), ' ')
		if p.Nil {
			dst = append(dst, "NIL"...)
		} else {
			dst = AppendString(dst, p.Value)
		}
	}
	return append(dst, ')')
}

// Enable decodes the space and the capabilities of ENABLE, in upper case.
func (d *Decoder) Enable(names *[]string) bool {
	*names = nil
	for {
		var name string
		if !d.SP() || !d.Atom(&name) {
			return false
		}
		*names = append(*names, upperASCII(name))
		if d.AtEnd() {
			return true
		}
	}
}

// Done reports whether the line is DONE, which ends an IDLE (RFC 2177), and consumes
// it if it is.
func (d *Decoder) Done() bool {
	before := d.line
	if string(d.word()) == "DONE" && d.AtEnd() {
		return true
	}
	d.line = before
	return false
}

// InitialResponse decodes the optional initial response of AUTHENTICATE (RFC 4959
// §3), still in base64: empty if there is none, "=" if it is there but empty.
func (d *Decoder) InitialResponse(response *string) bool {
	*response = ""
	if d.AtEnd() {
		return true
	}
	return d.SP() && d.rest(response)
}

// Continuation reads the next line that belongs to the command, whatever is in it:
// an answer to a challenge of AUTHENTICATE, in base64 or "*".
func (d *Decoder) Continuation(line *string) bool {
	return d.nextLine() && d.hold(int64(len(d.line))) && d.rest(line)
}

// rest takes all that is left of the line.
func (d *Decoder) rest(s *string) bool {
	*s = string(bytes.TrimRight(d.line, " "))
	d.line = nil
	return d.err == nil
}
