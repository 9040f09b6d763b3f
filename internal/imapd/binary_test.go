package imapd

import (
	"math"
	"runtime"
	"testing"
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
	err := p.copyTo(&all)
	runtime.ReadMemStats(&after)
	if err != nil || all.size != size/4*3 || all.nul {
		t.Errorf("decoded %+v (%v), want %d bytes", all, err, size/4*3)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("decoding %d bytes took %d of memory", size, used)
	}
	piece := meter{from: 10, to: 20}
	if err := p.copyTo(&piece); err != nil || piece.size < 20 || piece.size > 1<<20 {
		t.Errorf("decoded %+v for 10 bytes (%v)", piece, err)
	}
}
