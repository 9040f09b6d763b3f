package wire

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// inflateAll gives what becomes of a stream that arrives in pieces of in bytes and is
// taken in pieces of out.
func inflateAll(stream []byte, in, out int) ([]byte, error) {
	var f inflater
	var got []byte
	room := make([]byte, out)
	for {
		piece := stream[:min(in, len(stream))]
		n, used, err := f.inflate(room, piece)
		got = append(got, room[:n]...)
		stream = stream[used:]
		if err != nil || n == 0 && used == 0 && len(piece) == 0 || len(got) > 16<<20 {
			return got, err
		}
	}
}

func deflate(t testing.TB, level int, texts ...string) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		io.WriteString(w, text)
		w.Flush()
	}
	return b.Bytes()
}

func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// What others compress comes back, however it arrives.
func TestInflate(t *testing.T) {
	texts := []string{"a NOOP\r\n", "", strings.Repeat("b NOOP\r\n", 9000), noise(70_000), "c", strings.Repeat("x", 100_000)}
	want := strings.Join(texts, "")
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		stream := deflate(t, level, texts...)
		for _, sizes := range [][2]int{{1 << 20, 1 << 20}, {1, 1 << 20}, {1 << 20, 1}, {7, 5}} {
			got, err := inflateAll(stream, sizes[0], sizes[1])
			if err != nil || string(got) != want {
				t.Errorf("level %d, %v: %d bytes, %v", level, sizes, len(got), err)
			}
		}
	}
}

// A connection that has said little holds little.
func TestInflateSmallWindow(t *testing.T) {
	var f inflater
	f.inflate(make([]byte, 4096), deflate(t, flate.BestCompression, strings.Repeat("a NOOP\r\n", 200)))
	if len(f.window) > 2048 || f.codes != nil {
		t.Errorf("a window of %d bytes, codes %v", len(f.window), f.codes)
	}
}

// FuzzInflate compares with the standard library's inflater, and one way of arriving
// with another.
func FuzzInflate(f *testing.F) {
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
		f.Add(deflate(f, level, "a LOGIN alice secret\r\n", "b SELECT INBOX\r\nc SELECT INBOX\r\n"), 3)
		f.Add(deflate(f, level, noise(300), strings.Repeat("b NOOP\r\n", 30)), 1)
	}
	f.Add([]byte{3, 0}, 1)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		if len(stream) > 16<<10 {
			return
		}
		got, err := inflateAll(stream, 1<<20, 1<<20)
		piece = max(1, min(piece, 1000))
		again, err2 := inflateAll(stream, piece, 64<<10)
		if !bytes.Equal(got, again) || err != err2 {
			t.Fatalf("%d bytes and %v; in pieces: %d bytes and %v", len(got), err, len(again), err2)
		}
		want, wantErr := io.ReadAll(flate.NewReader(bytes.NewReader(stream)))
		ended := err == io.EOF
		if ended != (wantErr == nil) {
			t.Fatalf("the end is %v, the library's %v", err, wantErr)
		}
		if _, corrupt := wantErr.(flate.CorruptInputError); corrupt != (err == errDeflate) {
			t.Fatalf("%v, the library's error is %v", err, wantErr)
		}
		if n := min(len(got), len(want)); !bytes.Equal(got[:n], want[:n]) || ended && len(got) != len(want) {
			t.Fatalf("other bytes than the library's")
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	text := strings.Repeat("Subject: some words of a letter, not all of them the same\r\n", 300) + noise(8<<10)
	stream := deflate(b, flate.DefaultCompression, text)
	room := make([]byte, len(text)+1)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var f inflater
	for b.Loop() {
		if n, _, _ := f.inflate(room, stream); n != len(text) {
			b.Fatal(n)
		}
	}
}

// mutt and others end what they say with a partial flush: a block's end, and a few bits
// of an empty one. All that was said must be known then.
func TestInflatePartialFlush(t *testing.T) {
	stream := deflate(t, flate.BestCompression, "a IDLE\r\n")
	end := bytes.Index(stream, []byte{0, 0, 0xff, 0xff})
	var f inflater
	room := make([]byte, 100)
	n, _, err := f.inflate(room, stream[:end])
	if string(room[:n]) != "a IDLE\r\n" || err != nil {
		t.Errorf("%q, %v", room[:n], err)
	}
}
