package addr

import (
	"mime"
	"strings"
)

// Phrase spells the name of a person for a header, in quotes (RFC 5322 §3.2.5) or, if
// it is not ASCII, encoded (RFC 2047).
func Phrase(name string) string {
	name = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, name)
	if encoded := mime.QEncoding.Encode("utf-8", name); encoded != name {
		return encoded
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}
