package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxPreview is the length of a preview in characters: RFC 8970 §3.3 asks
	// for up to 200.
	maxPreview = 200
	// maxPlainSource and maxPreviewSource are how many bytes of a text part, as
	// transferred, are looked at. HTML needs more, for styles come first in it.
	maxPlainSource   = 4 << 10
	maxPreviewSource = 32 << 10
	// firstTry is after how many bytes it is looked whether they give text
	// enough already; mostly they do.
	firstTry = 1 << 10
)

// preview collects the start of the first text part that is meant to be read.
// Inside a multipart/alternative plain text is preferred to HTML; elsewhere the
// first one that is not blank is taken, be it HTML, since a plain text after
// it is but a footer.
type preview struct {
	text    string
	settled bool // nothing better will come

	part   *Part // being collected, else nil
	source []byte
	try    int // how much source to collect before it is looked at
	limit  int // how much to collect at most
}

// begin looks whether a leaf whose body begins is worth collecting.
func (p *preview) begin(part *Part, stack []frame) {
	if p.settled || !part.IsText() {
		return
	}
	switch {
	case strings.EqualFold(part.Subtype, "plain"), strings.EqualFold(part.Subtype, "markdown"):
		p.limit = maxPlainSource
	case strings.EqualFold(part.Subtype, "html") && p.text == "":
		p.limit = maxPreviewSource
	default:
		return
	}
	for _, f := range stack {
		encoded := f.part.IsEmbedded() && transferDecoder(f.part.Encoding) != nil
		if encoded || strings.EqualFold(f.part.Disposition, "attachment") {
			return
		}
	}
	p.part, p.source, p.try = part, p.source[:0], firstTry
}

// add takes a line of the part being collected.
func (p *preview) add(line []byte) {
	for room := p.try - len(p.source); len(line) >= room; room = p.try - len(p.source) {
		p.collect(line[:room])
		line = line[room:]
		text := p.read(true)
		if p.try == p.limit || utf8.RuneCountInString(text) == maxPreview {
			p.finish(text)
			return
		}
		p.try = min(4*p.try, p.limit)
	}
	p.collect(line)
}

func (p *preview) collect(b []byte) {
	if p.source == nil {
		p.source = make([]byte, 0, firstTry)
	}
	p.source = append(p.source, b...)
}

// end is told of every part that is closed.
func (p *preview) end(part *Part, inAlternative bool) {
	if p.part == part {
		p.finish(p.read(false))
	}
	p.settle(inAlternative)
}

// settle makes the text that there is the final one, unless an alternative to
// it may follow.
func (p *preview) settle(inAlternative bool) {
	p.settled = p.settled || p.text != "" && !inAlternative
}

// read turns what was collected into a line of text. If it was cut off by the
// limit, there may be half a character, tag or entity at its end.
func (p *preview) read(cut bool) string {
	text := decodeText(p.part.Param("charset"), decodeBody(p.part.Encoding, p.source))
	if p.isHTML() {
		if cut {
			text = strings.TrimSuffix(text, lastEntity(text))
		}
		text = htmlText(text, maxPreview)
	}
	if cut {
		text = strings.TrimRight(text, "\uFFFD")
	}
	return oneLine(text, maxPreview)
}

func (p *preview) isHTML() bool { return strings.EqualFold(p.part.Subtype, "html") }

// finish ends the collecting; a blank part counts for nothing.
func (p *preview) finish(text string) {
	if text != "" {
		p.text = text
		p.settled = !p.isHTML()
	}
	p.part = nil
}

// oneLine collapses white space and drops what cannot be seen, up to a number
// of characters.
func oneLine(text string, limit int) string {
	var b strings.Builder
	b.Grow(min(len(text), limit+limit/4))
	count, space := 0, false
	for _, r := range text {
		switch {
		case r > ' ' && r < 0x7f: // nearly always
		case unicode.IsSpace(r) || unicode.IsControl(r):
			space = true
			continue
		case isInvisible(r, space || count == 0):
			continue
		}
		if space && count > 0 {
			if count >= limit-1 {
				break
			}
			b.WriteByte(' ')
			count++
		}
		space = false
		b.WriteRune(r)
		if count++; count >= limit {
			break
		}
	}
	return b.String()
}

// isInvisible says whether r takes no room. Joiners do only between letters;
// advertisers pad with them.
func isInvisible(r rune, afterSpace bool) bool {
	switch r {
	case 0xad, 0x34f, 0x200b, 0x2060, 0xfeff:
		return true
	case 0x200c, 0x200d:
		return afterSpace
	}
	return false
}
