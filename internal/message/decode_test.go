package message

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestDecodeTransfer(t *testing.T) {
	for _, c := range []struct{ name, encoding, body, want string }{
		{"base64", "base64", "SGVsbG8=\r\n", "Hello"},
		{"any case", " BASE64 ", "SGVsbG8=", "Hello"},
		{"no padding", "base64", "SGVsbG8", "Hello"},
		{"lines cut anywhere", "base64", "S\r\nGVs\r\n\r\nbG\r\n8=", "Hello"},
		{"garbage inside", "base64", "SG!Vs*bG-8=\x00", "Hello"},
		{"joined pieces", "base64", "SGVsbG8=SGVsbA==bG8K", "HelloHelllo\n"},
		{"a digit too many", "base64", "SGVsbG8hS", "Hello!"},
		{"only padding", "base64", "====", ""},
		{"quoted-printable", "quoted-printable", "a=3Db =c3=BC\r\n", "a=b ü\r\n"},
		{"soft breaks", "quoted-printable", "a=\r\nb=\nc= \t\r\nd=", "abcd"},
		{"blanks at line ends", "quoted-printable", "a \t\r\nb \n c ", "a\r\nb\n c"},
		{"blanks before a bare CR stay", "quoted-printable", "a \rb", "a \rb"},
		{"not escapes", "quoted-printable", "=ZZ =4 =4G 100%=", "=ZZ =4 =4G 100%"},
		{"escape cut short", "quoted-printable", "a=4", "a=4"},
		{"bare CR after =", "quoted-printable", "a=\rb", "a=\rb"},
		{"8-bit", "quoted-printable", "ü=FC", "ü\xfc"},
		{"identity", "7bit", "=3D", "=3D"},
		{"unknown", "x-none", "=3D", "=3D"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole": strings.NewReader(c.body), "bytewise": iotest.OneByteReader(strings.NewReader(c.body)),
				"with data and EOF together": iotest.DataErrReader(strings.NewReader(c.body)),
			} {
				got, err := io.ReadAll(DecodeTransfer(c.encoding, r))
				if err != nil || string(got) != c.want {
					t.Errorf("%s: got %q (%v), want %q", name, got, err, c.want)
				}
			}
		})
	}
}

func TestDecodeTransferGivesReadErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, encoding := range []string{"base64", "quoted-printable"} {
		got, err := io.ReadAll(DecodeTransfer(encoding, io.MultiReader(strings.NewReader("YWJj"), iotest.ErrReader(broken))))
		if !errors.Is(err, broken) || len(got) == 0 {
			t.Errorf("%s: got %q and %v", encoding, got, err)
		}
	}
}

// Whatever is encoded comes back, however it is read.
func FuzzTransferRoundTrip(f *testing.F) {
	f.Add([]byte("Grüße = \t \r\n\x00\xff and a long line that has to be broken softly somewhere, I think."), 3)
	f.Add(bytes.Repeat([]byte{0, 1, 2, 254}, 3000), 76)
	f.Fuzz(func(t *testing.T, data []byte, width int) {
		width = 1 + max(width, 0)%100
		var lines strings.Builder
		for rest := base64.StdEncoding.EncodeToString(data); rest != ""; {
			n := min(width, len(rest))
			lines.WriteString(rest[:n] + "\r\n")
			rest = rest[n:]
		}
		checkDecode(t, "base64", lines.String(), data)

		var qp bytes.Buffer
		w := quotedprintable.NewWriter(&qp)
		w.Binary = true
		_, _ = w.Write(data)
		_ = w.Close()
		checkDecode(t, "quoted-printable", qp.String(), data)
	})
}

func checkDecode(t *testing.T, encoding, encoded string, want []byte) {
	t.Helper()
	for _, r := range []io.Reader{strings.NewReader(encoded), iotest.HalfReader(strings.NewReader(encoded))} {
		if got, err := io.ReadAll(DecodeTransfer(encoding, r)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s %q gives %q (%v), want %q", encoding, encoded, got, err, want)
		}
	}
}

// For any input, how it is read makes no difference.
func FuzzDecodeTransfer(f *testing.F) {
	f.Add([]byte("a=\r\n=3D \t\r\nYWJj=\r\n= \t \r"))
	f.Add([]byte("=" + strings.Repeat(" ", maxBlanks+3) + "\r\n"))
	f.Add([]byte(strings.Repeat(" ", 2*maxBlanks+2) + "\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, encoding := range []string{"base64", "quoted-printable"} {
			whole := decodeBody(encoding, body)
			got, err := io.ReadAll(DecodeTransfer(encoding, iotest.OneByteReader(bytes.NewReader(body))))
			if err != nil || !bytes.Equal(got, whole) {
				t.Errorf("%s %q gives %q bytewise (%v), but %q", encoding, body, got, err, whole)
			}
		}
	})
}

func TestDecodeCharset(t *testing.T) {
	for _, c := range []struct{ charset, text, want string }{
		{"utf-8", "ü\xff", "ü\uFFFD"},
		{"UTF8", "ü", "ü"},
		{"us-ascii", "ü \xfc \x80", "ü ü €"},
		{"", "\xe9t\xe9", "été"},
		{"x-martian", "a\xc3\xbc", "a\uFFFD\uFFFD"},
		{"iso-8859-1", "\xfc", "ü"},
		{"latin1", "\xfc", "ü"},
		{"iso-8859-15", "\xa4", "€"},
		{"windows-1252", "\x80", "€"},
		{"cp1251", "\xcf", "П"},
		{"KOI8-R", "\xf0", "П"},
		{"koi8-u", "\xa4", "є"},
		{"cp437", "\x81", "ü"},
		{"ibm850", "\x81", "ü"},
		{"macintosh", "\x9f", "ü"},
		{"gb2312", "\xd6\xd0\xce\xc4", "中文"},
		{"GBK", "\x81\x40", "丂"},
		{"gb2312", "\x95\x32\x82\x36", "𠀀"}, // only GB18030 has it, but that is what is meant
		{"hz-gb-2312", "a~{VPND~}b", "a中文b"},
		{"Big5", "\xa4\xa4\xa4\xe5", "中文"},
		{"big5-hkscs", "\xa4\xa4", "中"},
		{"iso-2022-jp", "\x1b$BF|K\\\x1b(B!", "日本!"},
		{"Shift_JIS", "\x93\xfa\x96{", "日本"},
		{"cp932", "\x87\x40", "①"},
		{"euc-jp", "\xc6\xfc\xcb\xdc", "日本"},
		{"euc-kr", "\xc7\xd1\xb1\xdb", "한글"},
		{"ks_c_5601-1987", "\xc7\xd1\xb1\xdb", "한글"},
		{"cp949", "\x94\xee", "뷁"},
		{"iso-2022-kr", "\x1b$)C\x0eGQ1[\x0f!", "한글!"},
		{"utf-16", "\x00a\x00\xfc", "aü"},
		{"utf-16", "\xff\xfea\x00", "a"},
		{"utf-16le", "a\x00", "a"},
		{"tis-620", "\xa1", "ก"},
		{"windows-1255", "\xe0", "א"},
		{"iso-8859-6", "\xc7", "ا"},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(c.text), "bytewise": iotest.OneByteReader(strings.NewReader(c.text))} {
			got, err := io.ReadAll(DecodeCharset(c.charset, r))
			if err != nil || string(got) != c.want {
				t.Errorf("%s, %s: %q gives %q (%v), want %q", c.charset, name, c.text, got, err, c.want)
			}
		}
	}
}

// For any input and charset the text is valid, and no error comes of it.
func FuzzDecodeCharset(f *testing.F) {
	for _, charset := range []string{
		"", "utf-8", "x-none", "gb18030", "hz-gb-2312", "big5", "iso-2022-jp", "shift_jis", "euc-jp", "euc-kr",
		"iso-2022-kr", "utf-16", "utf-16le", "windows-1255", "koi8-r", "cp437",
	} {
		f.Add(charset, []byte("a\x1b$)C\x0eGQ\x0f\x1b$B@8\x1b(B~{VP~}\xd6\xd0\x81\x30\x81\x30\xff"))
	}
	f.Fuzz(func(t *testing.T, charset string, text []byte) {
		whole := decodeText(charset, text)
		if !utf8.ValidString(whole) {
			t.Errorf("%s: %q gives invalid UTF-8: %q", charset, text, whole)
		}
		got, err := io.ReadAll(DecodeCharset(charset, iotest.HalfReader(bytes.NewReader(text))))
		if err != nil || string(got) != whole {
			t.Errorf("%s: %q gives %q (%v) in pieces, but %q", charset, text, got, err, whole)
		}
	})
}

func TestCRLFWriter(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"a\nb\n":              "a\r\nb\r\n",
		"a\r\nb":              "a\r\nb",
		"\n\n\r\n\r\r\n\rx\n": "\r\n\r\n\r\n\r\r\n\rx\r\n",
		"a\r":                 "a\r",
	} {
		for size := 1; size <= len(in)+1; size++ {
			var out bytes.Buffer
			w := NewCRLFWriter(&out)
			for rest := []byte(in); len(rest) > 0; {
				n := min(size, len(rest))
				if m, err := w.Write(rest[:n]); m != n || err != nil {
					t.Fatalf("Write gives %d, %v", m, err)
				}
				rest = rest[n:]
			}
			if out.String() != want {
				t.Errorf("%q in pieces of %d gives %q, want %q", in, size, out.String(), want)
			}
		}
	}
}

func FuzzCRLFWriter(f *testing.F) {
	f.Add([]byte("a\nb\r\n\rc"), 2)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		var want []byte
		for i, c := range in {
			if c == '\n' && (i == 0 || in[i-1] != '\r') {
				want = append(want, '\r')
			}
			want = append(want, c)
		}
		var out bytes.Buffer
		w := NewCRLFWriter(&out)
		for rest := in; len(rest) > 0; {
			n := min(1+max(size, 0)%50, len(rest))
			_, _ = w.Write(rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%q gives %q, want %q", in, out.Bytes(), want)
		}
	})
}
