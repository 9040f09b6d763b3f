package imapwire

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// longestQuoted is the longest string that is sent quoted: some clients read quoted
// strings into small buffers.
const longestQuoted = 1000

// AppendString appends a string: quoted if it can be, a literal if not. A NUL, which
// no string may hold, becomes 0x80, so that the size stays what it was.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	if len(s) > longestQuoted {
		return AppendLiteral(dst, s)
	}
	start := len(dst)
	dst = append(dst, '"')
	if all(s, quotedChar) {
		return append(append(dst, s...), '"')
	}
	for i := range len(s) {
		c := s[i]
		if classes[c]&quotedChar == 0 {
			if c != '"' && c != '\\' {
				return AppendLiteral(dst[:start], s)
			}
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// AppendStringUTF8 is AppendString for clients that read UTF-8 in quoted strings (RFC
// 6855 §3, RFC 9051 §4.3). Bytes that are none are sent as a literal.
func AppendStringUTF8[T ~string | ~[]byte](dst []byte, s T) []byte {
	if len(s) > longestQuoted || !utf8.ValidString(string(s)) {
		return AppendString(dst, s)
	}
	start := len(dst)
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80 || classes[c]&quotedChar != 0:
		case c == '"' || c == '\\':
			dst = append(dst, '\\')
		default:
			return AppendLiteral(dst[:start], s)
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// AppendLiteral appends a literal.
func AppendLiteral[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = AppendLiteralHeader(dst, int64(len(s)))
	start := len(dst)
	dst = append(dst, s...)
	ReplaceNUL(dst[start:])
	return dst
}

// AppendLiteralHeader appends the announcement of a literal.
func AppendLiteralHeader(dst []byte, size int64) []byte {
	dst = append(dst, '{')
	dst = strconv.AppendInt(dst, size, 10)
	return append(dst, "}\r\n"...)
}

// ReplaceNUL replaces what a literal may not hold (RFC 3501 §4.3: literals other than
// literal8 are of CHAR8, which excludes NUL) by something of the same size.
func ReplaceNUL(b []byte) {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return
		}
		b[i] = 0x80
		b = b[i+1:]
	}
}

// AppendNString appends a string, or NIL for an empty one: that is how an absent
// header field, parameter or preview is shown.
func AppendNString[T ~string | ~[]byte](dst []byte, s T) []byte {
	if len(s) == 0 {
		return append(dst, "NIL"...)
	}
	return AppendString(dst, s)
}

// AppendAString appends an astring: an atom if it can be one.
func AppendAString[T ~string | ~[]byte](dst []byte, s T) []byte {
	if len(s) == 0 || !all(s, atomChar) || isNIL(s) {
		return AppendString(dst, s)
	}
	return append(dst, s...)
}

// isNIL is for words that would be taken for something else where they stand alone.
func isNIL[T ~string | ~[]byte](s T) bool {
	return len(s) == 3 && s[0]|0x20 == 'n' && s[1]|0x20 == 'i' && s[2]|0x20 == 'l'
}
