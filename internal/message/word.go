package message

import (
	"strings"
)

// DecodeHeader turns the value of an unstructured field, or a name from an
// address, into text: unfolded, RFC 2047 words decoded, raw 8-bit bytes taken
// for UTF-8 or else windows-1252. The result is valid UTF-8 on one line,
// without control characters.
func DecodeHeader(value string) string {
	value = unfold(value)
	if isPlain(value) {
		return value
	}
	var d wordDecoder
	for rest := value; rest != ""; {
		i := strings.Index(rest, "=?")
		if i < 0 {
			d.plain(rest)
			break
		}
		word, ok := parseWord(rest[i:])
		if !ok {
			d.plain(rest[:i+2])
			rest = rest[i+2:]
			continue
		}
		// RFC 2047 §6.2: blanks between two encoded words are not shown.
		if between := rest[:i]; between != "" && !(d.inWord && strings.Trim(between, " \t") == "") {
			d.plain(between)
		}
		d.word(word)
		rest = rest[i+word.length:]
	}
	d.flush()
	return d.out.String()
}

// isPlain says whether a value is text already.
func isPlain(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c >= 0x7f || c == '=' && i+1 < len(value) && value[i+1] == '?' {
			return false
		}
	}
	return true
}

// wordDecoder joins the bytes of adjacent words in the same charset before they
// are decoded: there are senders that cut characters in two (RFC 2047 §5
// forbids it).
type wordDecoder struct {
	out     strings.Builder
	inWord  bool
	charset string
	bytes   []byte
}

func (d *wordDecoder) word(w encodedWord) {
	if !d.inWord || !strings.EqualFold(d.charset, w.charset) {
		d.flush()
	}
	d.inWord, d.charset = true, w.charset
	d.bytes = w.decode(d.bytes)
}

func (d *wordDecoder) plain(text string) {
	d.flush()
	charset := ""
	if strings.Contains(text, "\x1b$") {
		charset = "iso-2022-jp" // sent raw by old Japanese programs; nothing else has this in a header
	}
	d.write(decodeText(charset, []byte(text)))
}

func (d *wordDecoder) flush() {
	if d.inWord {
		d.write(decodeText(d.charset, d.bytes))
	}
	d.inWord, d.bytes = false, d.bytes[:0]
}

// write keeps the promise of one line: words can hide line ends and NULs.
func (d *wordDecoder) write(text string) {
	d.out.Grow(len(text))
	for _, r := range text {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			r = ' '
		}
		d.out.WriteRune(r)
	}
}

// encodedWord is one =?charset?encoding?text?= (RFC 2047 §2).
type encodedWord struct {
	charset string // without the language of RFC 2231 §5
	base64  bool
	text    string
	length  int // of the whole word
}

// parseWord reads the encoded word that s begins with. Real ones break the
// rules in many ways: they are longer than 75 characters, have blanks inside
// or no blanks around them, an empty charset, a bare "?" in the text.
func parseWord(s string) (encodedWord, bool) {
	var w encodedWord
	i := strings.IndexByte(s[2:], '?') + 2
	if i < 2 || i+2 >= len(s) || s[i+2] != '?' {
		return w, false
	}
	w.charset, _, _ = strings.Cut(s[2:i], "*")
	if strings.ContainsAny(w.charset, " \t=\"<>,") {
		return w, false
	}
	switch s[i+1] {
	case 'b', 'B':
		w.base64 = true
	case 'q', 'Q':
	default:
		return w, false
	}
	start := i + 3
	end := wordEnd(s, start, w.base64)
	if end < 0 {
		return w, false
	}
	w.text, w.length = s[start:end], end+2
	return w, true
}

// wordEnd finds the "?=" that ends a word whose text begins at start, -1 if
// there is none before the next word begins.
func wordEnd(s string, start int, base64 bool) int {
	limit := nextWord(s, start)
	end := start
	for {
		i := strings.Index(s[end:limit], "?=")
		if i < 0 {
			return -1
		}
		end += i
		// A "?" before "=20" in the Q encoding is one that should have been
		// encoded itself, if an end still follows.
		if !base64 && end+4 <= limit && isHex(s[end+2]) && isHex(s[end+3]) && strings.Contains(s[end+4:limit], "?=") {
			end += 2
			continue
		}
		return end
	}
}

// nextWord is up to where a word that has no end yet at byte at may reach: the
// "=?" of the next one. In "=?=" it is rather the end of this one.
func nextWord(s string, at int) int {
	for {
		i := strings.Index(s[at:], "=?")
		if i < 0 || at+i+2 == len(s) {
			return len(s)
		}
		at += i
		switch {
		case s[at+2] == '=':
			at++
		case s[at-1] == '?':
			return at + 1
		default:
			return at
		}
	}
}

// decode appends the bytes that the word stands for.
func (w encodedWord) decode(dst []byte) []byte {
	if w.base64 {
		var d base64Decoder
		dst, _ = d.decode(dst, []byte(w.text), true)
		return dst
	}
	for i := 0; i < len(w.text); i++ {
		switch c := w.text[i]; {
		case c == '_':
			dst = append(dst, ' ')
		case c == '=' && i+2 < len(w.text) && isHex(w.text[i+1]) && isHex(w.text[i+2]):
			dst = append(dst, unhex(w.text[i+1])<<4|unhex(w.text[i+2]))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
