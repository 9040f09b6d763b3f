package smtpwire

import (
	"bytes"
	"strings"
)

// Verb is the first word of a command, in upper case.
type Verb string

// The verbs of RFC 5321, RFC 2033 (LHLO), RFC 3030 (BDAT), RFC 4468 (BURL), RFC 3207 (STARTTLS) and
// RFC 4954 (AUTH), and those that are known only to be refused properly.
const (
	EHLO     Verb = "EHLO"
	HELO     Verb = "HELO"
	LHLO     Verb = "LHLO"
	MAIL     Verb = "MAIL"
	RCPT     Verb = "RCPT"
	DATA     Verb = "DATA"
	BDAT     Verb = "BDAT"
	BURL     Verb = "BURL"
	RSET     Verb = "RSET"
	NOOP     Verb = "NOOP"
	VRFY     Verb = "VRFY"
	EXPN     Verb = "EXPN"
	HELP     Verb = "HELP"
	QUIT     Verb = "QUIT"
	STARTTLS Verb = "STARTTLS"
	AUTH     Verb = "AUTH"
	ETRN     Verb = "ETRN"
	TURN     Verb = "TURN"
	ATRN     Verb = "ATRN"
	SEND     Verb = "SEND"
	SOML     Verb = "SOML"
	SAML     Verb = "SAML"
	XCLIENT  Verb = "XCLIENT" // of Postfix, like the next one
	XFORWARD Verb = "XFORWARD"
)

// Command is one command line, taken apart.
type Command struct {
	Verb Verb   // upper case; empty if the line does not begin with a word
	Args string // what follows the space after it, without white space at its end
}

// maxVerb is longer than any verb; a longer word is not one.
const maxVerb = 16

// ParseCommand takes a line, CRLF included, apart. It refuses what could be read
// in two ways: a line that does not end in CRLF, and NUL, CR or LF inside it.
func ParseCommand(line []byte) (Command, error) {
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	switch {
	case !ok:
		// RFC 5321 §2.3.8: a lone LF is not a line ending, here as little as in DATA.
		return Command{}, &SyntaxError{badSyntax, "A command must end with CR LF"}
	case bytes.IndexByte(text, 0) >= 0:
		return Command{}, &SyntaxError{badSyntax, "A command must not contain NUL"}
	case bytes.ContainsAny(text, "\r\n"):
		return Command{}, &SyntaxError{badSyntax, "A command must not contain a CR or LF of its own"}
	}
	// RFC 5321 §4.1.1: white space before the CRLF is tolerated.
	text = bytes.TrimRight(text, " \t")
	word := text
	if i := bytes.IndexAny(text, " \t"); i >= 0 {
		word = text[:i]
	}
	args := bytes.TrimLeft(text[len(word):], " \t")
	return Command{verb(word), string(args)}, nil
}

// verb is the word in upper case, without an allocation for those that we know.
func verb(word []byte) Verb {
	var upper [maxVerb]byte
	if len(word) > maxVerb {
		return ""
	}
	for i, c := range word {
		switch {
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case c <= ' ' || c >= 0x7f:
			return ""
		}
		upper[i] = c
	}
	switch string(upper[:len(word)]) {
	case "EHLO":
		return EHLO
	case "HELO":
		return HELO
	case "LHLO":
		return LHLO
	case "MAIL":
		return MAIL
	case "RCPT":
		return RCPT
	case "DATA":
		return DATA
	case "BDAT":
		return BDAT
	case "RSET":
		return RSET
	case "NOOP":
		return NOOP
	case "QUIT":
		return QUIT
	case "STARTTLS":
		return STARTTLS
	case "AUTH":
		return AUTH
	}
	return Verb(upper[:len(word)])
}

// cutPrefixFold cuts a prefix in any case.
func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
