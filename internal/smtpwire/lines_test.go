package smtpwire

import (
	"bytes"
	"math"
	"testing"
)

// naiveLines is the definition: once every CRLF is gone, what is left of CR and LF
// stands alone. A header ends with the first empty line.
func naiveLines(message []byte, headerOnly bool) (bareCR, bareLF, unended bool) {
	for {
		line, rest, ended := bytes.Cut(message, []byte("\r\n"))
		bareCR = bareCR || bytes.IndexByte(line, '\r') >= 0
		bareLF = bareLF || bytes.IndexByte(line, '\n') >= 0
		switch {
		case !ended:
			return bareCR, bareLF, len(line) > 0 && line[len(line)-1] != '\n'
		case headerOnly && len(line) == 0:
			return bareCR, bareLF, false
		}
		message = rest
	}
}

func TestLineReader(t *testing.T) {
	for _, tc := range []struct {
		name, in                string
		headerOnly              bool
		bareCR, bareLF, unended bool
	}{
		{name: "nothing"},
		{name: "lines", in: "a\r\n\r\n.\r\n"},
		{name: "no end", in: "a\r\nb", unended: true},
		{name: "a CR for an end", in: "a\r", bareCR: true, unended: true},
		{name: "an LF for an end", in: "a\n", bareLF: true},
		{name: "LF", in: "a\nb\r\n", bareLF: true},
		{name: "CR", in: "a\rb\r\n", bareCR: true},
		{name: "CRCRLF", in: "a\r\r\n", bareCR: true},
		{name: "LFCR", in: "\n\r", bareCR: true, bareLF: true, unended: true},
		{name: "a binary body", in: "a: b\r\n\r\n\n\r\r", headerOnly: true},
		{name: "a binary body without a header", in: "\r\n\n\r\r", headerOnly: true},
		{name: "a binary message whose header has an LF", in: "a: b\n\r\n\n", headerOnly: true, bareLF: true},
		{name: "a binary message that is all header", in: "a: b\r\nc", headerOnly: true, unended: true},
	} {
		for size := 1; size < 5; size++ {
			l := LineReader{HeaderOnly: tc.headerOnly}
			for chunk := range chunksOf([]byte(tc.in), []byte{byte(size - 1)}) {
				l.Feed(chunk)
			}
			unended := l.Finish()
			if l.BareCR != tc.bareCR || l.BareLF != tc.bareLF || unended != tc.unended {
				t.Errorf("%s, chunks of %d: bare CR %v, bare LF %v, unended %v", tc.name, size, l.BareCR, l.BareLF, unended)
			}
		}
	}
}

// chunksOf cuts a stream into chunks of the given sizes, over and over.
func chunksOf(stream, sizes []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for turn := 0; len(stream) > 0; turn++ {
			n := len(stream)
			if len(sizes) > 0 {
				n = min(n, int(sizes[turn%len(sizes)])+1)
			}
			if !yield(stream[:n]) {
				return
			}
			stream = stream[n:]
		}
	}
}

func FuzzLineReader(f *testing.F) {
	for _, seed := range []string{"a\r\n\r\n\n", "\r\r\n\n\r\n.\r\n", "\n\r", "a: b\r\n\rx\r\n\r\n\r"} {
		f.Add([]byte(seed), []byte{0, 2}, false)
		f.Add([]byte(seed), []byte{1}, true)
	}
	f.Fuzz(func(t *testing.T, message, sizes []byte, headerOnly bool) {
		l := LineReader{HeaderOnly: headerOnly}
		for chunk := range chunksOf(message, sizes) {
			l.Feed(chunk)
		}
		unended := l.Finish()
		bareCR, bareLF, wantUnended := naiveLines(message, headerOnly)
		if headerOnly && bareLF && l.BareLF {
			return // refused; where its header ends is anybody's guess
		}
		if l.BareCR != bareCR || l.BareLF != bareLF || unended != wantUnended {
			t.Fatalf("%q: bare CR %v, bare LF %v, unended %v; want %v, %v, %v",
				message, l.BareCR, l.BareLF, unended, bareCR, bareLF, wantUnended)
		}
	})
}

func TestParseURLChunk(t *testing.T) {
	for _, tc := range []struct {
		args string
		want URLChunk
		ok   bool
	}{
		{"imap://a@h/INBOX/;uid=1", URLChunk{"imap://a@h/INBOX/;uid=1", false}, true},
		{"imap://a@h/INBOX/;uid=1  last", URLChunk{"imap://a@h/INBOX/;uid=1", true}, true},
		{"imap://a@h/INBOX/;uid=1 FIRST", URLChunk{}, false},
		{"imap://a@h/INBOX/;uid=1 LAST LAST", URLChunk{}, false},
		{"/INBOX/;uid=1 LAST", URLChunk{}, false},
		{"LAST", URLChunk{}, false},
		{"", URLChunk{}, false},
	} {
		c, err := ParseURLChunk(tc.args)
		if (err == nil) != tc.ok || tc.ok && c != tc.want {
			t.Errorf("%q: %+v, %v", tc.args, c, err)
		}
	}
}

func TestParseChunk(t *testing.T) {
	for _, tc := range []struct {
		args  string
		want  Chunk
		sized bool
		bad   bool
	}{
		{args: "0", sized: true},
		{args: "0 LAST", want: Chunk{Last: true}, sized: true},
		{args: "86 last", want: Chunk{86, true}, sized: true},
		{args: "86  LAST", want: Chunk{86, true}, sized: true},
		{args: "00086", want: Chunk{86, false}, sized: true},
		{args: "99999999999999999999999", want: Chunk{math.MaxInt64, false}, sized: true},
		{args: "86 FIRST", want: Chunk{86, false}, sized: true, bad: true},
		{args: "86 LAST LAST", want: Chunk{86, false}, sized: true, bad: true},
		{args: "", bad: true},
		{args: "LAST", bad: true},
		{args: "-1", bad: true},
		{args: "+1", bad: true},
		{args: "1_0", bad: true},
		{args: "0x10", bad: true},
		{args: "8\t6", bad: true},
		{args: "٣", bad: true},
	} {
		c, sized, err := ParseChunk(tc.args)
		if c != tc.want || sized != tc.sized || (err != nil) != tc.bad {
			t.Errorf("%q: %+v, sized %v, %v", tc.args, c, sized, err)
		}
	}
}
