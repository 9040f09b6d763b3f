package imapd

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"runtime"
	"testing"

	"posthorn/internal/imapwire"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

// endless is a file of nothing but "QUFB", which base64 decodes to "AAA".
type endless struct{}

func (endless) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		p[i] = "QUFB"[(off+int64(i))%4]
	}
	return len(p), nil
}

// TestBinaryMemory: the size of a large part is found without keeping it, and a piece
// of it without reading on behind that.
func TestBinaryMemory(t *testing.T) {
	const size = 16 << 20
	p := &encoded{src: endless{}, to: size, encoding: "base64"}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	all := meter{to: math.MaxInt64}
	_, err := p.copyTo(&all, message.Mark{}, 0)
	runtime.ReadMemStats(&after)
	if err != nil || all.size != size/4*3 || all.nul {
		t.Errorf("decoded %+v (%v), want %d bytes", all, err, size/4*3)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("decoding %d bytes took %d of memory", size, used)
	}
	piece := meter{from: 10, to: 20}
	if _, err := p.copyTo(&piece, message.Mark{}, 0); err != nil || piece.size < 20 || piece.size > 1<<20 {
		t.Errorf("decoded %+v for 10 bytes (%v)", piece, err)
	}
}

// readMeter counts what is read of a body.
type readMeter struct {
	*bytes.Reader
	read int64
}

func (r *readMeter) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(p, off)
	r.read += int64(n)
	return n, err
}

func (*readMeter) Close() error { return nil }

// TestBinaryPieces: pieces of a part, in order or not, are those of the whole, and in order
// each costs what it is long, wherever it lies.
func TestBinaryPieces(t *testing.T) {
	const size, piece = 1 << 20, 10_000
	want := bytes.Repeat([]byte("many lines\nof = text\r\n\xff"), size/22)[:size]
	for _, kind := range []string{"application/octet-stream", "text/plain"} {
		var b bytes.Buffer
		fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n", kind)
		for rest := want; len(rest) > 0; {
			n := min(57, len(rest))
			b.WriteString(base64.StdEncoding.EncodeToString(rest[:n]) + "\r\n")
			rest = rest[n:]
		}
		want := want
		if kind == "text/plain" {
			var crlf bytes.Buffer
			message.NewCRLFWriter(&crlf).Write(want)
			want = crlf.Bytes()
		}
		scan := message.NewScanner()
		scan.Write(b.Bytes())
		file := &readMeter{Reader: bytes.NewReader(b.Bytes())}
		m := &fetched{record: &store.Record{EmailID: 7, Layout: scan.Finish().Root.Layout().Append(nil)}, file: file}
		f := &fetcher{
			session: &session{box: &mailbox{place: place{account: new(store.Account)}}}, output: &output{}, plan: &fetchPlan{},
		}
		get := func(at int) {
			t.Helper()
			f.b, file.read = f.b[:0], 0
			item := &plannedItem{FetchItem: imapwire.FetchItem{Section: imapwire.Section{Part: []int{1}}, Partial: &imapwire.Partial{Offset: int64(at), Count: piece}}}
			f.binary(item, m)
			part := want[at:min(at+piece, len(want))]
			if head := fmt.Sprintf("{%d}\r\n", len(part)); !bytes.Equal(f.b, append([]byte(head), part...)) {
				t.Fatalf("%s: at %d came %.40q…, expected %.40q…", kind, at, f.b, part)
			}
		}
		for at := 0; at < len(want); at += piece {
			if get(at); file.read > 400_000 {
				t.Errorf("%s: for %d bytes at %d, %d were read", kind, piece, at, file.read)
			}
		}
		for _, at := range []int{500_000, 300_000, 300_000, 305_000, len(want) - 1, 0} {
			get(at)
		}
	}
}
