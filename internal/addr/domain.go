package addr

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"posthorn/internal/fault"
)

// CanonicalDomain is the one form of a domain that may be compared and used as a
// key: lower-case ASCII, labels in Unicode turned into A-labels (RFC 5890 §2.3.2.1),
// address literals with their IP address in its shortest form.
func CanonicalDomain(domain string) (string, error) {
	if err := checkDomain(domain); err != nil {
		return "", err
	}
	if ip, ok := parseLiteral(domain); ok {
		if ip.Is4() {
			return "[" + ip.String() + "]", nil
		}
		return "[IPv6:" + ip.String() + "]", nil
	}
	if isASCII(domain) {
		return strings.ToLower(domain), nil
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return "", fault.New(fault.Invalid, "domain %q: %w", domain, err)
	}
	return ascii, checkDomain(ascii)
}

// UnicodeDomain is a domain as people read it: A-labels turned into U-labels. What
// cannot be turned stays as it is.
func UnicodeDomain(domain string) string {
	if unicode, err := idna.Display.ToUnicode(domain); err == nil {
		return unicode
	}
	return domain
}

// checkDomain holds a domain to RFC 5321 §4.1.2, with underscores allowed because
// real hosts have them, and labels in UTF-8 (RFC 6531 §3.3).
func checkDomain(domain string) error {
	switch {
	case domain == "":
		return fault.New(fault.Invalid, "address: no domain")
	case len(domain) > maxDomain:
		return fault.New(fault.Invalid, "domain of %d bytes; at most %d", len(domain), maxDomain)
	case domain[0] == '[':
		if _, ok := parseLiteral(domain); !ok {
			return fault.New(fault.Invalid, "domain %q: not an address literal; want [192.0.2.1] or [IPv6:2001:db8::1]", domain)
		}
		return nil
	case !isText(domain):
		return fault.New(fault.Invalid, "domain %q is not text", domain)
	}
	for label := range strings.SplitSeq(domain, ".") {
		if err := checkLabel(domain, label); err != nil {
			return err
		}
	}
	return nil
}

func checkLabel(domain, label string) error {
	switch {
	case label == "":
		return fault.New(fault.Invalid, "domain %q has a dot too many", domain)
	case len(label) > maxLabel && isASCII(label):
		return fault.New(fault.Invalid, "domain %q: label of %d bytes; at most %d", domain, len(label), maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return fault.New(fault.Invalid, "domain %q: label %q begins or ends with a hyphen", domain, label)
	}
	for i := range len(label) {
		if !isLabelByte(label[i]) {
			return fault.New(fault.Invalid, "domain %q: %q is not allowed", domain, label[i])
		}
	}
	return nil
}

func isLabelByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '_' || c >= utf8.RuneSelf
}

// parseLiteral reads [192.0.2.1] and [IPv6:2001:db8::1] (RFC 5321 §4.1.3).
func parseLiteral(domain string) (netip.Addr, bool) {
	inner, ok := strings.CutPrefix(domain, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !ok || !closed {
		return netip.Addr{}, false
	}
	const tag = "IPv6:"
	v6 := len(inner) > len(tag) && strings.EqualFold(inner[:len(tag)], tag)
	if v6 {
		inner = inner[len(tag):]
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || ip.Is4() == v6 || ip.Zone() != "" {
		return netip.Addr{}, false
	}
	return ip, true
}
