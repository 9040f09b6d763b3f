package lists

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"

	"posthorn/internal/addr"
)

// index is the entries of one file. Of what an entry names only a hash is kept, of 64
// bits and with a seed that nobody knows: two names share one about once in 2⁶⁴ times.
type index struct {
	seed     maphash.Seed
	names    map[uint64]place
	networks []networks // longest prefixes first
	count    [numKinds]int
	reasons  []byte // each behind its length, two bytes
}

// networks are those whose prefixes have the same length; of IPv4, plus 96. A file has
// few lengths, and few networks of most of them, which are quickly looked through.
type networks struct {
	length int
	places map[uint64]place
}

// place is where an entry stands.
type place struct {
	line   uint32
	reason uint32 // its place among the reasons, plus one; 0: there is none
}

func newIndex() index {
	return index{seed: maphash.MakeSeed(), names: map[uint64]place{}}
}

// len counts the entries.
func (x *index) len() int {
	n := 0
	for _, count := range x.count {
		n += count
	}
	return n
}

// add adds an entry. The first of several that are the same counts.
func (x *index) add(e entry, line int) {
	into, key := x.names, uint64(0)
	if e.kind == Client {
		length := prefixLength(e.network)
		into, key = x.ofLength(length), x.hashNetwork(e.network.Addr(), length)
	} else {
		key = x.hashName(e.kind, e.name)
	}
	if _, ok := into[key]; !ok {
		into[key] = place{line: uint32(line), reason: x.keep(e.reason)}
		x.count[e.kind]++
	}
}

// ofLength is where networks with such a prefix are.
func (x *index) ofLength(length int) map[uint64]place {
	i, ok := slices.BinarySearchFunc(x.networks, length, func(n networks, length int) int { return length - n.length })
	if !ok {
		x.networks = slices.Insert(x.networks, i, networks{length, map[uint64]place{}})
	}
	return x.networks[i].places
}

// keep keeps a reason. Long lists often have the same one in every line.
func (x *index) keep(reason string) uint32 {
	if reason == "" {
		return 0
	}
	text := append([]byte{byte(len(reason) >> 8), byte(len(reason))}, reason...)
	at := len(x.reasons) - len(text)
	if at < 0 || string(x.reasons[at:]) != string(text) {
		at = len(x.reasons)
		x.reasons = append(x.reasons, text...)
	}
	return uint32(at) + 1
}

// prefixLength is the length of a network's prefix, that of IPv4 as IPv6 has it.
func prefixLength(n netip.Prefix) int {
	if n.Addr().Is4() {
		return n.Bits() + 96
	}
	return n.Bits()
}

// hashNetwork is the key of the network of a length that an address is in.
func (x *index) hashNetwork(ip netip.Addr, length int) uint64 {
	var b [18]byte
	b[0], b[1] = byte(Client), byte(length)
	bytes := ip.As16()
	whole := length / 8
	copy(b[2:], bytes[:whole])
	if rest := length % 8; rest > 0 {
		b[2+whole] = bytes[whole] & (0xff << (8 - rest))
	}
	return maphash.Bytes(x.seed, b[:])
}

// hashName is the key of a name, given in parts, whatever its case.
func (x *index) hashName(k Kind, parts ...string) uint64 {
	var room [320]byte
	b := append(room[:0], byte(k))
	for _, p := range parts {
		b = append(b, p...)
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return maphash.Bytes(x.seed, b)
}

// client looks an address up, in every length of prefix that there is.
func (f *file) client(ip netip.Addr) *Entry {
	for _, n := range f.networks {
		if ip.Is4() && n.length < 96 {
			break // a network of IPv6
		}
		if p, ok := n.places[f.hashNetwork(ip, n.length)]; ok {
			bits := n.length
			if ip.Is4() {
				bits -= 96
			}
			network, _ := ip.Prefix(bits)
			text := network.String()
			if network.IsSingleIP() {
				text = ip.String()
			}
			return f.entry(Client, text, p)
		}
	}
	return nil
}

// domain looks a name up, and then ".name" of all that are above it.
func (f *file) domain(k Kind, name string) *Entry {
	if p, ok := f.names[f.hashName(k, name)]; ok {
		return f.entry(k, strings.ToLower(name), p)
	}
	for i := range len(name) {
		if name[i] != '.' {
			continue
		}
		if p, ok := f.names[f.hashName(k, name[i:])]; ok {
			return f.entry(k, strings.ToLower(name[i:]), p)
		}
	}
	return nil
}

// address looks an address up.
func (f *file) address(k Kind, a addr.Address) *Entry {
	base, _ := addr.SplitTag(a.Local, '+')
	locals := [...]string{a.Local, base}
	spellings := locals[:]
	if base == a.Local {
		spellings = locals[:1]
	}
	for _, local := range spellings {
		if p, ok := f.names[f.hashName(k, local, "@", a.Domain)]; ok {
			return f.entry(k, strings.ToLower(local+"@"+a.Domain), p)
		}
	}
	if e := f.domain(k, a.Domain); e != nil {
		return e
	}
	for _, local := range spellings {
		if p, ok := f.names[f.hashName(k, local, "@")]; ok {
			return f.entry(k, strings.ToLower(local+"@"), p)
		}
	}
	return nil
}

// entry is what is told of an entry.
func (f *file) entry(k Kind, text string, p place) *Entry {
	e := &Entry{Kind: k, Text: text, File: f.path, Line: int(p.line)}
	if p.reason > 0 {
		b := f.reasons[p.reason-1:]
		e.Reason = string(b[2:][:int(b[0])<<8|int(b[1])])
	}
	return e
}
