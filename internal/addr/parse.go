package addr

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"posthorn/internal/fault"
)

// Longest parts accepted. RFC 5321 §4.5.3.1 asks for at least 64 and 255 octets;
// bounce addresses that carry a whole recipient need more than 64.
const (
	maxLocal  = 255
	maxDomain = 255
	maxLabel  = 63
)

// Parse reads a whole address, `local@domain`. It accepts what real mail carries:
// dots in odd places of the local part (they are quoted again by String), UTF-8 in
// both parts (RFC 6531), and address literals. Errors are of kind Invalid.
func Parse(s string) (Address, error) {
	a, rest, err := ParsePrefix(s)
	if err != nil {
		return Address{}, err
	}
	if rest != "" {
		return Address{}, fault.New(fault.Invalid, "address %q: unexpected %q after the domain", s, rest)
	}
	return a, nil
}

// ParsePrefix reads an address from the start of s and returns what follows it,
// for grammars in which an address is a part of something longer.
func ParsePrefix(s string) (a Address, rest string, err error) {
	local, rest, err := parseLocal(s)
	if err != nil {
		return Address{}, "", err
	}
	if !strings.HasPrefix(rest, "@") {
		return Address{}, "", fault.New(fault.Invalid, "address %q: no @ after the local part", s)
	}
	end := domainEnd(rest[1:]) + 1
	a = Address{local, rest[1:end]}
	if err := checkDomain(a.Domain); err != nil {
		return Address{}, "", err
	}
	return a, rest[end:], nil
}

// parseLocal reads a local part, quoted or not, and returns its meaning.
func parseLocal(s string) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		local, rest, err = parseQuoted(s)
	} else {
		end := 0
		for end < len(s) && (s[end] == '.' || isAtext(s[end])) {
			end++
		}
		local, rest = s[:end], s[end:]
	}
	switch {
	case err != nil:
		return "", "", err
	case local == "":
		return "", "", fault.New(fault.Invalid, "address %q: no local part", s)
	case len(local) > maxLocal:
		return "", "", fault.New(fault.Invalid, "address: local part of %d bytes; at most %d", len(local), maxLocal)
	case !isText(local):
		return "", "", fault.New(fault.Invalid, "address %q: local part is not text", s)
	}
	return local, rest, nil
}

// parseQuoted reads a Quoted-string (RFC 5321 §4.1.2).
func parseQuoted(s string) (local, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			if i++; i == len(s) {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", fault.New(fault.Invalid, "address %q: no closing quote", s)
}

// domainEnd is the length of the domain that s begins with.
func domainEnd(s string) int {
	if strings.HasPrefix(s, "[") {
		return strings.IndexByte(s, ']') + 1 // without a ] the domain is empty, and refused as such
	}
	end := 0
	for end < len(s) && (s[end] == '.' || isLabelByte(s[end])) {
		end++
	}
	return end
}

// isText says that s is valid UTF-8 without control characters.
func isText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}
