package history

import (
	"net/netip"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/obs"
)

// token is what an event can be found by: the hash of a name and of what kind of
// name it is. Two events share one if they share the name, in any case of its letters.
type token uint64

// The kinds of names.
const (
	byMessage   = 'i' // our name for a message
	byMessageID = 'm'
	byAddress   = 'a'
	byDomain    = 'd'
	byIP        = 'p'
	byAccount   = '#'
)

// FNV-1a, which needs no state and is the same on every machine and for ever.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// begin begins a hash.
func begin(kind byte) token {
	h := token(fnvOffset)
	return h.with(kind)
}

func (h token) with(c byte) token { return (h ^ token(c)) * fnvPrime }

func hash(kind byte, parts ...string) token {
	h := begin(kind)
	for _, part := range parts {
		for i := range len(part) {
			c := part[i]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			h = h.with(c)
		}
	}
	return h
}

func hashIP(ip netip.Addr) token {
	h := begin(byIP)
	for _, c := range ip.As16() {
		h = h.with(c)
	}
	return h
}

func hashAccount(id uint64) token {
	h := begin(byAccount)
	for ; id > 0; id >>= 8 {
		h = h.with(byte(id))
	}
	return h
}

// tokens calls yield with what an event can be found by; some twice.
func tokens(e *obs.Event, yield func(token)) {
	for _, id := range [...]string{e.Message, e.Related} {
		if id != "" {
			yield(hash(byMessage, id))
		}
	}
	if id := bareMessageID(e.MessageID); id != "" {
		yield(hash(byMessageID, id))
	}
	addressTokens(e.From, yield)
	addressTokens(e.User, yield)
	addressTokens(e.By, yield)
	for i := range e.To {
		addressTokens(e.To[i].Address, yield)
		for _, account := range e.To[i].Accounts {
			yield(hashAccount(account))
		}
	}
	if e.Remote.IsValid() {
		yield(hashIP(e.Remote))
	}
	if ip, ok := hostIP(e.Host); ok {
		yield(hashIP(ip))
	}
}

// addressTokens are those of an address: the whole, and its domain.
func addressTokens(address string, yield func(token)) {
	if address == "" {
		return
	}
	at := strings.LastIndexByte(address, '@')
	domain := canonicalDomain(address[at+1:])
	yield(hash(byAddress, address[:at+1], domain))
	if at >= 0 {
		yield(hash(byDomain, domain))
	}
}

// canonicalDomain is a domain in the one form that is compared; what is none stays.
func canonicalDomain(domain string) string {
	for i := range len(domain) {
		if domain[i] >= 0x80 {
			if canonical, err := addr.CanonicalDomain(domain); err == nil {
				return canonical
			}
			break
		}
	}
	return domain
}

// bareMessageID is a Message-ID without what stands around it.
func bareMessageID(id string) string {
	return strings.Trim(id[:min(len(id), maxText)], "<> \t")
}

// hostIP finds the address in "mx.example.net [192.0.2.1]".
func hostIP(host string) (netip.Addr, bool) {
	open := strings.LastIndexByte(host, '[')
	if open < 0 || host[len(host)-1] != ']' {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(strings.TrimPrefix(host[open+1:len(host)-1], "IPv6:"))
	return ip, err == nil
}

// tokensOf are those that a person may mean by a text: the more names it could be,
// the more of them. The error is fault.Invalid.
func tokensOf(what string) ([]token, error) {
	what = strings.TrimSpace(what)
	if ip, err := netip.ParseAddr(strings.Trim(what, "[]")); err == nil {
		return []token{hashIP(ip.WithZone(""))}, nil
	}
	bare := bareMessageID(what)
	if bare == "" {
		return nil, fault.New(fault.Invalid, "history: %q names nothing; want a Message-ID, an address, a domain, an IP address or a message's id", what)
	}
	all := []token{hash(byMessageID, bare)}
	if strings.Contains(bare, "@") {
		addressTokens(bare, func(t token) { all = append(all, t) })
		return all[:2], nil // its domain is not meant
	}
	return append(all, hash(byMessage, bare), hash(byDomain, canonicalDomain(bare)), hash(byAddress, bare)), nil
}
