package smtpclient

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
)

func TestReadReply(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"250 2.1.0 Fine\r\nrest", `250 2.1.0 ["Fine"] then "rest"`},
		{"250 Fine\r\n", `250 0.0.0 ["Fine"] then ""`},
		{"250-a\r\n250-b\r\n250 c\r\nrest", `250 0.0.0 ["a" "b" "c"] then "rest"`},
		{"550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1\r\n", `550 5.7.1 ["a" "b" ""] then ""`},
		{"550-5.7.1 a\r\n550-5.7.2 b\r\n550 c\r\n", `550 5.7.1 ["a" "5.7.2 b" "c"] then ""`},
		{"250\r\n", `250 0.0.0 [""] then ""`},
		{"250-\r\n250 \r\n", `250 0.0.0 ["" ""] then ""`},
		{"250 lone LF\nrest", `250 0.0.0 ["lone LF"] then "rest"`},
		{"250-a\r\n451 changed its mind\r\n", `451 0.0.0 ["a" "changed its mind"] then ""`},
		// What only looks like an enhanced code, or is that of another class.
		{"550 4.7.1 x\r\n", `550 0.0.0 ["4.7.1 x"] then ""`},
		{"250 2.1.0.5 x\r\n", `250 0.0.0 ["2.1.0.5 x"] then ""`},
		{"250 2.1.1000 x\r\n", `250 0.0.0 ["2.1.1000 x"] then ""`},
		{"250 2.01.0 x\r\n", `250 0.0.0 ["2.01.0 x"] then ""`},
		{"250 2..0 x\r\n", `250 0.0.0 ["2..0 x"] then ""`},
		{"250 10.0.0.1 is you\r\n", `250 0.0.0 ["10.0.0.1 is you"] then ""`},
		// Nothing that could do harm in a log or a report.
		{"550 a\x1b[31m\x00\rb\xff\r\n", `550 0.0.0 ["a?[31m??b?"] then ""`},
		// What is no reply.
		{"hello\r\n", "invalid: the server does not speak SMTP; it says: hello"},
		{"\r\n", "invalid: the server does not speak SMTP; it says: "},
		{"25\r\n", "invalid: the server does not speak SMTP; it says: 25"},
		{"2500 x\r\n", "invalid: the server does not speak SMTP; it says: 2500 x"},
		{"150 x\r\n", "invalid: the server does not speak SMTP; it says: 150 x"},
		{"600 x\r\n", "invalid: the server does not speak SMTP; it says: 600 x"},
		{"250-a\r\nb\r\n", "invalid: the server does not speak SMTP; it says: b"},
		{"250_x\r\n", "invalid: the server does not speak SMTP; it says: 250_x"},
		// What is not there.
		{"", "internal error: EOF"},
		{"250 no end", "internal error: EOF"},
		{"250-more\r\n", "internal error: EOF"},
	} {
		r := bufio.NewReaderSize(strings.NewReader(tc.in), 16)
		reply, endless, err := readReply(r)
		got := ""
		if err != nil {
			got = fmt.Sprintf("%v: %v", fault.KindOf(err), err)
		} else {
			rest, _ := io.ReadAll(r)
			got = fmt.Sprintf("%d %v %q then %q", reply.Code, reply.Enhanced, reply.Lines, rest)
		}
		if got != tc.want || endless {
			t.Errorf("%q:\ngot  %s\nwant %s", tc.in, got, tc.want)
		}
	}
}

// However long a reply is, little of it is kept, and not all of it is listened to.
func TestLongReplies(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		endless  bool
	}{
		{"a long line", "550 " + strings.Repeat("x", 100_000) + "\r\n", false},
		{"many lines", strings.Repeat("550-blah blah\r\n", 10_000) + "550 end\r\n", false},
		{"a line without end", "550 " + strings.Repeat("x", 1_000_000), true},
		{"lines without end", strings.Repeat("550-blah blah\r\n", 100_000), true},
	} {
		r := bufio.NewReaderSize(strings.NewReader(tc.in), inBuffer)
		reply, endless, err := readReply(r)
		size := 0
		for _, line := range reply.Lines {
			size += len(line)
		}
		if err != nil || endless != tc.endless || reply.Code != 550 || size > maxReplyText || size == 0 {
			t.Errorf("%s: %d bytes, endless %v, %v", tc.name, size, endless, err)
		}
	}
}

// FuzzReadReply: any bytes are a reply or an error; a reply can be printed, and
// read again.
func FuzzReadReply(f *testing.F) {
	for _, seed := range []string{"250 2.1.0 Fine\r\n", "550-5.7.1 a\r\n550 5.7.1 b\r\n", "250-a\n250 b\n", "\xff", "421"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		reply, _, err := readReply(bufio.NewReaderSize(bytes.NewReader(in), 16))
		if err != nil {
			if !fault.Is(err, fault.Invalid) && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return
		}
		if reply.Code < 200 || reply.Code > 599 || len(reply.Lines) == 0 {
			t.Fatalf("%+v", reply)
		}
		for _, line := range reply.Lines {
			if !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n\x00\x1b") {
				t.Fatalf("%q", line)
			}
		}
		again, _, err := readReply(bufio.NewReader(bytes.NewReader(reply.Append(nil))))
		if err != nil || again.Code != reply.Code {
			t.Fatalf("%+v became %+v, %v", reply, again, err)
		}
	})
}

// naiveLines is what lines makes of a text, by its definition.
func naiveLines(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", " ")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return strings.ReplaceAll(text, "\n", "\r\n")
}

// stuff sends a text in pieces of the given sizes.
func stuff(text string, sizes []byte) []byte {
	var l lines
	var out []byte
	for turn := 0; len(text) > 0; turn++ {
		n := len(text)
		if len(sizes) > 0 {
			n = min(n, int(sizes[turn%len(sizes)])+1)
		}
		out = l.append(out, []byte(text[:n]))
		text = text[n:]
	}
	return l.end(out)
}

// FuzzLines holds what is sent against the strict reader of a server: it finds one
// message, ending where ours ends, without a lone CR or LF, and the same as went in
// if that was in order.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{
		"", ".", "..", "a", "a\r\n", ".\r\n", "a\r\n.\r\nb\r\n", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\n.\n", "\r.\r", "a\r\r\n.\r\n", ".\r", "a\n\r.\r\n\r\n.",
		"Subject: x\r\n\r\n.hidden\r\n..\r\n.\r\nMAIL FROM:<x@y>\r\n",
	} {
		f.Add(seed, []byte{0})
		f.Add(seed, []byte{1, 2})
		f.Add(seed, []byte{})
	}
	f.Fuzz(func(t *testing.T, text string, sizes []byte) {
		sent := stuff(text, sizes)
		var dots smtpwire.DotReader
		var got []byte
		rest, done := sent, false
		for !done {
			if len(rest) == 0 {
				t.Fatalf("%q was sent as %q, which does not end", text, sent)
			}
			var out []byte
			var n int
			out, n, done = dots.Feed(rest)
			got, rest = append(got, out...), rest[n:]
		}
		if len(rest) > 0 || dots.BareCR || dots.BareLF {
			t.Fatalf("%q was sent as %q, of which %q is left; bare CR: %v, LF: %v", text, sent, rest, dots.BareCR, dots.BareLF)
		}
		if want := naiveLines(text); string(got) != want {
			t.Fatalf("%q was sent as %q and arrives as %q, want %q", text, sent, got, want)
		}
		// A careless reader, for whom LF ends a line, must find the same end.
		if n := bytes.Index(bytes.ReplaceAll(sent, crlf, []byte{'\n'}), []byte("\n.\n")); n >= 0 && n != len(bytes.ReplaceAll(sent, crlf, []byte{'\n'}))-3 {
			t.Fatalf("%q was sent as %q, which a careless reader takes for two", text, sent)
		}
	})
}

// What is in order goes through unchanged.
func TestLines(t *testing.T) {
	const text = "Subject: x\r\n\r\n.a\r\n..\r\n\r\n.\r\nend\r\n"
	const want = "Subject: x\r\n\r\n..a\r\n...\r\n\r\n..\r\nend\r\n.\r\n"
	for size := range 5 {
		if got := stuff(text, []byte{byte(size)}); string(got) != want {
			t.Errorf("%q", got)
		}
	}
	if got := naiveLines(text); got != text {
		t.Errorf("%q", got)
	}
}

func BenchmarkLines(b *testing.B) {
	text := []byte(strings.Repeat(strings.Repeat("x", 74)+"\r\n", 400))
	out := make([]byte, 0, 2*len(text))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var l lines
		out = l.end(l.append(out[:0], text))
	}
}
