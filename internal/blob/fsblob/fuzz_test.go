package fsblob

import (
	"bytes"
	"io"
	"io/fs"
	"log/slog"
	"testing"
	"time"

	"posthorn/internal/blob"
	"posthorn/internal/blob/blobtest"
	"posthorn/internal/fault"
)

const fuzzID = blob.ID("aaaaaaaaaaaaaaaaaaaaaaaaaa")

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// bytesFile is a file that is read only.
type bytesFile struct{ *bytes.Reader }

func (f bytesFile) Write([]byte) (int, error)  { return 0, fs.ErrPermission }
func (f bytesFile) Close() error               { return nil }
func (f bytesFile) Sync() error                { return nil }
func (f bytesFile) Stat() (fs.FileInfo, error) { return bytesInfo{size: f.Size()}, nil }

type bytesInfo struct {
	fs.FileInfo
	size int64
}

func (i bytesInfo) Size() int64      { return i.size }
func (bytesInfo) ModTime() time.Time { return time.Time{} }

// readBack reads a file's bytes as a blob; all that may happen to garbage is fault.Corrupt.
func readBack(t *testing.T, s *Store, stored []byte) (data []byte, ok bool) {
	r, err := newReader(s, fuzzID, bytesFile{bytes.NewReader(stored)})
	if err == nil {
		if frames := int64(len(stored))/headSize + 1; r.Size() > frames*frameSize {
			t.Fatalf("%d bytes claim to be a blob of %d", len(stored), r.Size())
		}
		defer r.Close()
		data = make([]byte, r.Size())
		var n int
		n, err = r.ReadAt(data, 0)
		if err == nil && n != len(data) {
			t.Fatalf("ReadAt gave %d of %d bytes without an error", n, len(data))
		}
	}
	if err != nil && !fault.Is(err, fault.Corrupt) {
		t.Fatalf("got %v, want an error of kind corrupt", err)
	}
	return data, err == nil
}

// encode is the file of a blob of this content.
func encode(t testing.TB, s *Store, data []byte) []byte {
	w := newWriter(s, fuzzID)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	f, err := s.files.Open(finalPath(fuzzID))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := io.ReadAll(io.NewSectionReader(f, 0, stat.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// FuzzFile reads arbitrary bytes as a blob's file.
func FuzzFile(f *testing.F) {
	s, err := open(newMemFiles(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	for _, size := range []int{0, 1, 5000, 70_000, 200_000} {
		stored := encode(f, s, blobtest.Body(1, size))
		f.Add(stored)
		f.Add(stored[:len(stored)-1])
	}
	f.Fuzz(func(t *testing.T, stored []byte) { readBack(t, s, stored) })
}

// FuzzFrames reads files whose sums are right and whose content is not: what a
// faulty writer, or an attacker with the disk, could leave.
func FuzzFrames(f *testing.F) {
	s, err := open(newMemFiles(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	packed, _ := s.codec.compress(nil, make([]byte, 9000))
	f.Add([]byte("hello"), uint32(5), uint32(5|finalBit), int64(5), true)
	f.Add(packed, uint32(9000), uint32(len(packed)|finalBit|zstdBit), int64(9000), true)
	f.Add(packed, uint32(frameSize), uint32(len(packed)|zstdBit), int64(1<<40), false)
	f.Fuzz(func(t *testing.T, data []byte, raw, stored uint32, size int64, whole bool) {
		frame := make([]byte, headSize+len(data))
		copy(frame[headSize:], data)
		h := frameHead{stored: int(stored &^ (zstdBit | finalBit)), raw: int(raw), zstd: stored&zstdBit != 0, final: stored&finalBit != 0}
		putFrameHead(frame, fuzzID, 0, h)
		file := append([]byte(magic), frame...)
		if whole {
			file = appendEnd(file, fuzzID, []uint32{uint32(len(frame))}, size)
		}
		readBack(t, s, file)
	})
}

// FuzzRoundTrip: what is read is what was written.
func FuzzRoundTrip(f *testing.F) {
	s, err := open(newMemFiles(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("posthorn"), uint8(1))
	f.Add([]byte("\x00\xff\x13"), uint8(250))
	f.Fuzz(func(t *testing.T, data []byte, times uint8) {
		data = bytes.Repeat(data, 1+int(times)*13)
		got, ok := readBack(t, s, encode(t, s, data))
		if !ok || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came back as %d others", len(data), len(got))
		}
	})
}
