package imapwire

import (
	"strconv"
	"strings"
)

// Metadata is one entry of METADATA with its value (RFC 5464).
type Metadata struct {
	Entry string // in lower case
	Value []byte // nil: none
}

// DepthInfinity is the DEPTH of all that is below an entry.
const DepthInfinity = -1

// GetMetadata is the arguments of GETMETADATA (RFC 5464 §4.2).
type GetMetadata struct {
	Mailbox string // empty: the server
	Depth   int
	MaxSize uint32
	Limited bool // MaxSize was given
	Entries []string
}

// GetMetadata decodes what follows GETMETADATA and a space. The options stand before
// the mailbox in the grammar of RFC 5464 §5, and behind it in its examples; name decodes
// the mailbox.
func (d *Decoder) GetMetadata(g *GetMetadata, name func(*string) bool) bool {
	*g = GetMetadata{}
	if d.next() == '(' && (!d.List(func() bool { return d.metadataOption(g) }) || !d.SP()) {
		return false
	}
	if !name(&g.Mailbox) || !d.SP() {
		return false
	}
	if d.next() != '(' {
		return d.entryList(&g.Entries)
	}
	if d.optionsFollow() && (!d.List(func() bool { return d.metadataOption(g) }) || !d.SP()) {
		return false
	}
	if d.next() != '(' {
		return d.entryList(&g.Entries)
	}
	return d.entryNames(&g.Entries)
}

// optionsFollow reports whether the list that comes next is of options: names of
// entries begin with a slash.
func (d *Decoder) optionsFollow() bool {
	return len(d.line) > 1 && classes[d.line[1]]&wordChar != 0
}

func (d *Decoder) metadataOption(g *GetMetadata) bool {
	switch string(d.word()) {
	case "MAXSIZE":
		g.Limited = true
		return d.SP() && d.Number(&g.MaxSize)
	case "DEPTH":
		return d.SP() && d.depth(&g.Depth)
	}
	return d.failWord("MAXSIZE or DEPTH")
}

func (d *Decoder) depth(depth *int) bool {
	switch string(d.word()) {
	case "0":
		*depth = 0
	case "1":
		*depth = 1
	case "INFINITY":
		*depth = DepthInfinity
	default:
		return d.failWord("0, 1 or infinity")
	}
	return true
}

// SetMetadata decodes the entries and values of SETMETADATA (RFC 5464 §4.3).
func (d *Decoder) SetMetadata(entries *[]Metadata) bool {
	*entries = nil
	ok := d.List(func() bool {
		var m Metadata
		if !d.entryName(&m.Entry) || !d.SP() || !d.metadataValue(&m.Value) {
			return false
		}
		*entries = append(*entries, m)
		return true
	})
	return ok && (len(*entries) > 0 || d.Fail("an entry"))
}

// metadataValue decodes a string, NIL, or a literal8.
func (d *Decoder) metadataValue(value *[]byte) bool {
	if d.next() == '~' {
		return d.literalBytes(value, true)
	}
	var s string
	var isNil bool
	if !d.NString(&s, &isNil) {
		return false
	}
	if *value = []byte(s); isNil {
		*value = nil
	}
	return true
}

// entryName decodes the name of an entry; those of RFC 5464 §3.2 have no case.
func (d *Decoder) entryName(name *string) bool {
	var s string
	if !d.AString(&s) {
		return false
	}
	*name = strings.ToLower(s)
	return validEntry(*name) || d.Fail("the name of an entry, such as /shared/comment,")
}

// validEntry is RFC 5464 §3.2: a scope, levels that are not empty, no wildcards.
func validEntry(s string) bool {
	if !strings.HasPrefix(s, "/private/") && !strings.HasPrefix(s, "/shared/") || strings.HasSuffix(s, "/") {
		return s == "/private" || s == "/shared"
	}
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '*' || c == '%' || c == '/' && i > 0 && s[i-1] == '/' {
			return false
		}
	}
	return true
}

// entryNames decodes a list of names of entries.
func (d *Decoder) entryNames(names *[]string) bool {
	*names = nil
	ok := d.List(func() bool {
		var s string
		ok := d.entryName(&s)
		*names = append(*names, s)
		return ok
	})
	return ok && (len(*names) > 0 || d.Fail("an entry"))
}

// entryList decodes names one behind the other, without parentheses.
func (d *Decoder) entryList(names *[]string) bool {
	for *names = nil; ; {
		var s string
		if !d.entryName(&s) {
			return false
		}
		*names = append(*names, s)
		if d.AtEnd() {
			return true
		}
		if !d.SP() {
			return false
		}
	}
}

func appendEntryNames(dst []byte, names []string) []byte {
	for i, name := range names {
		dst = AppendAString(append(dst, "( "[min(i, 1)]), name)
	}
	return append(dst, ')')
}

// AppendGetMetadata appends what follows GETMETADATA and a space.
func AppendGetMetadata(dst []byte, g *GetMetadata) []byte {
	sep := "("
	if g.Limited {
		dst = strconv.AppendUint(append(dst, "(MAXSIZE "...), uint64(g.MaxSize), 10)
		sep = " "
	}
	if g.Depth != 0 {
		depth := "1"
		if g.Depth == DepthInfinity {
			depth = "infinity"
		}
		dst = append(append(append(dst, sep...), "DEPTH "...), depth...)
		sep = " "
	}
	if sep == " " {
		dst = append(dst, ") "...)
	}
	return appendEntryNames(append(AppendMailbox(dst, g.Mailbox), ' '), g.Entries)
}

// AppendMetadata appends entries and their values, of SETMETADATA and of METADATA.
func AppendMetadata(dst []byte, entries []Metadata) []byte {
	for i, m := range entries {
		dst = AppendAString(append(dst, "( "[min(i, 1)]), m.Entry)
		dst = append(dst, ' ')
		switch {
		case m.Value == nil:
			dst = append(dst, "NIL"...)
		case hasNUL(m.Value):
			dst = append(AppendLiteralHeader(append(dst, '~'), int64(len(m.Value))), m.Value...)
		default:
			dst = AppendString(dst, m.Value)
		}
	}
	return append(dst, ')')
}
