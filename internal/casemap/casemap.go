// Package casemap is the collation i;unicode-casemap (RFC 5051), by which IMAP compares,
// orders and searches text (RFC 5255 §4.2), and others that a client may choose.
//
// It owns nothing but the mapping of text to the bytes that are compared: texts are
// equal, in order, or one within the other, if the bytes are. It never fails: bytes that
// are no UTF-8 stand for themselves.
package casemap

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Append appends what text is compared by: each character in title case, decomposed
// (RFC 5051 §2). Text that is mapped in pieces, each of whole characters, comes out the
// same as in one.
func Append[T ~string | ~[]byte](dst []byte, text T) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c >= 'a' && c <= 'z' {
				c -= 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, c)
		case isIdeograph(r):
			dst = append(dst, text[i:i+n]...)
		default:
			dst = appendRune(dst, unicode.ToTitle(r))
		}
		i += n
	}
	return dst
}

// isIdeograph is for the many characters of one script that have nothing to map.
func isIdeograph(r rune) bool { return r >= 0x4e00 && r <= 0x9fff }

func appendRune(dst []byte, r rune) []byte {
	start := len(dst)
	dst = utf8.AppendRune(dst, r)
	// Syllables of Hangul have no decomposition of their own in the tables, here as in
	// UnicodeData.txt.
	if d := norm.NFKD.Properties(dst[start:]).Decomposition(); d != nil {
		dst = append(dst[:start], d...)
	}
	return dst
}
