package fsblob

import (
	"encoding/base64"
	"io"
	"testing"

	"posthorn/internal/blob/blobtest"
)

// attachment is n bytes as most large mail has them: base64 of something that was
// compressed before.
func attachment(n int) []byte {
	return []byte(base64.StdEncoding.EncodeToString(blobtest.Noise(1, n*3/4+3)))[:n]
}

func openBench(b *testing.B) *Store {
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// BenchmarkCommit is Create, Write, Commit: what a delivery waits for.
func BenchmarkCommit(b *testing.B) {
	for _, bench := range []struct {
		name string
		data []byte
	}{
		{"base64-64K", attachment(64 << 10)},
		{"mail-64K", blobtest.Body(1, 64<<10)},
		{"base64-1M", attachment(1 << 20)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := openBench(b)
			b.SetBytes(int64(len(bench.data)))
			b.ReportAllocs()
			for b.Loop() {
				put(b, s, bench.data)
			}
		})
	}
}

// BenchmarkCommitParallel has 16 writers at once.
func BenchmarkCommitParallel(b *testing.B) {
	s, data := openBench(b), attachment(64<<10)
	b.SetBytes(int64(len(data)))
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			put(b, s, data)
		}
	})
}

// BenchmarkEncode is the CPU of a write, without a disk.
func BenchmarkEncode(b *testing.B) {
	for name, data := range map[string][]byte{"base64": attachment(1 << 20), "mail": blobtest.Body(1, 1<<20), "noise": blobtest.Noise(1, 1<<20)} {
		b.Run(name, func(b *testing.B) {
			s := openBench(b)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				w := newWriter(s, fuzzID)
				w.file = nowhere{}
				if _, err := w.Write(data); err != nil {
					b.Fatal(err)
				}
				w.release()
			}
		})
	}
}

// nowhere is a file that takes everything.
type nowhere struct{ file }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }

// BenchmarkOpenRead opens a blob and reads all of it in pieces of 32 KiB.
func BenchmarkOpenRead(b *testing.B) {
	for name, data := range map[string][]byte{"base64-64K": attachment(64 << 10), "base64-1M": attachment(1 << 20), "noise-1M": blobtest.Noise(1, 1<<20)} {
		b.Run(name, func(b *testing.B) {
			s := openBench(b)
			id := put(b, s, data)
			p := make([]byte, 32<<10)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := s.Open(background, id)
				if err != nil {
					b.Fatal(err)
				}
				for at := int64(0); at < r.Size(); at += int64(len(p)) {
					if _, err := r.ReadAt(p, at); err != nil && err != io.EOF {
						b.Fatal(err)
					}
				}
				r.Close()
			}
		})
	}
}

// BenchmarkRange reads 4 KiB from the middle of 16 MiB.
func BenchmarkRange(b *testing.B) {
	s := openBench(b)
	id := put(b, s, attachment(16<<20))
	p := make([]byte, 4<<10)
	for b.Loop() {
		r, err := s.Open(background, id)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.ReadAt(p, 8<<20+100); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
