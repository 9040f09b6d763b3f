package imapd

import (
	"io"
	"strings"
	"unicode/utf8"

	"posthorn/internal/message"
	"posthorn/internal/search"
)

var errCharset = no("BADCHARSET (UTF-8 US-ASCII)", "This charset is not known")

// newNeedle makes what is looked for of a text in some charset.
func (c *compiler) newNeedle(text string) (*search.Needle, error) {
	if c.charset != "" {
		decoded, err := io.ReadAll(message.DecodeCharset(c.charset, strings.NewReader(text)))
		if err != nil {
			return nil, errCharset
		}
		text = string(decoded)
	}
	return search.NewNeedleIn(c.collation, text), nil
}

// knownCharset reports whether texts in a charset can be understood: of one that is
// unknown, only ASCII comes out.
func knownCharset(name string) bool {
	if name == "" {
		return true
	}
	// Four bytes that mean something in every 8-bit charset and in UTF-8, and a
	// shift into Kanji and into Hanzi for the 7-bit ones.
	for _, probe := range []string{"\xc4\xa3\xc3\xa3", "\x1b$B4A\x1b(B", "~{VPND~}"} {
		text, err := io.ReadAll(message.DecodeCharset(name, strings.NewReader(probe)))
		if err != nil {
			return false
		}
		for _, r := range string(text) {
			if r >= utf8.RuneSelf && r != utf8.RuneError {
				return true
			}
		}
	}
	return false
}

// isUTF8 reports whether a charset is UTF-8, or a part of it.
func isUTF8(name string) bool {
	return strings.EqualFold(name, "UTF-8") || strings.EqualFold(name, "US-ASCII")
}
