package smtpwire

import "strings"

const hexDigits = "0123456789ABCDEF"

// EncodeXtext encodes a value for a parameter (RFC 3461 §4): everything but
// graphic ASCII without "+" and "=" becomes "+XX".
func EncodeXtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isXchar(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('+')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}

// DecodeXtext is the inverse. Lower-case hex digits, which RFC 3461 does not allow,
// are understood; anything else out of the grammar is a SyntaxError.
func DecodeXtext(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
				return "", &SyntaxError{badArguments, "A + in xtext needs two hex digits"}
			}
			c = byte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		} else if !isXchar(c) {
			return "", &SyntaxError{badArguments, "The value is not xtext"}
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// isXchar is xchar of RFC 3461 §4.
func isXchar(c byte) bool { return c > ' ' && c < 0x7f && c != '+' && c != '=' }

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
