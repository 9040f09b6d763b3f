package casemap

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestAppend(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"Hello, World", "HELLO, WORLD"},
		{"café", "CAFE\u0301"},
		{"CAFÉ", "CAFE\u0301"},
		{"ß", "ß"},        // title case of one character is one character
		{"ﬁ", "fi"},       // its decomposition is not mapped again
		{"ǆ", "Dz\u030c"}, // DŽ in title case, U+01C5
		{"ÅNGSTRÖM", "A\u030aNGSTRO\u0308M"},
		{"Ｆｕｌｌ", "FULL"},
		{"привет", "ПРИВЕТ"},
		{"北京", "北京"},
		{"한글", "한글"},
		{"caf\xe9", "CAF\xe9"},
		{"\xff\xfe", "\xff\xfe"},
	} {
		if got := Append(nil, c.text); string(got) != c.want {
			t.Errorf("%q became %q, want %q", c.text, got, c.want)
		}
	}
}

func TestPiecesAndIdempotence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		at := rapid.IntRange(0, len(text)).Draw(t, "at")
		for at < len(text) && !utf8.RuneStart(text[at]) {
			at++
		}
		whole := Append(nil, text)
		if pieces := Append(Append(nil, text[:at]), []byte(text[at:])); !bytes.Equal(pieces, whole) {
			t.Fatalf("%q in pieces is %q, not %q", text, pieces, whole)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for name, text := range map[string]string{"ascii": "Minutes of the meeting on topic42", "latin": "Größe und Übermaß im Café", "chinese": "关于北京会议的记录"} {
		b.Run(name, func(b *testing.B) {
			var room [256]byte
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Append(room[:0], text)
			}
		})
	}
}
