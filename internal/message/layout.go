package message

import (
	"encoding/binary"
	"slices"
	"strings"

	"posthorn/internal/fault"
)

// Kind says what a Layout node is made of.
type Kind uint8

// The kinds of a Layout.
const (
	Leaf      Kind = iota // a body without parts
	Multipart             // its parts are body parts, at least one
	Embedded              // its only part is a message
	numKinds
)

// Layout is the map of a message: for every part where it lies and how to
// decode it. It is stored with each message. Type, Subtype, Encoding and
// Charset are in lower case; Charset is empty if none was given.
type Layout struct {
	Kind                        Kind
	HeaderStart, BodyStart, End int64 // as in Part
	Type, Subtype               string
	Encoding, Charset           string
	Parts                       []*Layout
}

// Layout is the map of this part and all below it.
func (p *Part) Layout() *Layout {
	l := &Layout{
		HeaderStart: p.HeaderStart, BodyStart: p.BodyStart, End: p.End,
		Type: strings.ToLower(p.Type), Subtype: strings.ToLower(p.Subtype),
		Encoding: strings.ToLower(p.Encoding), Charset: strings.ToLower(p.Param("charset")),
	}
	if len(p.Parts) == 0 {
		return l
	}
	l.Kind = Multipart
	if p.IsEmbedded() {
		l.Kind = Embedded
	}
	l.Parts = make([]*Layout, len(p.Parts))
	for i, child := range p.Parts {
		l.Parts[i] = child.Layout()
	}
	return l
}

// Find gives the part that an IMAP part number names, nil if there is none. An
// empty path names l itself. RFC 9051 §6.4.5: a multipart numbers its parts
// from 1; part 1 of a message that is no multipart is its body; the numbers go
// on inside an embedded message.
func (l *Layout) Find(path []int) *Layout {
	for i, n := range path {
		if i > 0 && l.Kind == Leaf {
			return nil
		}
		if i > 0 && l.Kind == Embedded {
			l = l.Parts[0]
		}
		switch {
		case l.Kind == Multipart && n >= 1 && n <= len(l.Parts):
			l = l.Parts[n-1]
		case l.Kind == Multipart || n != 1:
			return nil
		}
	}
	return l
}

// The encoding: a version byte, then the tree in preorder. A node is its kind,
// the distance of its header from where the part before it ended (or its
// parent's body began), the lengths of header and body, four words, and for a
// multipart the number of its parts. A word is its place in layoutWords, or its
// length plus len(layoutWords) and its bytes. All numbers are uvarints.
const layoutVersion = 1

// layoutWords must only ever be changed together with layoutVersion.
var layoutWords = []string{
	"", "text", "plain", "html", "multipart", "mixed", "alternative", "related",
	"application", "pdf", "octet-stream", "image", "jpeg", "png", "gif",
	"message", "rfc822", "delivery-status", "report", "signed", "calendar",
	"7bit", "8bit", "base64", "quoted-printable", "binary",
	"utf-8", "us-ascii", "iso-8859-1", "windows-1252", "gb18030", "gbk", "gb2312",
	"big5", "iso-2022-jp", "euc-kr",
}

// Append writes the layout to the end of dst.
func (l *Layout) Append(dst []byte) []byte {
	return l.appendNode(append(dst, layoutVersion), 0)
}

func (l *Layout) appendNode(dst []byte, from int64) []byte {
	dst = append(dst, byte(l.Kind))
	dst = binary.AppendUvarint(dst, uint64(l.HeaderStart-from))
	dst = binary.AppendUvarint(dst, uint64(l.BodyStart-l.HeaderStart))
	dst = binary.AppendUvarint(dst, uint64(l.End-l.BodyStart))
	for _, word := range [...]string{l.Type, l.Subtype, l.Encoding, l.Charset} {
		if i := slices.Index(layoutWords, word); i >= 0 {
			dst = binary.AppendUvarint(dst, uint64(i))
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(len(layoutWords)+len(word)))
		dst = append(dst, word...)
	}
	if l.Kind == Multipart {
		dst = binary.AppendUvarint(dst, uint64(len(l.Parts)))
	}
	from = l.BodyStart
	for _, child := range l.Parts {
		dst = child.appendNode(dst, from)
		from = child.End
	}
	return dst
}

// ParseLayout reads what Append wrote. What it returns without an error keeps
// the invariants of the package, so its offsets can be trusted.
func ParseLayout(b []byte) (*Layout, error) {
	if len(b) == 0 || b[0] != layoutVersion {
		return nil, fault.New(fault.Corrupt, "message: layout: unknown version")
	}
	d := layoutDecoder{rest: b[1:]}
	l := d.node(0, maxLayoutSize, 0)
	if d.bad || len(d.rest) > 0 {
		return nil, fault.New(fault.Corrupt, "message: layout: damaged at byte %d of %d", len(b)-len(d.rest), len(b))
	}
	return l, nil
}

const (
	// maxLayoutSize bounds offsets, so that sums of them cannot overflow.
	maxLayoutSize = 1 << 60
	// maxLayoutDepth leaves room for the leaves below the deepest container.
	maxLayoutDepth = maxDepth + 2
)

// layoutDecoder has a sticky error: once bad, it only gives zero values.
type layoutDecoder struct {
	rest []byte
	bad  bool
}

func (d *layoutDecoder) node(from, limit int64, depth int) *Layout {
	l := &Layout{Kind: Kind(d.uvarint(uint64(numKinds - 1)))}
	l.HeaderStart = from + int64(d.uvarint(uint64(limit-from)))
	l.BodyStart = l.HeaderStart + int64(d.uvarint(uint64(limit-l.HeaderStart)))
	l.End = l.BodyStart + int64(d.uvarint(uint64(limit-l.BodyStart)))
	l.Type, l.Subtype, l.Encoding, l.Charset = d.word(), d.word(), d.word(), d.word()

	count := 0
	switch l.Kind {
	case Embedded:
		count = 1
	case Multipart:
		count = int(d.uvarint(uint64(len(d.rest)))) // a node takes more than one byte
		d.bad = d.bad || count == 0
	}
	if d.bad || count > 0 && depth >= maxLayoutDepth {
		d.bad = true
		return nil
	}
	from = l.BodyStart
	for range count {
		child := d.node(from, l.End, depth+1)
		if d.bad {
			return nil
		}
		l.Parts = append(l.Parts, child)
		from = child.End
	}
	return l
}

func (d *layoutDecoder) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > limit {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *layoutDecoder) word() string {
	v := int(d.uvarint(uint64(len(layoutWords) + len(d.rest))))
	if v < len(layoutWords) {
		return layoutWords[v]
	}
	if v -= len(layoutWords); v > len(d.rest) {
		d.bad, d.rest = true, nil
		return ""
	}
	word := string(d.rest[:v])
	d.rest = d.rest[v:]
	return word
}
