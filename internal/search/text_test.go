package search

import (
	"strings"
	"testing"
)

func TestTextAcrossChunks(t *testing.T) {
	needle := NewNeedle("STRASSE 北京")
	for _, pad := range []int{0, 1, 8180, 8187, 8188, 8189, 8190, 8191, 8192, 16380} {
		text := strings.Repeat("x", pad) + "Strasse 北京" + "…"
		if !needle.in(strings.NewReader(text)) {
			t.Errorf("not found behind %d bytes", pad)
		}
	}
	if needle.in(strings.NewReader("Strasse 北" + strings.Repeat("x京", 5000))) {
		t.Error("found where it is not")
	}
}
