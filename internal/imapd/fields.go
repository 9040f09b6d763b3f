package imapd

import (
	"bytes"
	"strings"

	"posthorn/internal/message"
	"posthorn/internal/store"
)

// fieldSet is the header fields that a HEADER.FIELDS, or its NOT, wants.
type fieldSet struct {
	names  []string // lower case
	except bool
}

func newFieldSet(names []string, except bool) *fieldSet {
	set := &fieldSet{except: except}
	for _, n := range names {
		set.names = append(set.names, strings.ToLower(n))
	}
	return set
}

// cached reports whether a record has all that is wanted.
func (set *fieldSet) cached() bool {
	for _, n := range set.names {
		if !store.CachedHeader(n) {
			return false
		}
	}
	return !set.except
}

// wants reports whether a field of this name is wanted.
func (set *fieldSet) wants(name []byte) bool {
	for _, n := range set.names {
		if equalFold(name, n) {
			return !set.except
		}
	}
	return set.except
}

// equalFold compares a name with one in lower case.
func equalFold(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// filter appends the wanted fields of a header as they stand in it, and the empty
// line that ends a header (RFC 3501 §6.4.5).
func (set *fieldSet) filter(dst, header []byte) []byte {
	for f := range message.Fields(header) {
		if set.wants(f.Name) {
			dst = append(dst, f.Raw...)
			if !bytes.HasSuffix(f.Raw, []byte{'\n'}) {
				dst = append(dst, "\r\n"...)
			}
		}
	}
	return append(dst, "\r\n"...)
}
