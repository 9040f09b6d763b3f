// Package blobtest is the conformance suite for blob.Store.
//
// It says what the contract in package blob means, and every store runs all of
// it. A store's own tests then only cover what is particular to that store.
//
// blobtest.go has the Subject, Run and the bodies; contents.go what is stored and
// read back, life.go who sees a blob and when, failure.go power cuts, damage and full disks,
// model.go random operations against a map.
package blobtest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
)

// Subject is a store under test with the means to hurt it.
type Subject struct {
	Store blob.Store
	// Crash cuts the power: what is not durable is lost, Store is dead, and the
	// Subject's Store is replaced with one opened on what is left.
	Crash func(t testing.TB)
	// Damage changes a stored bit that the byte at offset depends on. Nil only for
	// a store without a medium, which cannot be damaged.
	Damage func(t testing.TB, id blob.ID, offset int64)
	// SetFree leaves room for so many more bytes; negative means no limit.
	SetFree func(n int64)
}

// Run holds a store to the contract. open gives a new and empty store each time
// and registers its own clean-up.
func Run(t *testing.T, open func(t testing.TB) *Subject) {
	tests := []struct {
		name string
		run  func(t *testing.T, s *Subject)
	}{
		{"Contents", testContents},
		{"Ranges", testRanges},
		{"ReaderAt", testReaderAt},
		{"Visibility", testVisibility},
		{"Ended", testEnded},
		{"Delete", testDelete},
		{"List", testList},
		{"UnknownID", testUnknownID},
		{"Canceled", testCanceled},
		{"Closed", testClosed},
		{"Parallel", testParallel},
		{"Crash", testCrash},
		{"CrashWhileCommitting", testCrashWhileCommitting},
		{"Damage", testDamage},
		{"Full", testFull},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
	t.Run("Model", func(t *testing.T) { testModel(t, open) })
}

// Body is n bytes as they occur in mail: mostly lines of text, with runs of base64
// and of noise, the same for the same seed.
func Body(seed uint64, n int) []byte {
	words := []string{"posthorn ", "the ", "message ", "of ", "明天 ", "Grüße ", "delivery\r\n", "2026-11-21 "}
	dice := rand.New(rand.NewPCG(seed, 1))
	out := make([]byte, 0, n+128<<10)
	for len(out) < n {
		run := 1 + dice.IntN(100<<10)
		switch kind := dice.IntN(4); {
		case kind <= 1:
			for end := len(out) + run; len(out) < end; {
				out = append(out, words[dice.IntN(len(words))]...)
			}
		case kind == 2:
			for noise := Noise(dice.Uint64(), run*3/4); len(noise) > 0; {
				line := min(57, len(noise))
				out = append(base64.StdEncoding.AppendEncode(out, noise[:line]), "\r\n"...)
				noise = noise[line:]
			}
		default:
			out = append(out, Noise(dice.Uint64(), run)...)
		}
	}
	return out[:n:n]
}

// Noise is n bytes that nothing can compress.
func Noise(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	noise := make([]byte, n)
	rand.NewChaCha8(key).Read(noise)
	return noise
}

// write stores data in pieces of at most chunk bytes and commits it.
func write(s blob.Store, data []byte, chunk int) (blob.ID, error) {
	w, err := s.Create(background)
	if err != nil {
		return "", err
	}
	defer w.Abort()
	for rest := data; len(rest) > 0; {
		n := min(chunk, len(rest))
		wrote, err := w.Write(rest[:n])
		if err != nil {
			return "", err
		}
		if wrote != n {
			return "", fmt.Errorf("took %d of %d bytes without an error", wrote, n)
		}
		rest = rest[n:]
	}
	return w.Commit()
}

func mustWrite(t testing.TB, s blob.Store, data []byte) blob.ID {
	t.Helper()
	id, err := write(s, data, 32<<10)
	if err != nil {
		t.Fatalf("write %d bytes: %v", len(data), err)
	}
	return id
}

// readAll opens a blob and reads all of it, in pieces.
func readAll(s blob.Store, id blob.ID) ([]byte, error) {
	r, err := s.Open(background, id)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
}

// check reads a blob back and compares it.
func check(t testing.TB, s blob.Store, id blob.ID, want []byte) {
	t.Helper()
	got, err := readAll(s, id)
	if err != nil {
		t.Fatalf("read %s of %d bytes: %v", id, len(want), err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("blob %s: read %d bytes, not the %d that were written; they differ from byte %d on",
			id, len(got), len(want), differ(got, want))
	}
}

// differ is the first offset at which two slices are not the same.
func differ(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// wantKind fails the test unless err is of this kind, and says so itself.
func wantKind(t testing.TB, what string, err error, kind fault.Kind) {
	t.Helper()
	var classified *fault.Error
	if !fault.Is(err, kind) || !errors.As(err, &classified) {
		t.Errorf("%s: got error %v, want one of kind %q", what, err, kind)
	}
}

// list is what the store lists now.
func list(t testing.TB, s blob.Store) map[blob.ID]blob.Info {
	t.Helper()
	found := map[blob.ID]blob.Info{}
	err := s.List(background, func(i blob.Info) bool {
		if _, twice := found[i.ID]; twice {
			t.Errorf("List gave %s twice", i.ID)
		}
		found[i.ID] = i
		return true
	})
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	return found
}
