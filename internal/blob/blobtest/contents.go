package blobtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"sync"
	"testing"

	"posthorn/internal/fault"
)

var background = context.Background()

// testContents: what is read is what was written, whatever it is and however it
// was cut into writes.
func testContents(t *testing.T, s *Subject) {
	wellFormed := regexp.MustCompile(`^[a-z2-7]{26}$`)
	sizes := []int{0, 1, 100, 4096, 65535, 65536, 65537, 131072, 200_001, 3 << 20}
	kinds := map[string]func(n int) []byte{
		"mail":  func(n int) []byte { return Body(uint64(n), n) },
		"zeros": func(n int) []byte { return make([]byte, n) },
	}
	seen := map[string]bool{}
	for kind, make := range kinds {
		for i, size := range sizes {
			data := make(size)
			chunk := []int{1000, 65536, 1 << 20, 4 << 20}[i%4]
			id, err := write(s.Store, data, chunk)
			if err != nil {
				t.Fatalf("write %d bytes of %s: %v", size, kind, err)
			}
			if !wellFormed.MatchString(string(id)) || seen[string(id)] {
				t.Errorf("ID %q is not new, or not 26 characters of lower-case base32", id)
			}
			seen[string(id)] = true
			check(t, s.Store, id, data)
		}
	}
}

// testRanges: any range reads the same as from the slice.
func testRanges(t *testing.T, s *Subject) {
	data := Body(7, 700_000)
	r, err := s.Store.Open(background, mustWrite(t, s.Store, data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dice := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		from := dice.IntN(len(data))
		p := make([]byte, dice.IntN(min(len(data)-from, 1<<dice.IntN(20))+1))
		if n, err := r.ReadAt(p, int64(from)); n != len(p) || (err != nil && err != io.EOF) {
			t.Fatalf("ReadAt %d bytes at %d: %d, %v", len(p), from, n, err)
		}
		if !bytes.Equal(p, data[from:from+len(p)]) {
			t.Fatalf("ReadAt %d bytes at %d: other bytes than were written", len(p), from)
		}
	}
}

// testReaderAt: the edges of io.ReaderAt.
func testReaderAt(t *testing.T, s *Subject) {
	data := Body(8, 100_000)
	for _, size := range []int{0, 1, 65536, 100_000} {
		r, err := s.Store.Open(background, mustWrite(t, s.Store, data[:size]))
		if err != nil {
			t.Fatal(err)
		}
		if r.Size() != int64(size) {
			t.Errorf("Size is %d, want %d", r.Size(), size)
		}
		p := make([]byte, size+10)
		if n, err := r.ReadAt(p, 0); n != size || err != io.EOF {
			t.Errorf("ReadAt past the end of %d bytes: %d, %v; want %d, io.EOF", size, n, err, size)
		}
		if !bytes.Equal(p[:size], data[:size]) {
			t.Errorf("ReadAt past the end of %d bytes: other bytes than were written", size)
		}
		for _, at := range []int64{int64(size), int64(size) + 1, 1 << 60} {
			if n, err := r.ReadAt(p[:1], at); n != 0 || err != io.EOF {
				t.Errorf("ReadAt at %d of %d: %d, %v; want 0, io.EOF", at, size, n, err)
			}
		}
		_, err = r.ReadAt(p, -1)
		wantKind(t, "ReadAt a negative offset", err, fault.Invalid)
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// testParallel: many writers at once, and one reader used by many.
func testParallel(t *testing.T, s *Subject) {
	const workers = 8
	var wg sync.WaitGroup
	shared := Body(99, 500_000)
	r, err := s.Store.Open(background, mustWrite(t, s.Store, shared))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for worker := range workers {
		wg.Go(func() {
			if err := oneWorker(s, r, shared, uint64(worker)); err != nil {
				t.Errorf("worker %d: %v", worker, err)
			}
		})
	}
	wg.Wait()
}

// oneWorker writes blobs, reads them back, and reads ranges of the shared one.
func oneWorker(s *Subject, r io.ReaderAt, shared []byte, seed uint64) error {
	dice := rand.New(rand.NewPCG(seed, 3))
	for range 5 {
		own := Body(dice.Uint64(), dice.IntN(200_000))
		id, err := write(s.Store, own, 1+dice.IntN(100_000))
		if err != nil {
			return err
		}
		for range 10 {
			from := dice.IntN(len(shared))
			p := make([]byte, dice.IntN(len(shared)-from)+1)
			if _, err := r.ReadAt(p[:len(p)-1], int64(from)); err != nil && err != io.EOF {
				return err
			}
			if !bytes.Equal(p[:len(p)-1], shared[from:from+len(p)-1]) {
				return fmt.Errorf("shared blob: other bytes at %d", from)
			}
		}
		got, err := readAll(s.Store, id)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, own) {
			return fmt.Errorf("blob %s: other bytes than were written", id)
		}
	}
	return nil
}
