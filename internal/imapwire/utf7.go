package imapwire

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Mailbox names travel in modified UTF-7 (RFC 3501 §5.1.3): printable ASCII stands
// for itself, "&" for "&-", and all else is UTF-16 in base64 between "&" and "-".
//
// Clients also send names that are not valid, and must find them again under the
// same bytes. A byte that cannot be decoded is therefore kept as the private
// character rawByte+b, which EncodeUTF7 turns back into the byte; where those
// characters occur in a name in earnest, their bytes are kept in the same way. So
// EncodeUTF7(DecodeUTF7(s)) is s for every s without valid raw UTF-8 in it, and
// different names on the wire stay different names.
const rawByte = 0xf700

func isRaw(r rune) bool { return r == rawByte+'&' || r >= rawByte+0x80 && r <= rawByte+0xff }

var utf7Encoding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding).Strict()

// DecodeUTF7 turns a mailbox name in modified UTF-7 into UTF-8.
func DecodeUTF7(s string) string {
	if all(s, plainChar) {
		return s
	}
	b := make([]byte, 0, len(s)+8)
	shifted := false // what came last was a sequence: an encoder does not begin another
	for i := 0; i < len(s); {
		c, text, n := s[i], "", 1
		switch {
		case c == '&':
			text, n = decodeShift(s[i:])
			if n == 0 || shifted && n > 2 {
				text, n = string(rune(rawByte+'&')), 1
			}
		case c < utf8.RuneSelf:
			text = s[i : i+1]
		default: // not allowed, but clients do send names in raw UTF-8
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || isRaw(r) {
				r, n = rawByte+rune(c), 1
			}
			text = string(r)
		}
		b = append(b, text...)
		i += n
		shifted = c == '&' && n > 2
	}
	return string(b)
}

// decodeShift decodes the sequence from "&" to "-" that s begins with and gives its
// length; 0 if it is not just what an encoder would have written.
func decodeShift(s string) (text string, n int) {
	n = strings.IndexByte(s, '-') + 1
	if n == 2 {
		return "&", n
	}
	if n == 0 {
		return "", 0
	}
	raw, err := utf7Encoding.DecodeString(s[1 : n-1])
	if err != nil || len(raw)%2 != 0 {
		return "", 0
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(raw[2*i:])
	}
	text = string(utf16.Decode(units))
	if string(appendUTF7(nil, text)) != s[:n] {
		return "", 0
	}
	return text, n
}

// EncodeUTF7 turns a mailbox name in UTF-8 into modified UTF-7.
func EncodeUTF7(s string) string {
	if all(s, plainChar) {
		return s
	}
	return string(appendUTF7(make([]byte, 0, 2*len(s)), s))
}

func appendUTF7(dst []byte, s string) []byte {
	var pending []byte // UTF-16 of the characters to encode
	flush := func() {
		if len(pending) > 0 {
			dst = append(dst, '&')
			dst = utf7Encoding.AppendEncode(dst, pending)
			dst = append(dst, '-')
			pending = pending[:0]
		}
	}
	for _, r := range s {
		switch {
		case r == '&':
			flush()
			dst = append(dst, "&-"...)
		case r >= 0x20 && r < 0x7f:
			flush()
			dst = append(dst, byte(r))
		case isRaw(r):
			flush()
			dst = append(dst, byte(r-rawByte))
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				pending = binary.BigEndian.AppendUint16(pending, u)
			}
		}
	}
	flush()
	return dst
}
