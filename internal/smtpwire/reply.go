package smtpwire

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// EnhancedCode is a status code of RFC 3463: class, subject, detail. The zero value
// means that there is none.
type EnhancedCode [3]uint16

// String spells it with dots.
func (e EnhancedCode) String() string { return string(e.append(nil)) }

func (e EnhancedCode) append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(e[0]), 10)
	dst = append(dst, '.')
	dst = strconv.AppendUint(dst, uint64(e[1]), 10)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(e[2]), 10)
}

// Reply is what a server says to one command. The zero Reply is no reply.
type Reply struct {
	Code     int // 200 to 599
	Enhanced EnhancedCode
	Lines    []string // without CRLF; at least one
}

// NewReply makes a reply.
func NewReply(code int, enhanced EnhancedCode, lines ...string) Reply {
	return Reply{code, enhanced, lines}
}

// IsZero says that there is nothing to say.
func (r Reply) IsZero() bool { return r.Code == 0 }

// Class is the first digit of the code.
func (r Reply) Class() int { return r.Code / 100 }

// String is the reply on one line, for logs.
func (r Reply) String() string {
	dst := strconv.AppendInt(nil, int64(r.Code), 10)
	if r.Enhanced != (EnhancedCode{}) {
		dst = r.Enhanced.append(append(dst, ' '))
	}
	for _, line := range r.Lines {
		dst = append(append(dst, ' '), line...)
	}
	return string(dst)
}

// RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets, CRLF included. The
// code, the separator, the longest enhanced code and its space take up 16.
const maxReplyText = 512 - 16 - 2

// Append renders the reply: every line begins with the code and, RFC 2034 §4, with
// the enhanced code, and all but the last have a hyphen after the code. A line that
// is too long goes on in the next one. What is not ASCII is spelled as RFC 6533 §3 has
// it in an ASCII environment, "\x{E4}": RFC 6531 §3.7.4.2 lets nothing else out.
func (r Reply) Append(dst []byte) []byte {
	for i, line := range r.Lines {
		line = asciiOnly(line)
		for len(line) > maxReplyText {
			n := breakAt(line)
			dst = r.appendLine(dst, line[:n], false)
			line = line[n:]
			if line[0] == ' ' {
				line = line[1:]
			}
		}
		dst = r.appendLine(dst, line, i == len(r.Lines)-1)
	}
	return dst
}

// asciiOnly spells a text in ASCII.
func asciiOnly(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\x{%X}`, r)
		}
	}
	return b.String()
}

// breakAt is where to break a line that is too long: at its last space that fits,
// else where it is full.
func breakAt(line string) int {
	for i := maxReplyText; i > maxReplyText/2; i-- {
		if line[i] == ' ' {
			return i
		}
	}
	return maxReplyText
}

func (r Reply) appendLine(dst []byte, text string, last bool) []byte {
	dst = strconv.AppendInt(dst, int64(r.Code), 10)
	if last {
		dst = append(dst, ' ')
	} else {
		dst = append(dst, '-')
	}
	if r.Enhanced != (EnhancedCode{}) {
		dst = append(r.Enhanced.append(dst), ' ')
	}
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c == 0x7f {
			c = '?' // a reply quotes what the peer sent: it must not get lines of its own
		}
		dst = append(dst, c)
	}
	return append(dst, '\r', '\n')
}
