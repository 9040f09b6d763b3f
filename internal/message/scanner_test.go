package message

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
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

func TestDepthLimit(t *testing.T) {
	for name, level := range map[string]string{
		"multipart": "Content-Type: multipart/mixed; boundary=bNN\r\n\r\n--bNN\r\n",
		"embedded":  "Content-Type: message/rfc822\r\n\r\n",
	} {
		nested := func(levels int) *Message {
			var raw strings.Builder
			for i := range levels {
				raw.WriteString(strings.ReplaceAll(level, "NN", strconv.Itoa(i)))
			}
			raw.WriteString("\r\nthe innermost\r\n--b0--\r\n")
			m := scan(raw.String())
			checkInvariants(t, []byte(raw.String()), m)
			return m
		}
		levels := func(p *Part) (depth int, leaf *Part) {
			for ; len(p.Parts) > 0; p = p.Parts[0] {
				depth++
			}
			return depth, p
		}
		m := nested(maxDepth)
		if depth, leaf := levels(m.Root); depth != maxDepth || leaf.Subtype != "plain" || m.Truncated {
			t.Errorf("%s: %d levels, %s/%s, truncated %t", name, depth, leaf.Type, leaf.Subtype, m.Truncated)
		}
		m = nested(2 * maxDepth)
		if depth, leaf := levels(m.Root); depth != maxDepth || leaf.Subtype != "octet-stream" || !m.Truncated {
			t.Errorf("%s, too deep: %d levels, %s/%s, truncated %t", name, depth, leaf.Type, leaf.Subtype, m.Truncated)
		}
	}
}

func TestPartLimit(t *testing.T) {
	raw := "Content-Type: multipart/mixed; boundary=x\r\n\r\n" + strings.Repeat("--x\r\n\r\na\r\n", 2*maxParts) + "--x--\r\n"
	m := scan(raw)
	checkInvariants(t, []byte(raw), m)
	if n := len(m.Root.Parts); n != maxParts-1 || !m.Truncated { // the root is one, too
		t.Errorf("%d parts, truncated %t", n, m.Truncated)
	}
	last := m.Root.Parts[len(m.Root.Parts)-1]
	if got := raw[last.BodyStart:last.End]; got != "a" {
		t.Errorf("the last part is %q", got)
	}
}

func TestHeaderLimit(t *testing.T) {
	long := strings.Repeat("X-Filler: "+strings.Repeat("x", 60)+"\r\n", 1+maxHeader/72)
	for name, raw := range map[string]string{
		"many fields":   "Subject: first\r\n" + long + "From: a@example.test\r\n\r\nbody\r\n",
		"one long line": "Subject: first\r\nTo: " + strings.Repeat("a@b,", maxHeader/4) + "\r\nFrom: a@example.test\r\n\r\nbody\r\n",
	} {
		checkChunking(t, []byte(raw), 1)
		m := scan(raw)
		e := m.Root.Envelope
		if !m.Truncated || len(m.Root.Header) != maxHeader || e.Subject != "first" || e.From != nil {
			t.Errorf("%s: truncated %t, header of %d bytes, subject %q, from %v", name, m.Truncated, len(m.Root.Header), e.Subject, e.From)
		}
		if got := raw[m.Root.BodyStart:m.Root.End]; got != "body\r\n" {
			t.Errorf("%s: body is %.40q", name, got)
		}
	}
}

// A large message takes no more memory than a small one, whatever it consists
// of, but for its parts as far as they are counted.
func TestMemoryIsBounded(t *testing.T) {
	const size = 20 << 20
	for _, c := range []struct {
		name, start, again string
		limit              uint64
	}{
		{"one line", "Subject: x\r\n\r\n", strings.Repeat("x", 64<<10), 1 << 20},
		{"text", "Subject: x\r\n\r\n", strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1000), 1 << 20},
		{"html", "Content-Type: text/html\r\n\r\n", strings.Repeat("<p>", 20000), 1 << 20},
		{"header", "", strings.Repeat("X-Filler: x\r\n", 5000), 2 << 20},
		{"header in one line", "Subject: ", strings.Repeat("x", 64<<10), 2 << 20},
		{"parts", "Content-Type: multipart/mixed; boundary=x\r\n\r\n", strings.Repeat("--x\r\nContent-Type: a/b; c=d\r\n\r\n", 2000), 16 << 20},
		{"embedded", "Content-Type: multipart/digest; boundary=x\r\n\r\n", strings.Repeat("--x\r\n\r\nSubject: y\r\n\r\n", 2000), 16 << 20},
	} {
		used := heapInUse()
		s := NewScanner()
		_, _ = s.Write([]byte(c.start))
		written := len(c.start)
		for piece := []byte(c.again); written < size; written += len(piece) {
			_, _ = s.Write(piece)
		}
		if now := heapInUse(); now > used+c.limit {
			t.Errorf("%s: takes %d KiB", c.name, (now-used)>>10)
		}
		if m := s.Finish(); m.Size != int64(written) {
			t.Errorf("%s: size is %d, not %d", c.name, m.Size, written)
		}
	}
}

func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// Messages on which a careless scanner takes time by the square; with that,
// this test would take minutes.
func TestHostileMessages(t *testing.T) {
	var boundaries strings.Builder
	for i := range maxDepth {
		fmt.Fprintf(&boundaries, "Content-Type: multipart/mixed; boundary=%0200d\r\n\r\n--%0200[1]d\r\n", i)
	}
	for _, value := range hostile() {
		for _, start := range []string{
			"", "To: ", "Content-Type: text/html\r\n\r\n", boundaries.String(),
		} {
			raw := start + value
			m := scan(raw)
			checkInvariants(t, []byte(raw), m)
		}
	}
}

// FuzzScanner checks that any input gives a tree that keeps the promises, and
// the same one however it is cut.
func FuzzScanner(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.eml")
	for i, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, uint64(i))
	}
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		checkChunking(t, raw, seed)
	})
}
