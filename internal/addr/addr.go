// Package addr owns the mail address as a value: a local part and a domain.
//
// An Address holds its parts in their meaning, not in their spelling: the local
// part of `"a b"@example.test` is `a b`, and String puts the quotes back where the
// grammar needs them. Domains are kept as written; Canonical gives the one form
// that may be compared and used as a key.
//
// It never does I/O, never asks DNS, and knows nothing of accounts: whether two
// local parts mean the same mailbox is for the domain's owner to say.
//
// Invariants: Parse(a.String()) == a for every a that Parse returned; Canonical is
// idempotent; both parts of a parsed address are valid UTF-8 without control
// characters, so an address can be written into a log, a header or a reply.
package addr

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Address is a mailbox. The zero Address is the null reverse-path `<>`. An empty
// Domain with a Local is the bare `<postmaster>` of RFC 5321 §4.1.1.3.
type Address struct {
	Local  string // unquoted
	Domain string // as written: a DNS name, in ASCII or Unicode, or a literal with its brackets
}

// IsZero says that this is the null reverse-path.
func (a Address) IsZero() bool { return a == Address{} }

// IsLiteral says that the domain is an address literal like [192.0.2.1].
func (a Address) IsLiteral() bool { return strings.HasPrefix(a.Domain, "[") }

// Literal is the IP address of an address literal.
func (a Address) Literal() (netip.Addr, bool) { return parseLiteral(a.Domain) }

// IsASCII says that the address can travel without SMTPUTF8. An address whose
// domain alone is in Unicode can, too, once it is canonical.
func (a Address) IsASCII() bool { return isASCII(a.Local) && isASCII(a.Domain) }

// String spells the address as it stands between < and >, quoting the local part
// where RFC 5321 §4.1.2 asks for it. It is empty for the null reverse-path.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	local := a.Local
	if !isDotString(local) {
		local = quote(local)
	}
	if a.Domain == "" {
		return local
	}
	return local + "@" + a.Domain
}

// Canonical is the address with its domain in canonical form (see
// CanonicalDomain). The local part stays: only its domain knows what it means
// (RFC 5321 §2.4).
func (a Address) Canonical() (Address, error) {
	if a.Domain == "" {
		return a, nil
	}
	domain, err := CanonicalDomain(a.Domain)
	if err != nil {
		return Address{}, err
	}
	return Address{a.Local, domain}, nil
}

// SplitTag splits `alice+lists` into `alice` and `lists`. Without a separator, or
// with nothing before it, the tag is empty and base is the whole local part.
func SplitTag(local string, separator byte) (base, tag string) {
	i := strings.IndexByte(local, separator)
	if i <= 0 {
		return local, ""
	}
	return local[:i], local[i+1:]
}

// isDotString says that a local part needs no quotes (RFC 5321 §4.1.2 Dot-string,
// widened to UTF-8 by RFC 6531 §3.3).
func isDotString(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			if !isAtext(atom[i]) {
				return false
			}
		}
	}
	return true
}

func quote(local string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(local) {
		if c := local[i]; c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(local[i])
	}
	b.WriteByte('"')
	return b.String()
}

// isAtext is atext of RFC 5322 §3.2.3 and every byte of a UTF-8 sequence.
func isAtext(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c >= utf8.RuneSelf:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
