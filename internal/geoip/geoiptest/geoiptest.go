// Package geoiptest writes files that say where addresses are, for tests. It owns the
// smallest of encoders for the format of MaxMind: a tree of IPv6 with records of 24 bits,
// maps, strings and numbers. What it writes is as large as it has to be for a few networks.
package geoiptest

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

const (
	kindString = 2
	kindUint16 = 5
	kindUint32 = 6
	kindMap    = 7
)

func head(kind, size int) []byte {
	if size < 29 {
		return []byte{byte(kind<<5 | size)}
	}
	return []byte{byte(kind<<5 | 29), byte(size - 29)}
}

// Text is an encoded string.
func Text(s string) []byte { return append(head(kindString, len(s)), s...) }

func number(kind int, n uint32) []byte {
	b := bytes.TrimLeft(binary.BigEndian.AppendUint32(nil, n), "\x00")
	return append(head(kind, len(b)), b...)
}

// Object is an encoded map; it wants names and encoded values in turn.
func Object(members ...any) []byte {
	out := head(kindMap, len(members)/2)
	for i := 0; i < len(members); i += 2 {
		out = append(out, Text(members[i].(string))...)
		out = append(out, members[i+1].([]byte)...)
	}
	return out
}

// node is one of the tree: for each bit another one, or below 0 a place in the data (-1 is
// the first); 0: nothing.
type node [2]int

// Encode gives a file in which networks have records.
func Encode(networks map[string][]byte) []byte {
	tree, data := []node{{}}, []byte{}
	for network, record := range networks {
		p := netip.MustParsePrefix(network)
		ip, bits := p.Addr().As16(), p.Bits()
		if p.Addr().Is4() { // lies in ::/96
			a := p.Addr().As4()
			ip, bits = [16]byte{12: a[0], a[1], a[2], a[3]}, bits+96
		}
		at := 0
		for i := range bits {
			bit := ip[i/8] >> (7 - i%8) & 1
			if i == bits-1 {
				tree[at][bit] = -len(data) - 1
				data = append(data, record...)
				break
			}
			if tree[at][bit] == 0 {
				tree[at][bit] = len(tree)
				tree = append(tree, node{})
			}
			at = tree[at][bit]
		}
	}
	const separator = 16
	var out []byte
	for _, n := range tree {
		for _, to := range n {
			v := to
			switch {
			case to == 0:
				v = len(tree)
			case to < 0:
				v = len(tree) + separator - to - 1
			}
			out = append(out, byte(v>>16), byte(v>>8), byte(v))
		}
	}
	out = append(append(out, make([]byte, separator)...), data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return append(out, Object(
		"binary_format_major_version", number(kindUint16, 2), "binary_format_minor_version", number(kindUint16, 0),
		"database_type", Text("Test-Country"), "ip_version", number(kindUint16, 6),
		"node_count", number(kindUint32, uint32(len(tree))), "record_size", number(kindUint16, 24),
	)...)
}

// Country is the record of a country, as MaxMind writes it.
func Country(code string) []byte { return Object("country", Object("iso_code", Text(code))) }
