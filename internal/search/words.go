package search

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// A text is cut into words: runs of letters, digits and marks. Scripts that put no
// blanks between words, and symbols, are cut into pairs of neighbouring characters
// instead. Where a run ends depends on nothing but the characters on both sides, so
// that a text contains another exactly if the runs fit.

// class is what a character is to the index.
type class uint8

const (
	separator class = iota
	letter          // part of a word
	glyph           // part of a run that is kept as pairs
)

// The longest words are kept in pieces that overlap, so that whatever is not longer
// than certainLength lies within one of them.
const (
	pieceLength   = 512
	pieceStride   = 384
	certainLength = 120
)

// classOf is the class of the first character of a folded text, and its length.
func classOf(text []byte) (class, int) {
	c := text[0]
	switch {
	case 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_':
		return letter, 1
	case c < utf8.RuneSelf:
		return separator, 1
	}
	r, n := utf8.DecodeRune(text)
	return classOfRune(r), n
}

func classOfRune(r rune) class {
	switch {
	case r >= 0x4e00 && r <= 0x9fff, r >= 0xac00 && r <= 0xd7a3, r >= 0x3041 && r <= 0x30ff:
		return glyph // Han, Hangul, Hiragana and Katakana, before the tables are asked
	case r < 0x2000 && !isDense(r) && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)):
		return letter
	case unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.In(r, unicode.Cc, unicode.Cf):
		return separator
	case isDense(r):
		return glyph
	case unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
		return letter
	}
	return glyph
}

// isDense tells the scripts without blanks between words.
func isDense(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Yi,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan)
}

// runEnd is where the run ends that begins at i and is of this class.
func runEnd(text []byte, i int, of class) int {
	for i < len(text) {
		c, n := classOf(text[i:])
		if c != of {
			break
		}
		i += n
	}
	return i
}

// eachWord calls fn with the words of a folded text.
func eachWord(text []byte, fn func(word []byte)) {
	for i := 0; i < len(text); {
		of, n := classOf(text[i:])
		end := i + n
		switch of {
		case letter:
			end = runEnd(text, end, letter)
			eachPiece(text[i:end], fn)
		case glyph:
			end = runEnd(text, end, glyph)
			eachPair(text[i:end], fn)
		}
		i = end
	}
}

// eachPair calls fn with the pairs of characters of a run, or its only character.
func eachPair(run []byte, fn func([]byte)) {
	_, first := utf8.DecodeRune(run)
	if first == len(run) {
		fn(run)
		return
	}
	for at, mid := 0, first; mid < len(run); {
		_, n := utf8.DecodeRune(run[mid:])
		fn(run[at : mid+n])
		at, mid = mid, mid+n
	}
}

// eachPiece calls fn with a word, or with its pieces if it is very long.
func eachPiece(word []byte, fn func([]byte)) {
	for start := 0; ; start = runeStart(word, start+pieceStride) {
		end := start + pieceLength
		if end >= len(word) {
			fn(word[start:])
			return
		}
		fn(word[start:runeStart(word, end)])
	}
}

// runeStart is where the character begins of which byte i is a part.
func runeStart(text []byte, i int) int {
	for back := 0; back < utf8.UTFMax-1 && i > 0 && !utf8.RuneStart(text[i]); back++ {
		i--
	}
	return i
}

// eachLine calls fn with the lines of a text, which are the words of those fields
// that are kept as a whole: most values have one line.
func eachLine(text []byte, fn func([]byte)) {
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		if len(line) > 0 {
			eachPiece(line, fn)
		}
	}
}

// place is where in a word a term has to be.
type place uint8

const (
	exact  place = iota // it is the word
	begins              // the word begins with it
	ends
	inside
)

// term is what one word of a message must be like.
type term struct {
	text  []byte
	place place
}

// pattern is a text as a dictionary, in which each word stands between line ends, has it.
func (t term) pattern() []byte {
	p := make([]byte, 0, len(t.text)+2)
	if t.place == exact || t.place == begins {
		p = append(p, '\n')
	}
	p = append(p, t.text...)
	if t.place == exact || t.place == ends {
		p = append(p, '\n')
	}
	return p
}

// plan is how a text is looked for: messages must have words for all its terms. If
// it is certain, that is also enough. Without terms it says nothing.
type plan struct {
	terms   []term
	certain bool
}

// planWords plans for a field that is kept as words.
func planWords(text []byte) plan {
	if !utf8.Valid(text) { // it may begin or end within a character
		return plan{}
	}
	p := plan{certain: true}
	for i := 0; i < len(text); {
		of, n := classOf(text[i:])
		end := i + n
		switch of {
		case separator:
			p.certain = false
		case letter:
			end = runEnd(text, end, letter)
			p.word(text[i:end], i > 0, end < len(text))
		case glyph:
			end = runEnd(text, end, glyph)
			p.glyphs(text[i:end])
		}
		i = end
	}
	p.certain = p.certain && len(p.terms) == 1
	return p
}

// word adds a run of letters that is bounded in the text on these sides.
func (p *plan) word(run []byte, left, right bool) {
	t := term{run, inside}
	switch {
	case left && right:
		t.place = exact
	case left:
		t.place = begins
	case right:
		t.place = ends
	}
	if len(run) > certainLength && (t.place != exact || len(run) > pieceLength) {
		t = term{run[:runeStart(run, certainLength)], inside}
		p.certain = false
	}
	p.terms = append(p.terms, t)
}

// glyphs adds a run of which pairs are kept. One character may be in any of them.
func (p *plan) glyphs(run []byte) {
	where := exact
	if utf8.RuneCount(run) == 1 {
		where = inside
	}
	eachPair(run, func(pair []byte) { p.terms = append(p.terms, term{pair, where}) })
}

// planLines plans for a field that is kept as a whole.
func planLines(text []byte) plan {
	switch {
	case bytes.IndexByte(text, '\n') >= 0:
		return plan{}
	case len(text) > certainLength:
		return plan{terms: []term{{text[:runeStart(text, certainLength)], inside}}}
	}
	return plan{terms: []term{{text, inside}}, certain: true}
}
