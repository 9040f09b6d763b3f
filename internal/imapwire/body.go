package imapwire

import (
	"bytes"
	"strings"
)

// BodyFromStructure appends the BODY that belongs to a BODYSTRUCTURE: the same
// without the extension data. It leaves alone what it does not understand.
func BodyFromStructure(dst, structure []byte) []byte {
	t := trimmer{in: structure, out: dst}
	t.body()
	return t.out
}

// trimmer copies the leading fields of each body of a BODYSTRUCTURE.
type trimmer struct{ in, out []byte }

// body copies one body, from parenthesis to parenthesis.
func (t *trimmer) body() {
	if !t.next('(') {
		t.fields(1)
		return
	}
	t.take(1)
	if t.next('(') {
		for t.next('(') {
			t.body()
		}
		t.fields(1) // subtype
	} else {
		start := len(t.out)
		t.fields(7) // type to size
		switch leaf := t.out[start:]; {
		case hasFoldPrefix(leaf, `"text" `):
			t.fields(1) // lines
		case hasFoldPrefix(leaf, `"message" "rfc822" `), hasFoldPrefix(leaf, `"message" "global" `):
			t.fields(1) // envelope
			t.space()
			t.body()
			t.fields(1) // lines
		}
	}
	kept := len(t.out)
	for len(t.in) > 0 && !t.next(')') {
		t.fields(1) // extension data
	}
	t.out = t.out[:kept]
	t.take(1)
}

func (t *trimmer) next(b byte) bool { return len(t.in) > 0 && t.in[0] == b }

func (t *trimmer) take(n int) {
	n = min(n, len(t.in))
	t.out = append(t.out, t.in[:n]...)
	t.in = t.in[n:]
}

func (t *trimmer) space() {
	if t.next(' ') {
		t.take(1)
	}
}

// fields copies n values, each with the space before it.
func (t *trimmer) fields(n int) {
	for range n {
		t.space()
		t.take(valueLength(t.in))
	}
}

// valueLength is the length of the atom, string or list that b begins with. It is
// at least 1 if b does not begin with a closing parenthesis.
func valueLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = quotedEnd(b, i)
		case '{':
			i = literalEnd(b, i)
		case '(':
			depth++
			i++
		case ')':
			if depth == 0 {
				return i
			}
			depth--
			i++
		case ' ':
			i++
		default:
			n := bytes.IndexAny(b[i:], " ()")
			if n < 0 {
				return len(b)
			}
			i += n
		}
		if depth == 0 {
			return min(i, len(b))
		}
	}
	return len(b)
}

// quotedEnd is the place behind the quoted string at i.
func quotedEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// literalEnd is the place behind the literal at i.
func literalEnd(b []byte, i int) int {
	n := 0
	for i++; i < len(b) && isDigit(b[i]) && n < len(b); i++ {
		n = n*10 + int(b[i]-'0')
	}
	return min(i+len("}\r\n")+n, len(b))
}

func hasFoldPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}
