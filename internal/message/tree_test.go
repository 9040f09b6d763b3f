package message

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// writer writes a MIME tree by the rules and notes where everything went.
type writer struct {
	strings.Builder
	t     *rapid.T
	eol   string
	count int
}

const treeDepth = 5

// expected is a part as it was written.
type expected struct {
	mediaType         string
	header, body, end int
	parts             []*expected
}

func (w *writer) line(s string) { w.WriteString(s + w.eol) }

func (w *writer) part(depth int) *expected {
	e := &expected{header: w.Len()}
	kind := rapid.SampledFrom([]string{"text/plain", "text/html", "application/pdf", "multipart/mixed", "multipart/digest", "message/rfc822", "message/global"}).Draw(w.t, "kind")
	switch {
	case depth == treeDepth:
		kind = "multipart/mixed"
	case depth == 0 && strings.HasPrefix(kind, "m"):
		kind = "text/plain"
	}
	e.mediaType = kind
	for range rapid.IntRange(0, 2).Draw(w.t, "fields") {
		w.line("X-Field: value,")
		w.line("\tfolded")
	}
	boundary := ""
	if strings.HasPrefix(kind, "multipart") {
		w.count++
		// Boundaries that others begin with, or that look like closing ones.
		boundary = rapid.SampledFrom([]string{"b", "b--", "--b", "=_b ", "b'"}).Draw(w.t, "boundary") + fmt.Sprint(w.count)
		w.line("Content-Type: " + kind + ";" + w.eol + " boundary=\"" + boundary + "\"")
	} else {
		w.line("Content-Type: " + kind)
	}
	w.line("")
	e.body = w.Len()
	switch {
	case boundary != "":
		w.multipart(e, depth, boundary)
	case strings.HasPrefix(kind, "message"):
		e.parts = []*expected{w.part(depth - 1)}
	default:
		w.WriteString(strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"", "text", "--", "--b", "--b1x", "--b--", " --b1", "-", "From x", "\t", "."}), 0, 5).Draw(w.t, "body"), w.eol))
	}
	e.end = w.Len()
	return e
}

func (w *writer) multipart(e *expected, depth int, boundary string) {
	if rapid.Bool().Draw(w.t, "preamble") {
		w.line("preamble")
	}
	padding := rapid.SampledFrom([]string{"", " ", "\t  "}).Draw(w.t, "padding")
	for i := range rapid.IntRange(1, 4).Draw(w.t, "parts") {
		if i > 0 {
			w.WriteString(w.eol)
		}
		w.line("--" + boundary + padding)
		e.parts = append(e.parts, w.part(depth-1))
	}
	w.WriteString(w.eol + "--" + boundary + "--" + padding)
	if rapid.Bool().Draw(w.t, "epilogue") {
		w.WriteString(w.eol + "epilogue")
	}
}

// TestTreeRoundTrip writes random trees and expects to find every part just
// where it was put.
func TestTreeRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &writer{t: rt, eol: rapid.SampledFrom([]string{"\r\n", "\n"}).Draw(rt, "eol")}
		want := w.part(treeDepth)
		raw := w.String()
		m := scan(raw)
		compareTree(rt, raw, m.Root, want)
	})
}

func compareTree(t *rapid.T, raw string, got *Part, want *expected) {
	if kind := got.Type + "/" + got.Subtype; kind != want.mediaType {
		t.Fatalf("part at %d is %s, not %s, in\n%q", want.header, kind, want.mediaType, raw)
	}
	if got.HeaderStart != int64(want.header) || got.BodyStart != int64(want.body) || got.End != int64(want.end) {
		t.Fatalf("part is at %d %d %d, not %d %d %d, in\n%q", got.HeaderStart, got.BodyStart, got.End, want.header, want.body, want.end, raw)
	}
	if len(got.Parts) != len(want.parts) {
		t.Fatalf("part at %d has %d parts, not %d, in\n%q", want.header, len(got.Parts), len(want.parts), raw)
	}
	for i, child := range got.Parts {
		compareTree(t, raw, child, want.parts[i])
	}
}
