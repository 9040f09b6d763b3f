package message

import (
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// DecodeCharset gives the text of r in UTF-8; bytes that mean nothing in the
// charset become U+FFFD. Of an unknown charset only ASCII passes. Where no
// charset is claimed or US-ASCII is claimed falsely, UTF-8 is taken for UTF-8
// and other bytes for windows-1252.
func DecodeCharset(charset string, r io.Reader) io.Reader {
	return transform.NewReader(r, charsetDecoder(charset))
}

// decodeText is DecodeCharset for a text that is all there.
func decodeText(charset string, text []byte) string {
	dec := charsetDecoder(charset)
	if l, ok := dec.(lenient); ok && (l.utf8 && utf8.Valid(text) || isASCII(text)) {
		return string(text)
	}
	decoded, _, _ := transform.Bytes(dec, text) // what could not be decoded is in it as U+FFFD
	return string(decoded)
}

// charsetDecoder gives a fresh decoder for the charset, by any name that is
// used for it in mail.
func charsetDecoder(charset string) transform.Transformer {
	name := strings.ToLower(strings.Trim(charset, " \t\"';,"))
	switch name {
	case "utf-8", "utf8", "utf_8", "utf8mb4", "unicode-1-1-utf-8":
		return lenient{utf8: true, other: replaceByte}
	case "", "us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us", "646", "default",
		"unknown", "unknown-8bit", "x-unknown", "7bit", "8bit", "binary", "none":
		return lenient{utf8: true, other: charmap.Windows1252.DecodeByte}
	case "iso-2022-kr", "csiso2022kr":
		return transform.Chain(&iso2022KR{}, korean.EUCKR.NewDecoder())
	}
	if e := findEncoding(name); e != nil {
		return e.NewDecoder()
	}
	return lenient{other: replaceByte}
}

// findEncoding looks for the charset among the web's names, then among IANA's;
// nil if neither knows it.
func findEncoding(name string) encoding.Encoding {
	switch name {
	case "hz-gb-2312", "hz":
		return simplifiedchinese.HZGB2312
	case "utf-16", "ucs-2", "iso-10646-ucs-2": // RFC 2781 §4.3: big-endian unless a mark says otherwise
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case "cp936", "ms936", "windows-936", "euc-cn", "euccn", "gb18030-2000":
		return simplifiedchinese.GB18030
	case "cp932", "ms932", "shift-jisx0213":
		name = "shift_jis"
	case "cp949", "ms949", "uhc", "x-windows-949", "ks_c_5601":
		name = "euc-kr"
	case "cp950", "ms950", "big5hkscs", "x-windows-950":
		name = "big5"
	case "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-3", "iso-2022-jp-ms", "cp50220", "cp50221", "jis":
		name = "iso-2022-jp"
	case "eucjp", "euc_jp":
		name = "euc-jp"
	case "ansi", "win-1252":
		name = "windows-1252"
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		e, err = ianaindex.MIME.Encoding(name)
	}
	switch {
	case err != nil || e == encoding.Replacement:
		return nil
	case e == simplifiedchinese.GBK:
		return simplifiedchinese.GB18030 // a superset, and what senders mean who say GB2312
	}
	return e
}

// lenient decodes what is ASCII, or UTF-8 if that is expected, and hands every
// other byte to a rule of its own.
type lenient struct {
	transform.NopResetter
	utf8  bool
	other func(byte) rune
}

func replaceByte(byte) rune { return utf8.RuneError }

// Transform implements transform.Transformer.
func (l lenient) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		r, size := rune(src[nSrc]), 1
		if r >= utf8.RuneSelf {
			if l.utf8 && !atEOF && !utf8.FullRune(src[nSrc:]) {
				return nDst, nSrc, transform.ErrShortSrc
			}
			if r, size = utf8.DecodeRune(src[nSrc:]); !l.utf8 || r == utf8.RuneError && size == 1 {
				r, size = l.other(src[nSrc]), 1
			}
		}
		if nDst+utf8.RuneLen(r) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += utf8.EncodeRune(dst[nDst:], r)
		nSrc += size
	}
	return nDst, nSrc, nil
}

// iso2022KR turns ISO-2022-KR (RFC 1557) into EUC-KR: after SO bytes get their
// high bit, until SI or the end of the line; the designator is dropped.
type iso2022KR struct{ shifted bool }

const koreanDesignator = "\x1b$)C"

// Reset implements transform.Transformer.
func (k *iso2022KR) Reset() { k.shifted = false }

// Transform implements transform.Transformer.
func (k *iso2022KR) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		switch c := src[nSrc]; {
		case c == 0x0e:
			k.shifted = true
		case c == 0x0f:
			k.shifted = false
		case c == 0x1b && strings.HasPrefix(koreanDesignator, string(src[nSrc:min(len(src), nSrc+4)])):
			if nSrc+4 > len(src) && !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			nSrc = min(nSrc+4, len(src))
			continue
		case nDst == len(dst):
			return nDst, nSrc, transform.ErrShortDst
		default:
			k.shifted = k.shifted && c != '\n'
			if k.shifted && c > ' ' {
				c |= 0x80
			}
			dst[nDst] = c
			nDst++
		}
		nSrc++
	}
	return nDst, nSrc, nil
}

func isASCII[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
