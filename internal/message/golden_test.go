package message

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the .golden files")

// TestGolden scans testdata/NN-name.eml and compares what was found with
// NN-name.golden. The messages are stored byte for byte, mostly with CRLF.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no messages: %v", err)
	}
	for _, file := range files {
		golden := strings.TrimSuffix(file, ".eml") + ".golden"
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := dump(scan(string(raw)), raw)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			checkChunking(t, raw, 1)
		})
	}
}

// dump writes down a message for people.
func dump(m *Message, raw []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "message %d bytes, longest line %d", m.Size, m.LongestLine)
	if m.Has8Bit {
		b.WriteString(", 8-bit")
	}
	if m.HasNUL {
		b.WriteString(", NUL")
	}
	if m.Truncated {
		b.WriteString(", truncated")
	}
	b.WriteByte('\n')
	fmt.Fprintf(&b, "preview %q\n", m.Preview)
	dumpPart(&b, m.Root, raw, "", 0)
	return b.String()
}

func dumpPart(b *strings.Builder, p *Part, raw []byte, number string, depth int) {
	in := strings.Repeat("    ", depth)
	fmt.Fprintf(b, "%spart %s %s/%s header %d body %d end %d", in, number, p.Type, p.Subtype, p.HeaderStart, p.BodyStart, p.End)
	if p.IsText() || p.IsEmbedded() {
		fmt.Fprintf(b, " lines %d", p.Lines)
	}
	b.WriteByte('\n')
	in += "  "
	dumpParams(b, in+"param", p.Params)
	for _, f := range []struct{ name, value string }{
		{"encoding", p.Encoding},
		{"id", p.ID},
		{"description", DecodeHeader(p.Description)},
		{"md5", p.MD5},
		{"location", p.Location},
		{"language", strings.Join(p.Language, " ")},
		{"disposition", p.Disposition},
	} {
		if f.value != "" {
			fmt.Fprintf(b, "%s%s %q\n", in, f.name, f.value)
		}
	}
	dumpParams(b, in+"disposition param", p.DispositionParams)
	if p.Envelope != nil {
		dumpEnvelope(b, in, p.Envelope)
	}
	if len(p.Parts) == 0 {
		fmt.Fprintf(b, "%sbody %s\n", in, excerpt(raw[p.BodyStart:p.End]))
		if p.IsText() {
			fmt.Fprintf(b, "%stext %s\n", in, excerpt([]byte(decodeText(p.Param("charset"), decodeBody(p.Encoding, raw[p.BodyStart:p.End])))))
		}
	}
	for i, child := range p.Parts {
		dumpPart(b, child, raw, strings.TrimPrefix(fmt.Sprintf("%s.%d", number, i+1), "."), depth+1)
	}
}

func dumpParams(b *strings.Builder, what string, params []Param) {
	for _, p := range params {
		fmt.Fprintf(b, "%s %s=%q\n", what, p.Name, p.Value)
	}
}

func dumpEnvelope(b *strings.Builder, in string, e *Envelope) {
	for _, f := range []struct{ name, value string }{
		{"date", e.Date}, {"subject", e.Subject}, {"message-id", e.MessageID}, {"in-reply-to", e.InReplyTo},
	} {
		if f.value == "" {
			continue
		}
		fmt.Fprintf(b, "%s%s %q", in, f.name, f.value)
		if decoded := DecodeHeader(f.value); decoded != f.value {
			fmt.Fprintf(b, " = %s", decoded)
		}
		b.WriteByte('\n')
	}
	if !e.SentDate.IsZero() {
		fmt.Fprintf(b, "%ssent %s\n", in, e.SentDate.Format(time.RFC3339))
	}
	for _, l := range []struct {
		name string
		list []Address
	}{{"from", e.From}, {"sender", e.Sender}, {"reply-to", e.ReplyTo}, {"to", e.To}, {"cc", e.Cc}, {"bcc", e.Bcc}} {
		for _, a := range l.list {
			fmt.Fprintf(b, "%s%s %s\n", in, l.name, describe(a))
		}
	}
}

func describe(a Address) string {
	switch {
	case a.Host == "" && a.Mailbox == "":
		return "end of group"
	case a.Host == "":
		return fmt.Sprintf("group %q", DecodeHeader(a.Mailbox))
	}
	s := fmt.Sprintf("<%s> at <%s>", a.Mailbox, a.Host)
	if a.Name != "" {
		s += fmt.Sprintf(" name %q", a.Name)
		if decoded := DecodeHeader(a.Name); decoded != a.Name {
			s += " = " + decoded
		}
	}
	if a.Route != "" {
		s += fmt.Sprintf(" route %q", a.Route)
	}
	return s
}

// excerpt shows both ends of a body, where offsets can be wrong.
func excerpt(body []byte) string {
	if len(body) <= 120 {
		return fmt.Sprintf("%q", body)
	}
	head, tail := body[:60], body[len(body)-40:]
	return fmt.Sprintf("%q … %q", bytes.ToValidUTF8(head, nil), bytes.ToValidUTF8(tail, nil))
}
