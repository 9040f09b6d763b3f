// Package credential owns what proves who somebody is, as values: passwords and the
// hashes that are kept of them (in the schemes of other servers, too), the keys of
// SCRAM, app passwords, one-time codes, and the box in which what must be readable
// again is sealed.
//
// It keeps nothing and knows no account: the directory does. It never decides who
// may come in, and nothing in it says more about a secret than whether it is right.
package credential

import (
	"crypto/subtle"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"posthorn/internal/fault"
)

// A password is kept as "{SCHEME}hash". What comes in as plain text is hashed with
// argon2id; other schemes come from other servers and are replaced at the first login.

// MaxPassword is the longest password in bytes.
const MaxPassword = 1024

// Parse checks a password as an operator gives it. It returns either the plain text
// to be hashed, prepared, or the {SCHEME}hash to be kept. {PLAIN} marks plain text that itself
// looks like a scheme. Kind of error: Invalid.
func Parse(password string) (plain []byte, hash string, err error) {
	scheme, text, marked := cutScheme(password)
	if marked && scheme != "PLAIN" && scheme != "CLEARTEXT" && scheme != "CLEAR" {
		hash = "{" + scheme + "}" + text
		_, err := ParseHash(hash)
		return nil, hash, err
	}
	switch {
	case text == "":
		return nil, "", fault.New(fault.Invalid, "the password is empty")
	case len(text) > MaxPassword:
		return nil, "", fault.New(fault.Invalid, "the password has %d bytes; at most %d", len(text), MaxPassword)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return nil, "", fault.New(fault.Invalid, "the password is not text, or has control characters in it")
	}
	return Prepare(text), "", nil
}

// Prepare is the form of a password that is hashed: composed, as RFC 8265 §4.2.2
// wants it, so that it does not matter which keyboard an ü came from.
func Prepare(password string) []byte { return norm.NFC.Bytes([]byte(password)) }

// cutScheme splits "{SCHEME}rest". Without a scheme, rest is the whole.
func cutScheme(s string) (scheme, rest string, ok bool) {
	inner, ok := strings.CutPrefix(s, "{")
	if !ok {
		return "", s, false
	}
	scheme, rest, ok = strings.Cut(inner, "}")
	if !ok || scheme == "" || strings.ContainsFunc(scheme, notOfScheme) {
		return "", s, false
	}
	return strings.ToUpper(scheme), rest, true
}

func notOfScheme(r rune) bool {
	return r != '-' && r != '.' && r != '_' && !('A' <= r && r <= 'Z') && !('a' <= r && r <= 'z') && !('0' <= r && r <= '9')
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
