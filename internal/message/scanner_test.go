package message

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
)

// scan runs a scanner over a message in one write.
func scan(message string) *Message {
	s := NewScanner()
	_, _ = s.Write([]byte(message))
	return s.Finish()
}

// checkInvariants verifies what the package promises for any input.
func checkInvariants(t *testing.T, raw []byte, m *Message) {
	t.Helper()
	if m.Size != int64(len(raw)) {
		t.Fatalf("Size is %d, the message has %d bytes", m.Size, len(raw))
	}
	if m.Root.HeaderStart != 0 || m.Root.End != m.Size {
		t.Fatalf("root is [%d,%d), the message has %d bytes", m.Root.HeaderStart, m.Root.End, m.Size)
	}
	if n := len([]rune(m.Preview)); n > maxPreview {
		t.Fatalf("preview has %d characters", n)
	}
	checkPart(t, raw, m, m.Root)
	checkLayout(t, m.Root.Layout())
}

func checkPart(t *testing.T, raw []byte, m *Message, p *Part) {
	t.Helper()
	if p.HeaderStart > p.BodyStart || p.BodyStart > p.End {
		t.Fatalf("part has offsets %d %d %d", p.HeaderStart, p.BodyStart, p.End)
	}
	if p.Header != nil && !m.Truncated && !bytes.Equal(p.Header, raw[p.HeaderStart:p.BodyStart]) {
		t.Fatalf("Header is not what stands at [%d,%d)", p.HeaderStart, p.BodyStart)
	}
	if p.Type == "" || p.Subtype == "" {
		t.Fatalf("part has type %q/%q", p.Type, p.Subtype)
	}
	if (p.Envelope == nil) != (p.Header == nil) && p.BodyStart > p.HeaderStart {
		t.Fatal("Header and Envelope do not come together")
	}
	switch n := len(p.Parts); {
	case p.IsMultipart() && n == 0, p.IsEmbedded() && n != 1, !p.IsMultipart() && !p.IsEmbedded() && n > 0:
		t.Fatalf("%s/%s has %d parts", p.Type, p.Subtype, n)
	}
	if p.IsText() || p.IsEmbedded() {
		if want := int64(bytes.Count(raw[p.BodyStart:p.End], []byte("\n"))); p.Lines != want {
			t.Fatalf("part [%d,%d) has %d lines, not %d", p.BodyStart, p.End, want, p.Lines)
		}
	}
	from := p.BodyStart
	for _, child := range p.Parts {
		if child.HeaderStart < from || child.End > p.End {
			t.Fatalf("child [%d,%d) is not in what is left of its parent, [%d,%d)", child.HeaderStart, child.End, from, p.End)
		}
		checkPart(t, raw, m, child)
		from = child.End
	}
}

// checkLayout verifies that the stored form says the same.
func checkLayout(t *testing.T, l *Layout) {
	t.Helper()
	parsed, err := ParseLayout(l.Append(nil))
	if err != nil {
		t.Fatalf("ParseLayout: %v", err)
	}
	if !reflect.DeepEqual(parsed, l) {
		t.Fatalf("ParseLayout gave %+v for %+v", parsed, l)
	}
}

// scanInPieces cuts the message where cut says how many bytes to write next.
func scanInPieces(raw []byte, cut func() int) *Message {
	s := NewScanner()
	for rest := raw; len(rest) > 0; {
		n := min(cut(), len(rest))
		piece := bytes.Clone(rest[:n])
		_, _ = s.Write(piece)
		for i := range piece { // the scanner must not keep it
			piece[i] = '!'
		}
		rest = rest[n:]
	}
	return s.Finish()
}

// checkChunking verifies that it does not matter how a message is cut.
func checkChunking(t *testing.T, raw []byte, seed uint64) {
	t.Helper()
	whole := scanInPieces(raw, func() int { return len(raw) })
	checkInvariants(t, raw, whole)
	r := rand.New(rand.NewPCG(seed, 1))
	cuts := []func() int{
		func() int { return 1 },
		func() int { return r.IntN(7) },
		func() int { return r.IntN(200) },
	}
	for i, cut := range cuts {
		if pieces := scanInPieces(raw, cut); !reflect.DeepEqual(pieces, whole) {
			t.Fatalf("cut in way %d (seed %d), the message gives\n%s\nnot\n%s", i, seed, dump(pieces, raw), dump(whole, raw))
		}
	}
}
