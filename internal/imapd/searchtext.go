package imapd

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"posthorn/internal/casemap"
	"posthorn/internal/message"
)

// needle is a text to look for, folded by casemap: a text contains it if the folded text
// does (RFC 5255 §4.2: without regard to case and to how characters are composed).
type needle struct{ folded []byte }

var errCharset = no("BADCHARSET (UTF-8 US-ASCII)", "This charset is not known")

func newNeedle(charset, text string) (*needle, error) {
	if charset != "" {
		decoded, err := io.ReadAll(message.DecodeCharset(charset, strings.NewReader(text)))
		if err != nil {
			return nil, errCharset
		}
		text = string(decoded)
	}
	return &needle{casemap.Append(nil, text)}, nil
}

// knownCharset reports whether texts in a charset can be understood: of one that is
// unknown, only ASCII comes out.
func knownCharset(name string) bool {
	if name == "" {
		return true
	}
	// Four bytes that mean something in every 8-bit charset and in UTF-8, and a
	// shift into Kanji and into Hanzi for the 7-bit ones.
	for _, probe := range []string{"\xc4\xa3\xc3\xa3", "\x1b$B4A\x1b(B", "~{VPND~}"} {
		text, err := io.ReadAll(message.DecodeCharset(name, strings.NewReader(probe)))
		if err != nil {
			return false
		}
		for _, r := range string(text) {
			if r >= utf8.RuneSelf && r != utf8.RuneError {
				return true
			}
		}
	}
	return false
}

// inValue looks into the value of a header field, decoded.
func (n *needle) inValue(value []byte) bool {
	if len(n.folded) == 0 {
		return true
	}
	var room [256]byte
	if isPlain(value) {
		return bytes.Contains(casemap.Append(room[:0], value), n.folded)
	}
	return bytes.Contains(casemap.Append(room[:0], []byte(message.DecodeHeader(string(value)))), n.folded)
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

// in looks into a text of any length, in UTF-8.
func (n *needle) in(r io.Reader) bool {
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
		folded = casemap.Append(folded, text[:whole])
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

// fullText is a message whose text can be searched.
type fullText struct {
	message *io.SectionReader
	layout  *message.Layout // nil if it cannot be read
	head    []byte
}

func newFullText(r io.ReaderAt, size int64, layout []byte) *fullText {
	t := &fullText{message: io.NewSectionReader(r, 0, size)}
	t.layout, _ = message.ParseLayout(layout)
	return t
}

// header is the message's header, or the beginning of an enormous one.
func (t *fullText) header() []byte {
	if t.head == nil && t.layout != nil {
		t.head = t.headerOf(t.layout)
	}
	return t.head
}

func (t *fullText) headerOf(part *message.Layout) []byte {
	b := make([]byte, max(0, min(part.BodyStart-part.HeaderStart, maxHeader)))
	n, _ := t.message.ReadAt(b, part.HeaderStart) // what can be read is searched
	return b[:n]
}

// contains looks into the body, decoded part by part, and if wanted the header.
func (t *fullText) contains(n *needle, withHeader bool) bool {
	if t.layout == nil || len(n.folded) == 0 {
		return t.layout != nil
	}
	return withHeader && n.inFields(t.header()) || t.inPart(n, t.layout)
}

// inFields looks into all fields of a header, names included.
func (n *needle) inFields(header []byte) bool {
	return anyField(header, func(f *message.Field) bool { return n.inValue(bytes.TrimRight(f.Raw, "\r\n")) })
}

// inPart looks into a part's text: of texts what they say, of everything below the
// part its header too, which is part of the body that is searched.
func (t *fullText) inPart(n *needle, part *message.Layout) bool {
	for _, p := range part.Parts {
		if n.inFields(t.headerOf(p)) || t.inPart(n, p) {
			return true
		}
	}
	if part.Kind != message.Leaf || part.Type != "text" {
		return false
	}
	raw := io.NewSectionReader(t.message, part.BodyStart, part.End-part.BodyStart)
	return n.in(message.DecodeCharset(part.Charset, message.DecodeTransfer(part.Encoding, raw)))
}
