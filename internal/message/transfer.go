package message

import (
	"io"
	"strings"
)

// DecodeTransfer undoes a Content-Transfer-Encoding. Both base64 and
// quoted-printable are read in the most tolerant way and never fail; any other
// encoding is taken for one that changes nothing. Errors are those of r.
func DecodeTransfer(encoding string, r io.Reader) io.Reader {
	if dec := transferDecoder(encoding); dec != nil {
		return &transferReader{src: r, dec: dec}
	}
	return r
}

// IsEncoded reports whether DecodeTransfer changes anything.
func IsEncoded(encoding string) bool { return transferDecoder(encoding) != nil }

// KnownEncoding reports whether DecodeTransfer gives what the sender meant: it does not
// for encodings that no RFC defines.
func KnownEncoding(encoding string) bool {
	switch strings.ToLower(trimEncoding(encoding)) {
	case "", "7bit", "8bit", "binary":
		return true
	}
	return IsEncoded(encoding)
}

func trimEncoding(encoding string) string { return strings.Trim(encoding, " \t\r\n\"") }

// decodeBody is DecodeTransfer for a body, or the start of one, that is all there.
func decodeBody(encoding string, body []byte) []byte {
	dec := transferDecoder(encoding)
	if dec == nil {
		return body
	}
	decoded, _ := dec.decode(make([]byte, 0, len(body)), body, true)
	return decoded
}

// stepDecoder decodes in pieces: it appends to dst what src stands for and says
// how much of src it used. What it leaves must be given again with more behind
// it; with last set it leaves nothing.
type stepDecoder interface {
	decode(dst, src []byte, last bool) (out []byte, used int)
}

func transferDecoder(encoding string) stepDecoder {
	switch encoding = trimEncoding(encoding); {
	case strings.EqualFold(encoding, "base64"):
		return &base64Decoder{}
	case strings.EqualFold(encoding, "quoted-printable"):
		return quotedPrintable{}
	}
	return nil
}

// transferReader pulls bytes through a stepDecoder.
type transferReader struct {
	src io.Reader
	dec stepDecoder
	in  []byte // read, but not used by dec yet
	out []byte // decoded, but not given out yet
	buf []byte // the space that out grows in
	err error

	used int64 // bytes of src that dec has used
}

const transferBuffer = 4 << 10 // must exceed what a stepDecoder leaves

// Read implements io.Reader.
func (t *transferReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(t.out) == 0 {
		if t.err != nil {
			return 0, t.err
		}
		t.fill()
	}
	n := copy(p, t.out)
	t.out = t.out[n:]
	return n, nil
}

func (t *transferReader) fill() {
	if t.in == nil {
		t.in, t.buf = make([]byte, 0, transferBuffer), make([]byte, 0, transferBuffer)
	}
	n, err := t.src.Read(t.in[len(t.in):cap(t.in)])
	t.in = t.in[:len(t.in)+n]
	t.err = err
	out, used := t.dec.decode(t.buf[:0], t.in, err == io.EOF)
	t.buf, t.out = out, out
	t.used += int64(used)
	t.in = t.in[:copy(t.in, t.in[used:])]
}

// base64Decoder reads RFC 2045 §6.8: whatever is not of the alphabet is passed
// over. Padding ends a group of four; data after it is decoded as well, since
// there are senders that join pieces encoded each for itself.
type base64Decoder struct {
	bits  uint32 // the digits of an unfinished group
	count int    // how many they are
}

func (d *base64Decoder) decode(dst, src []byte, last bool) ([]byte, int) {
	for i := 0; i < len(src); i++ {
		if d.count == 0 {
			for i+4 <= len(src) { // whole groups: nearly all of the data
				a, b, c, e := base64Digits[src[i]], base64Digits[src[i+1]], base64Digits[src[i+2]], base64Digits[src[i+3]]
				if (a|b|c|e)&noDigit != 0 {
					break
				}
				dst = append(dst, a<<2|b>>4, b<<4|c>>2, c<<6|e)
				i += 4
			}
			if i == len(src) {
				break
			}
		}
		digit := base64Digits[src[i]]
		switch {
		case digit&noDigit == 0:
			d.bits = d.bits<<6 | uint32(digit)
			if d.count++; d.count == 4 {
				dst = append(dst, byte(d.bits>>16), byte(d.bits>>8), byte(d.bits))
				d.count = 0
			}
		case src[i] == '=':
			dst = d.endGroup(dst)
		}
	}
	if last {
		dst = d.endGroup(dst)
	}
	return dst, len(src)
}

// endGroup appends what an unfinished group stands for.
func (d *base64Decoder) endGroup(dst []byte) []byte {
	switch d.count {
	case 2:
		dst = append(dst, byte(d.bits>>4))
	case 3:
		dst = append(dst, byte(d.bits>>10), byte(d.bits>>2))
	}
	d.count = 0
	return dst
}

// noDigit marks a byte that is not of the base64 alphabet.
const noDigit = 0x80

var base64Digits = func() (digits [256]byte) {
	for i := range digits {
		digits[i] = noDigit
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		digits[c] = byte(i)
	}
	return digits
}()

// quotedPrintable reads RFC 2045 §6.7: "=" that begins neither a soft line
// break nor two hexadecimal digits stands for itself, blanks at the end of a
// line are dropped (rule 3).
type quotedPrintable struct{}

// maxBlanks is how many blanks in a row are looked at to see whether a line
// ends after them.
const maxBlanks = 1 << 10

func (q quotedPrintable) decode(dst, src []byte, last bool) ([]byte, int) {
	for i := 0; i < len(src); {
		run := i
		for run < len(src) && src[run] != '=' && !(isBlank(src[run]) && mayEndLine(src[run+1:])) {
			run++
		}
		dst = append(dst, src[i:run]...)
		if i = run; i == len(src) {
			break
		}
		var used int
		if src[i] == '=' {
			dst, used = q.escape(dst, src[i:], last)
		} else {
			dst, used = q.blanks(dst, src[i:], last)
		}
		if used == 0 {
			return dst, i
		}
		i += used
	}
	return dst, len(src)
}

// mayEndLine says whether a line may end before src, or after blanks there.
func mayEndLine(src []byte) bool { return len(src) == 0 || src[0] <= ' ' }

// escape decodes what begins with "="; it uses nothing if that is cut short.
func (q quotedPrintable) escape(dst, src []byte, last bool) ([]byte, int) {
	if len(src) >= 3 && isHex(src[1]) && isHex(src[2]) {
		return append(dst, unhex(src[1])<<4|unhex(src[2])), 3
	}
	if len(src) == 2 && isHex(src[1]) && !last {
		return dst, 0
	}
	switch end, state := lineEndAfter(src, 1); {
	case state == lineEnds, state == lineCut && last:
		return dst, end
	case state == lineCut:
		return dst, 0
	}
	return append(dst, '='), 1
}

// blanks decodes a run of blanks; it uses nothing if what follows is not known.
func (q quotedPrintable) blanks(dst, src []byte, last bool) ([]byte, int) {
	n := countBlanks(src)
	switch _, state := lineEndAfter(src, 0); {
	case state == lineEnds:
		return dst, n
	case state == lineCut && !last:
		return dst, 0
	case state == lineCut && n == len(src):
		return dst, n
	}
	return append(dst, src[:n]...), n
}

func countBlanks(src []byte) int {
	n := 0
	for n < len(src) && n <= maxBlanks && (src[n] == ' ' || src[n] == '\t') {
		n++
	}
	return n
}

type lineState uint8

const (
	lineGoesOn lineState = iota
	lineEnds
	lineCut // src ends before that can be said
)

// lineEndAfter says whether from byte at only blanks follow up to the line end,
// and where the next line begins.
func lineEndAfter(src []byte, at int) (int, lineState) {
	blanks := countBlanks(src[at:])
	i := at + blanks
	switch {
	case blanks > maxBlanks:
		return 0, lineGoesOn
	case i == len(src):
		return i, lineCut
	case src[i] == '\n':
		return i + 1, lineEnds
	case src[i] != '\r':
		return 0, lineGoesOn
	case i+1 == len(src):
		return i + 1, lineCut
	case src[i+1] == '\n':
		return i + 2, lineEnds
	}
	return 0, lineGoesOn
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
