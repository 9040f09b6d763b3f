package smtpwire

import (
	"bytes"
	"strings"
	"testing"
)

// naiveDots is the definition: lines end in CRLF, a line of one dot is the end,
// and the first dot of any other line goes.
func naiveDots(stream []byte) (message, rest []byte, bareCR, bareLF, done bool) {
	for {
		line, after, ok := bytes.Cut(stream, []byte("\r\n"))
		if !ok {
			return nil, nil, false, false, false
		}
		stream = after
		if string(line) == "." {
			return message, stream, bareCR, bareLF, true
		}
		line = bytes.TrimPrefix(line, []byte("."))
		bareCR = bareCR || bytes.IndexByte(line, '\r') >= 0
		bareLF = bareLF || bytes.IndexByte(line, '\n') >= 0
		message = append(append(message, line...), "\r\n"...)
	}
}

// feed gives the reader a stream in chunks of the given sizes, over and over.
func feed(d *DotReader, stream []byte, sizes []byte) (message, rest []byte, done bool) {
	for turn := 0; len(stream) > 0; turn++ {
		n := len(stream)
		if len(sizes) > 0 {
			n = min(n, int(sizes[turn%len(sizes)])+1)
		}
		chunk := stream[:n]
		for len(chunk) > 0 {
			out, consumed, end := d.Feed(chunk)
			message = append(message, out...)
			chunk, stream = chunk[consumed:], stream[consumed:]
			if end {
				return message, stream, true
			}
		}
	}
	return message, nil, false
}

func TestDotReader(t *testing.T) {
	for _, tc := range []struct {
		name, in, message, rest string
		bareCR, bareLF          bool
	}{
		{name: "empty", in: ".\r\nQUIT\r\n", rest: "QUIT\r\n"},
		{name: "plain", in: "a\r\n\r\nb\r\n.\r\n", message: "a\r\n\r\nb\r\n"},
		{name: "stuffed", in: "..\r\n..a\r\n...\r\n.b\r\n.\r\n", message: ".\r\n.a\r\n..\r\nb\r\n"},
		{name: "dot in a line", in: "a.\r\n.\r\n", message: "a.\r\n"},
		{name: "LF dot LF", in: "a\n.\nMAIL FROM:<x@y>\r\n.\r\n", message: "a\n.\nMAIL FROM:<x@y>\r\n", bareLF: true},
		{name: "LF dot CRLF", in: "a\n.\r\nb\r\n.\r\n", message: "a\n.\r\nb\r\n", bareLF: true},
		{name: "CRLF dot LF", in: "a\r\n.\nb\r\n.\r\n", message: "a\r\n\nb\r\n", bareLF: true},
		{name: "CRLF dot CR", in: "a\r\n.\rb\r\n.\r\n", message: "a\r\n\rb\r\n", bareCR: true},
		{name: "CR dot CR", in: "a\r.\rb\r\n.\r\n", message: "a\r.\rb\r\n", bareCR: true},
		{name: "CR dot CRLF", in: "a\r.\r\nb\r\n.\r\n", message: "a\r.\r\nb\r\n", bareCR: true},
		{name: "CRCRLF dot CRLF", in: "a\r\r\n.\r\nQUIT", message: "a\r\r\n", rest: "QUIT", bareCR: true},
		{name: "CRLF dot CRCRLF", in: "a\r\n.\r\r\n.\r\n", message: "a\r\n\r\r\n", bareCR: true},
		{name: "LFCR dot", in: "a\n\r.\r\n.\r\n", message: "a\n\r.\r\n", bareCR: true, bareLF: true},
	} {
		for size := range 5 {
			var d DotReader
			message, rest, done := feed(&d, []byte(tc.in), []byte{byte(size)})
			if !done || string(message) != tc.message || string(rest) != tc.rest || d.BareCR != tc.bareCR || d.BareLF != tc.bareLF {
				t.Errorf("%s, chunks of %d: message %q, rest %q, done %v, bare CR %v, bare LF %v",
					tc.name, size+1, message, rest, done, d.BareCR, d.BareLF)
			}
		}
	}
}

// An unfinished message is never done, whatever ends it almost.
func TestDotReaderGoesOn(t *testing.T) {
	for _, in := range []string{"", ".", ".\r", ".\n", "a\r\n.", "a\r\n.\r", "a\n.\n", "a\r.\r", "\n.\r\n", "\r.\r\n", "a.\r\n"} {
		var d DotReader
		if _, _, done := feed(&d, []byte(in), nil); done {
			t.Errorf("%q ends a message", in)
		}
	}
}

func FuzzDotReader(f *testing.F) {
	f.Add([]byte("a\r\n..b\r\n.\r\nrest"), []byte{0, 1, 2})
	f.Add([]byte("\n.\r\n.\r.\n\r\n.\r\r\n.\r\n"), []byte{0})
	f.Add([]byte(".\r\n"), []byte{})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		var d DotReader
		message, rest, done := feed(&d, stream, sizes)
		wantMessage, wantRest, bareCR, bareLF, wantDone := naiveDots(stream)
		if done != wantDone {
			t.Fatalf("%q: done %v, want %v", stream, done, wantDone)
		}
		if !done {
			return
		}
		if !bytes.Equal(message, wantMessage) || !bytes.Equal(rest, wantRest) {
			t.Fatalf("%q: message %q, rest %q; want %q, %q", stream, message, rest, wantMessage, wantRest)
		}
		if d.BareCR != bareCR || d.BareLF != bareLF {
			t.Fatalf("%q: bare CR %v, bare LF %v; want %v, %v", stream, d.BareCR, d.BareLF, bareCR, bareLF)
		}
	})
}

func BenchmarkDotReader(b *testing.B) {
	stream := []byte(strings.Repeat(strings.Repeat("x", 74)+"\r\n", 54) + ".\r\n")
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		var d DotReader
		for p := stream; ; {
			_, n, done := d.Feed(p)
			if p = p[n:]; done {
				break
			}
		}
	}
}
