package imapd

import (
	"strings"

	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// pattern is what LIST and LSUB match names with: "*" is anything, "%" anything
// within a level (RFC 3501 §6.3.8).
type pattern struct {
	text  string // UTF-8
	plain int    // how many bytes of it are no wildcards
	stops bool   // it ends with "%"
}

// pattern takes reference and pattern as they came. Wildcards are no part of modified
// UTF-7 sequences, so a pattern can be decoded like a name.
func (s *session) pattern(reference, text string) pattern {
	text = reference + text
	if !s.utf8Names() {
		text = imapwire.DecodeUTF7(text)
	}
	return newPattern(text)
}

func newPattern(text string) pattern {
	text = collapse(text)
	const inbox = store.Inbox
	if len(text) > len(inbox) && strings.EqualFold(text[:len(inbox)+1], inbox+store.Separator) {
		text = inbox + text[len(inbox):]
	}
	plain := len(text) - strings.Count(text, "*") - strings.Count(text, "%")
	return pattern{text, plain, strings.HasSuffix(text, "%")}
}

// collapse makes one wildcard of several in a row, so that matching does not take
// ever longer: "*" and "%" together are as good as "*".
func collapse(p string) string {
	b := make([]byte, 0, len(p))
	for i := range len(p) {
		if n := len(b); n > 0 && isWildcard(p[i]) && isWildcard(b[n-1]) {
			if p[i] == '*' {
				b[n-1] = '*'
			}
			continue
		}
		b = append(b, p[i])
	}
	return string(b)
}

func isWildcard(c byte) bool { return c == '*' || c == '%' }

// matches reports whether a name matches; INBOX does in any case.
func (p pattern) matches(name string) bool {
	switch {
	case p.text == "*": // what most clients ask for
		return true
	case p.plain > len(name):
		return false
	}
	if name == store.Inbox {
		return match(strings.ToUpper(p.text), name)
	}
	return match(p.text, name)
}

// match works in one pass with a table, as a pattern may come from anyone: its time
// is the product of both lengths, whatever the wildcards.
func match(p, name string) bool {
	// possible[i]: what of the pattern has been looked at matches name[:i].
	possible := make([]bool, len(name)+1)
	possible[0] = true
	for k := range len(p) {
		c := p[k]
		if isWildcard(c) {
			for i := range len(name) {
				if possible[i] && (c == '*' || name[i] != store.Separator[0]) {
					possible[i+1] = true
				}
			}
			continue
		}
		for i := len(name); i > 0; i-- {
			possible[i] = possible[i-1] && name[i-1] == c
		}
		possible[0] = false
	}
	return possible[len(name)]
}
