package search

import (
	"bytes"
	"io"
	"unicode/utf8"

	"posthorn/internal/casemap"
	"posthorn/internal/message"
)

// Needle is a text to look for, folded by a collation: a text contains it if the folded
// text does.
type Needle struct {
	folded []byte
	fold   func(dst, text []byte) []byte
}

// NewNeedle makes a Needle of a text in UTF-8 by the collation that the index knows (RFC
// 5255 §4.2: without regard to case and to how characters are composed).
func NewNeedle(text string) *Needle { return NewNeedleIn(casemap.Unicode, text) }

// NewNeedleIn makes a Needle by any collation. The index can only be asked about those of
// NewNeedle.
func NewNeedleIn(c casemap.Collation, text string) *Needle {
	return &Needle{c.Append(nil, []byte(text)), c.Append}
}

// Empty reports that every text contains it.
func (n *Needle) Empty() bool { return len(n.folded) == 0 }

// foldField appends what is searched of a header field, or of its value.
func foldField(dst, field []byte) []byte {
	if isPlain(field) {
		return casemap.Append(dst, field)
	}
	return casemap.Append(dst, message.DecodeHeader(string(field)))
}

// field is foldField by the collation of the Needle.
func (n *Needle) field(dst, field []byte) []byte {
	if isPlain(field) {
		return n.fold(dst, field)
	}
	return n.fold(dst, []byte(message.DecodeHeader(string(field))))
}

// isPlain reports that there is nothing to decode in a header value.
func isPlain(value []byte) bool {
	for i, c := range value {
		if c >= utf8.RuneSelf || c < ' ' && c != '\t' || c == '?' && i > 0 && value[i-1] == '=' {
			return false
		}
	}
	return true
}

// InValue looks into the value of a header field, decoded.
func (n *Needle) InValue(value []byte) bool {
	if n.Empty() {
		return true
	}
	var room [256]byte
	return bytes.Contains(n.field(room[:0], value), n.folded)
}

// inField looks into a whole field, its name included.
func (n *Needle) inField(f *message.Field) bool { return n.InValue(wholeField(f)) }

// wholeField is what is searched of a field in a search of all text.
func wholeField(f *message.Field) []byte { return bytes.TrimRight(f.Raw, "\r\n") }

// in looks into a text of any length, in UTF-8.
func (n *Needle) in(r io.Reader) bool {
	const chunk = 8 << 10
	var raw [chunk]byte
	folded := make([]byte, 0, 2*chunk+len(n.folded))
	rest := 0 // bytes of an incomplete character at the beginning of raw
	for {
		got, err := r.Read(raw[rest:])
		text := raw[:rest+got]
		whole := len(text)
		if err == nil {
			whole = completeRunes(text)
		}
		folded = n.fold(folded, text[:whole])
		if bytes.Contains(folded, n.folded) {
			return true
		}
		if err != nil {
			return false
		}
		rest = copy(raw[:], text[whole:])
		// What may be the beginning of the needle is kept.
		folded = append(folded[:0], folded[max(0, len(folded)-len(n.folded)+1):]...)
	}
}

// completeRunes is how much of a text there is without a character cut off at its end.
func completeRunes(text []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if c := text[len(text)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-i:]) {
				return len(text) - i
			}
			break
		}
	}
	return len(text)
}

// Text is a message whose text can be searched.
type Text struct {
	message *io.SectionReader
	layout  *message.Layout // nil if it cannot be read
	head    []byte
}

// NewText makes a Text of a message and its Record.Layout.
func NewText(r io.ReaderAt, size int64, layout []byte) *Text {
	t := &Text{message: io.NewSectionReader(r, 0, size)}
	t.layout, _ = message.ParseLayout(layout)
	return t
}

// maxHeader is how much of a header is searched.
const maxHeader = 1 << 20

// Header is the message's header, or the beginning of an enormous one.
func (t *Text) Header() []byte {
	if t.head == nil && t.layout != nil {
		t.head = t.headerOf(t.layout)
	}
	return t.head
}

func (t *Text) headerOf(part *message.Layout) []byte {
	b := make([]byte, max(0, min(part.BodyStart-part.HeaderStart, maxHeader)))
	n, _ := t.message.ReadAt(b, part.HeaderStart) // what can be read is searched
	return b[:n]
}

// Contains looks into the body, decoded part by part, and if wanted the header.
func (t *Text) Contains(n *Needle, withHeader bool) bool {
	if t.layout == nil || n.Empty() {
		return t.layout != nil
	}
	if withHeader && anyField(t.Header(), n.inField) {
		return true
	}
	return t.anyPiece(t.layout, pieces{field: n.inField, text: n.in})
}

// pieces takes the pieces of a body, until one of its functions gives true. A text
// that is looked for has to be within one piece.
type pieces struct {
	field func(*message.Field) bool
	text  func(io.Reader) bool // decoded, in UTF-8
}

// anyPiece goes through a part's text: of texts what they say, of everything below
// the part its header too, which is part of the body that is searched.
func (t *Text) anyPiece(part *message.Layout, p pieces) bool {
	for _, below := range part.Parts {
		if anyField(t.headerOf(below), p.field) || t.anyPiece(below, p) {
			return true
		}
	}
	if part.Kind != message.Leaf || part.Type != "text" {
		return false
	}
	raw := io.NewSectionReader(t.message, part.BodyStart, part.End-part.BodyStart)
	return p.text(message.DecodeCharset(part.Charset, message.DecodeTransfer(part.Encoding, raw)))
}

func anyField(header []byte, matches func(*message.Field) bool) bool {
	for f := range message.Fields(header) {
		if matches(&f) {
			return true
		}
	}
	return false
}
