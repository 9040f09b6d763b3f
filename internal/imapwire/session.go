package imapwire

import (
	"bytes"
	"encoding/base64"
)

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

// InitialResponse decodes the optional initial response of AUTHENTICATE (RFC 4959):
// nil if there is none, "=" being one that is empty.
func (d *Decoder) InitialResponse(response *[]byte) bool {
	*response = nil
	if d.AtEnd() {
		return true
	}
	if !d.SP() {
		return false
	}
	if *response = []byte{}; d.Byte('=') {
		return true
	}
	return d.base64(response)
}

// Response reads the next line of an AUTHENTICATE exchange; "*" cancels it.
func (d *Decoder) Response(response *[]byte, canceled *bool) bool {
	*response, *canceled = []byte{}, false
	if !d.nextLine() {
		return false
	}
	if d.Byte('*') {
		*canceled = true
		return d.End()
	}
	return d.AtEnd() || d.base64(response)
}

func (d *Decoder) base64(b *[]byte) bool {
	text := bytes.TrimRight(d.line, " ")
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return d.Fail("base64")
	}
	*b = raw
	d.line = nil
	return true
}
