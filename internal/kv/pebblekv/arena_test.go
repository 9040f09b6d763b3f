package pebblekv

import (
	"bytes"
	"testing"
)

// Copies keep their bytes until reset, whatever their sizes; then memory is used again.
func TestArena(t *testing.T) {
	var a arena
	sizes := []int{1, 4000, 100, 0, 70_000, 8000, 60_000, 5, 64 << 10}
	for round := range 3 {
		var copies [][]byte
		for i, n := range sizes {
			copies = append(copies, a.copy(bytes.Repeat([]byte{byte(i + round)}, n)))
		}
		for i, c := range copies {
			if !bytes.Equal(c, bytes.Repeat([]byte{byte(i + round)}, sizes[i])) {
				t.Fatalf("round %d: copy %d of %d bytes has changed", round, i, sizes[i])
			}
		}
		before := a.size
		if !a.reset() {
			t.Fatalf("an arena of %d bytes is not kept", a.size)
		}
		if round > 0 && a.size != before {
			t.Errorf("round %d took %d bytes more", round, a.size-before)
		}
	}
	a.copy(make([]byte, keepArena))
	if a.reset() {
		t.Errorf("an arena of %d bytes is kept", a.size)
	}
}
