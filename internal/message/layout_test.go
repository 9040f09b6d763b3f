package message

import (
	"bytes"
	"os"
	"reflect"
	"testing"

	"posthorn/internal/fault"
)

func TestLayoutFind(t *testing.T) {
	read := func(file string) (string, *Layout) {
		raw, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw), scan(string(raw)).Root.Layout()
	}
	for _, c := range []struct {
		file string
		path []int
		want string // the body, or its beginning and "…"; "nil" if there is no such part
	}{
		{"01-plain.eml", []int{1}, "Hello Bob,…"},
		{"01-plain.eml", []int{1, 1}, "nil"},
		{"01-plain.eml", []int{2}, "nil"},
		{"01-plain.eml", []int{0}, "nil"},
		{"04-nested.eml", []int{1, 1, 2}, `<img src="cid:logo">`},
		{"04-nested.eml", []int{1, 2}, "iVBORw0KGgo="},
		{"04-nested.eml", []int{1, 1}, "--inner…"},
		{"04-nested.eml", []int{2}, "JVBERi0xLjQK"},
		{"04-nested.eml", []int{2, 1}, "nil"},
		{"04-nested.eml", []int{3}, "nil"},
		{"04-nested.eml", []int{-1}, "nil"},
		{"06-embedded.eml", []int{2}, "From: Carol…"},
		{"06-embedded.eml", []int{2, 1}, "inner text"},
		{"06-embedded.eml", []int{2, 2}, "Subject: innermost…"},
		{"06-embedded.eml", []int{2, 2, 1}, "deep"},
		{"06-embedded.eml", []int{2, 2, 2}, "nil"},
		{"06-embedded.eml", []int{2, 2, 1, 1}, "nil"},
		{"59-embedded-root-leaf.eml", []int{1}, "Subject: inner…"},
		{"59-embedded-root-leaf.eml", []int{1, 1}, "<b>inner</b> text\r\n"},
		{"59-embedded-root-leaf.eml", []int{1, 2}, "nil"},
		{"59-embedded-root-leaf.eml", []int{1, 1, 1}, "nil"},
	} {
		raw, root := read(c.file)
		got := "nil"
		if l := root.Find(c.path); l != nil {
			got = raw[l.BodyStart:l.End]
		}
		if start, ok := bytes.CutSuffix([]byte(c.want), []byte("…")); got != c.want && !(ok && bytes.HasPrefix([]byte(got), start)) {
			t.Errorf("%s, part %v: got %.40q, want %q", c.file, c.path, got, c.want)
		}
	}
	if _, root := read("04-nested.eml"); root.Find(nil) != root {
		t.Error("the empty path is not the message")
	}
}

func TestLayoutKinds(t *testing.T) {
	l := scan("Content-Type: Multipart/Mixed; boundary=x\r\n\r\n--x\r\nContent-Type: Message/RFC822\r\n\r\n" +
		"Content-Type: Text/HTML; charset=ISO-8859-15\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\nx\r\n--x--\r\n").Root.Layout()
	embedded := l.Parts[0]
	leaf := embedded.Parts[0]
	if l.Kind != Multipart || embedded.Kind != Embedded || leaf.Kind != Leaf {
		t.Errorf("kinds are %d %d %d", l.Kind, embedded.Kind, leaf.Kind)
	}
	if l.Type != "multipart" || embedded.Subtype != "rfc822" || leaf.Subtype != "html" || leaf.Charset != "iso-8859-15" || leaf.Encoding != "quoted-printable" {
		t.Errorf("words are not in lower case: %+v", leaf)
	}
}

// The stored form must be readable for ever: this is one of version 1.
func TestLayoutVersion1(t *testing.T) {
	stored := "\x01\x01\x00\x20\x40\x04\x05\x00\x00\x02" + // multipart/mixed: header 32 bytes, body 64
		"\x00\x04\x02\x0a\x01\x02\x17\x1a" + // text/plain, base64, utf-8
		"\x02\x08\x02\x14\x0f\x10\x00\x00" + // message/rfc822
		"\x00\x00\x03\x05\x2aX-Word\x03\x00\x00" // X-Word/html
	l, err := ParseLayout([]byte(stored))
	want := &Layout{
		Kind: Multipart, BodyStart: 32, End: 96, Type: "multipart", Subtype: "mixed",
		Parts: []*Layout{
			{Kind: Leaf, HeaderStart: 36, BodyStart: 38, End: 48, Type: "text", Subtype: "plain", Encoding: "base64", Charset: "utf-8"},
			{
				Kind: Embedded, HeaderStart: 56, BodyStart: 58, End: 78, Type: "message", Subtype: "rfc822",
				Parts: []*Layout{{Kind: Leaf, HeaderStart: 58, BodyStart: 61, End: 66, Type: "X-Word", Subtype: "html"}},
			},
		},
	}
	if err != nil || !reflect.DeepEqual(l, want) {
		t.Fatalf("got %+v, %v", l, err)
	}
	if again := l.Append(nil); string(again) != stored {
		t.Errorf("written again it is %x, not %x", again, stored)
	}
}

func TestParseLayoutRefuses(t *testing.T) {
	valid := scan("Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x\n\nb\n--x--\n").Root.Layout().Append(nil)
	for i := range valid {
		if _, err := ParseLayout(valid[:i]); !fault.Is(err, fault.Corrupt) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	if _, err := ParseLayout(append(valid, 0)); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a byte too many: %v", err)
	}
	deep := []byte{layoutVersion}
	for range 100 {
		deep = append(deep, byte(Embedded), 0, 0, 0, 0, 0, 0, 0)
	}
	if _, err := ParseLayout(append(deep, 0, 0, 0, 0, 0, 0, 0, 0)); !fault.Is(err, fault.Corrupt) {
		t.Errorf("100 levels: %v", err)
	}
}

func FuzzParseLayout(f *testing.F) {
	f.Add([]byte{layoutVersion, 0, 0, 0, 0, 0, 0, 0, 0})
	for _, m := range benchMessages()[:3] {
		f.Add(scan(m.text).Root.Layout().Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLayout(b)
		if err != nil {
			return
		}
		checkOffsets(t, l, 0, maxLayoutSize)
		checkLayout(t, l)
	})
}

// checkOffsets verifies what users of a parsed Layout rely on.
func checkOffsets(t *testing.T, l *Layout, from, limit int64) {
	t.Helper()
	if l.HeaderStart < from || l.BodyStart < l.HeaderStart || l.End < l.BodyStart || l.End > limit {
		t.Fatalf("part at %d %d %d is not in [%d,%d)", l.HeaderStart, l.BodyStart, l.End, from, limit)
	}
	if n := len(l.Parts); l.Kind == Leaf && n != 0 || l.Kind == Multipart && n == 0 || l.Kind == Embedded && n != 1 {
		t.Fatalf("kind %d has %d parts", l.Kind, n)
	}
	from = l.BodyStart
	for _, child := range l.Parts {
		checkOffsets(t, child, from, l.End)
		from = child.End
	}
}
