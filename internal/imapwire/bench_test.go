package imapwire

import (
	"strconv"
	"testing"
	"time"

	"posthorn/internal/message"
)

// BenchmarkFetchFlags writes one line of FETCH (UID FLAGS).
func BenchmarkFetchFlags(b *testing.B) {
	flags := []string{Seen, Answered, "$Forwarded"}
	buf := make([]byte, 0, 128)
	for n := uint64(1); b.Loop(); n++ {
		buf = append(buf[:0], "* "...)
		buf = strconv.AppendUint(buf, n, 10)
		buf = append(buf, " FETCH (UID "...)
		buf = strconv.AppendUint(buf, n+1000, 10)
		buf = append(buf, " FLAGS "...)
		buf = AppendFlags(buf, flags)
		buf = append(buf, ")\r\n"...)
	}
}

func BenchmarkInternalDate(b *testing.B) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", 8*3600))
	buf := make([]byte, 0, 128)
	for b.Loop() {
		buf = AppendInternalDate(buf[:0], at)
	}
}

// BenchmarkStructure renders what a list view shows of a message with two parts.
func BenchmarkStructure(b *testing.B) {
	people := []message.Address{{Name: "Terry Gray", Mailbox: "gray", Host: "cac.washington.edu"}}
	root := &message.Part{
		Type: "multipart", Subtype: "alternative", Params: []message.Param{{Name: "boundary", Value: "----=_Part_1"}},
		Parts:    []*message.Part{text4(4), text4(9)},
		Envelope: &message.Envelope{Date: "Wed, 17 Jul 1996 02:23:25 -0700", Subject: "minutes", From: people, To: people, MessageID: "<1@x>"},
	}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendBodyStructure(AppendEnvelope(buf[:0], root.Envelope), root)
	}
}

func BenchmarkBodyFromStructure(b *testing.B) {
	structure := AppendBodyStructure(nil, &message.Part{Type: "multipart", Subtype: "alternative", Parts: []*message.Part{text4(4), text4(9)}})
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = BodyFromStructure(buf[:0], structure)
	}
}

// BenchmarkParseListView decodes the command of a list view.
func BenchmarkParseListView(b *testing.B) {
	d := NewDecoder(&loop{[]byte("a1 UID FETCH 1:10000 (ENVELOPE FLAGS INTERNALDATE RFC822.SIZE BODYSTRUCTURE)")}, 0)
	b.ReportAllocs()
	for b.Loop() {
		var tag string
		var name []byte
		var set NumSet
		var o FetchOptions
		if d.Next() != nil || !d.Tag(&tag) || !d.SP() || !d.Command(&name) || !d.SP() || !d.Command(&name) ||
			!d.SP() || !d.NumSet(&set) || !d.SP() || !d.Fetch(&o) || !d.End() {
			b.Fatal(d.Err())
		}
	}
}
