package lists

import (
	"net/netip"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

// entry is one line of a file, understood:
//
//	192.0.2.7         a client, by its address
//	2001:db8::/32     or its network
//	ip:192.0.2.7      the same
//	helo:ylmf-pc      the name that clients go by
//	bob@example.org   a sender
//	example.org       all senders of a domain
//	.example.org      all senders of domains below it
//	from:bob@         a local part of any domain
//	to:old@here.test  a recipient, in the same forms as a sender
//
// What follows after white space is the reason, which is told to those who are refused.
// A # at the start of a line or after white space begins a remark.
type entry struct {
	kind    Kind
	network netip.Prefix // of a Client
	name    string       // of the others, canonical
	reason  string
}

// parseLine understands a line, given without its end. The second result is false if
// the line says nothing. Kind of error: Invalid.
func parseLine(line string) (entry, bool, error) {
	line = withoutRemark(line)
	word, reason := line, ""
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		word, reason = line[:i], strings.TrimSpace(line[i:])
	}
	if word == "" {
		return entry{}, false, nil
	}
	kind, value := kindOf(word)
	e := entry{kind: kind, reason: reason}
	var err error
	switch kind {
	case Client:
		e.network, err = parseNetwork(value)
	case Hello:
		e.name, err = parseHello(value)
	default:
		e.name, err = parseMailbox(value)
	}
	return e, err == nil, err
}

// withoutRemark is a line without the remark in it and white space around it.
func withoutRemark(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	return strings.TrimSpace(line)
}

// kindOf takes the name of its kind from a word, or guesses it.
func kindOf(word string) (Kind, string) {
	for k, name := range kindNames {
		if n := len(name); len(word) > n && word[n] == ':' && strings.EqualFold(word[:n], name) {
			return Kind(k), word[n+1:]
		}
	}
	if _, err := parseNetwork(word); err == nil {
		return Client, word
	}
	return Sender, word
}

func parseNetwork(s string) (netip.Prefix, error) {
	wrong := fault.New(fault.Invalid, "%q is not an IP address or network; want 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32", s)
	n, err := netip.ParsePrefix(s)
	if err != nil {
		ip, err := netip.ParseAddr(s)
		if err != nil || ip.Zone() != "" {
			return n, wrong
		}
		n = netip.PrefixFrom(ip, ip.BitLen())
	}
	if n.Addr().Is4In6() {
		if n.Bits() < 96 {
			return n, wrong
		}
		n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	return n.Masked(), nil
}

// parseHello reads a name of a client, which can be anything in one word.
func parseHello(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if name == "" || len(name) > 255 {
		return "", fault.New(fault.Invalid, "%q is not a name that clients go by; want helo:mail.example.org or helo:.example.org", s)
	}
	return name, nil
}

// parseMailbox reads an address, or a part of one.
func parseMailbox(s string) (string, error) {
	if local, ok := strings.CutSuffix(s, "@"); ok && local != "" {
		a, err := addr.Parse(s + "example.test")
		return strings.ToLower(a.Local) + "@", err
	}
	if strings.Contains(s, "@") {
		a, err := addr.Parse(s)
		if err == nil {
			a, err = a.Canonical()
		}
		return strings.ToLower(a.Local) + "@" + a.Domain, err
	}
	name, below := strings.CutPrefix(s, ".")
	domain, err := addr.CanonicalDomain(name)
	last := domain[strings.LastIndexByte(domain, '.')+1:]
	switch {
	case err != nil, last == domain && !below, strings.Trim(last, "0123456789") == "":
		return "", fault.New(fault.Invalid, "%q is neither an IP address, network, mail address nor domain; a name that clients go by is helo:%s", s, s)
	case below:
		return "." + domain, nil
	}
	return domain, nil
}
