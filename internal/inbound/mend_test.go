package inbound

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/message"
)

func TestMender(t *testing.T) {
	const (
		from = "From: <alice@example.test>\r\n" // in none of them
		date = "Date: Sun, 01 Mar 2026 09:05:07 +0800\r\n"
		id   = "Message-ID: <x@mail.example.test>\r\n"
	)
	long := strings.Repeat("long ", 1000)
	for _, tc := range []struct{ name, in, want string }{
		{"complete", "Date: now\r\nMESSAGE-ID: <1@pc>\r\n\r\ntext\r\n", "Date: now\r\nMESSAGE-ID: <1@pc>\r\n\r\ntext\r\n"},
		{"nothing", "", date + id + "\r\n"},
		{"no header", "\r\ntext\r\n", date + id + "\r\ntext\r\n"},
		{"no body", "Subject: x\r\n", date + id + "Subject: x\r\n\r\n"},
		{"no Date", "Message-ID : <1@pc>\r\nX-Date: x\r\n\r\n", date + "Message-ID : <1@pc>\r\nX-Date: x\r\n\r\n"},
		{"no Message-ID", "date:now\r\nSubject: Message-ID: x\r\n\r\n", id + "date:now\r\nSubject: Message-ID: x\r\n\r\n"},
		{
			"blind copies", "Date: now\r\nBcc: bob@example.test,\r\n carol@example.test\r\nTo: x\r\nRESENT-BCC:\r\nMessage-ID: <1>\r\n\r\nBcc: stays\r\n",
			"Date: now\r\nTo: x\r\nMessage-ID: <1>\r\n\r\nBcc: stays\r\n",
		},
		{"only blind copies", "Bcc: x\r\n\ty\r\n\r\n", date + id + "\r\n"},
		{"long blind copies", "Bcc: " + long + "\r\n " + long + "\r\nTo: x\r\n\r\n", date + id + "To: x\r\n\r\n"},
		{"long field", "Subject: " + long + "\r\n\r\n", date + id + "Subject: " + long + "\r\n\r\n"},
		{"a blank line is missing", "To: x\r\n" + long + "\r\nDate: y\r\n", date + id + "To: x\r\n\r\n" + long + "\r\nDate: y\r\n"},
		{"folded", "Subject: x\r\n Date: y\r\n\tBcc: z\r\n\r\n", date + id + "Subject: x\r\n Date: y\r\n\tBcc: z\r\n\r\n"},
	} {
		for _, step := range []int{1, 2, 7, 1 << 20} {
			if got := mend(tc.in, step); got != from+tc.want {
				t.Errorf("%s, %d bytes at a time:\n%q, want\n%q", tc.name, step, got, from+tc.want)
			}
		}
	}
}

// Whoever says who writes is believed; a message from nobody in particular has no author.
func TestMenderFrom(t *testing.T) {
	const complete = "FROM: x@example.test\r\nDate: now\r\nMessage-ID: <1>\r\n\r\n"
	if got := mend(complete, 7); got != complete {
		t.Errorf("mended to\n%q", got)
	}
	var out bytes.Buffer
	m := &mender{w: &out}
	_, _ = m.Write([]byte("Date: now\r\nMessage-ID: <1>\r\n\r\n"))
	if strings.Contains(out.String(), "From:") {
		t.Errorf("mended to\n%q", out.String())
	}
}

// A header without end is refused when it has become too long; blind copies do not count.
func TestMenderLimit(t *testing.T) {
	var out bytes.Buffer
	m := &mender{w: &out}
	line := []byte("X: " + strings.Repeat("x", 1019) + "\r\n")
	for range maxHeader / len(line) {
		if _, err := m.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Write([]byte("Bcc: x\r\n")); err != nil {
		t.Errorf("a full header: %v", err)
	}
	if _, err := m.Write(line); !fault.Is(err, fault.TooLarge) || out.Len() > 0 {
		t.Errorf("too long a header: %v, and %d bytes are passed on", err, out.Len())
	}
}

// mend gives a mender so many bytes at a time.
func mend(in string, step int) string {
	var out bytes.Buffer
	m := &mender{w: &out, from: "<alice@example.test>", date: time.Date(2026, 3, 1, 9, 5, 7, 0, time.FixedZone("", 8*3600)), id: "x@mail.example.test"}
	for len(in) > 0 {
		n := min(step, len(in))
		_, _ = m.Write([]byte(in[:n])) // a Buffer does not fail
		in = in[n:]
	}
	_ = m.finish()
	return out.String()
}

// Whatever comes, the pieces it comes in do not matter; what is mended needs no
// mending; and nothing is taken from the body.
func FuzzMender(f *testing.F) {
	f.Add("Subject: x\r\nBcc: y\r\n z\r\n\r\nBcc: text\r\n", 3)
	f.Add("no header\r\n", 1)
	f.Add(" \r\nBcc : x\r\n\t\r\n", 2)
	f.Fuzz(func(t *testing.T, in string, step int) {
		in = strings.ReplaceAll(strings.NewReplacer("\r", "", "\n", "\r\n").Replace(in)+"\r\n", "\x00", "")
		out := mend(in, max(step, 1))
		if whole := mend(in, len(in)); out != whole {
			t.Fatalf("%q in pieces:\n%q, whole:\n%q", in, out, whole)
		}
		if again := mend(out, len(out)); again != out {
			t.Fatalf("%q is mended to\n%q, and that to\n%q", in, out, again)
		}
		header, _, _ := strings.Cut(out, "\r\n\r\n")
		for field := range message.Fields([]byte(header)) {
			if len(field.Name) == 0 {
				return // there is no blank line: the body begins here
			}
			if bytes.EqualFold(field.Name, []byte("Bcc")) {
				t.Fatalf("%q is mended to\n%q", in, out)
			}
		}
	})
}
