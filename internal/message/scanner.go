package message

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// Scanner finds the structure of a message while its bytes are written to it.
// It works line by line: a line is a delimiter of an open multipart, or belongs
// to the header or body of the innermost open part. Lines end with LF, with or
// without a CR before it. A Scanner is used once, by one goroutine.
type Scanner struct {
	msg  *Message
	done bool

	// The line being read begins at offset; newlines line ends stand before it,
	// the last of them eol bytes long (0 at the start of the message).
	offset, newlines, eol int64
	// Of a line whose end has not been written yet: its first bytes, how many
	// bytes there were, and whether the last one was a CR.
	held     []byte
	heldSize int64
	heldCR   bool

	stack     []frame  // the open parts, the root first
	shallow   [4]frame // where the stack begins
	parts     int      // how many were opened
	inHeader  bool     // the innermost open part is in its header
	header    []byte   // what is kept of that header
	hasFields bool     // that header has more than mailbox lines already

	headerLeft, partHeaderLeft int // of maxHeader and maxPartHeader

	alternatives int // how many multipart/alternative are open
	preview      preview
}

// frame is an open part.
type frame struct {
	part     *Part
	message  bool      // the root or an embedded message
	fallback mediaType // what it is without a Content-Type
	boundary string    // of a multipart, until its close delimiter
	bodyLine int64     // newlines before its body
}

// NewScanner starts the scan of a message.
func NewScanner() *Scanner {
	result := &struct { // what every message has, in one piece
		Message
		root     Part
		envelope Envelope
	}{}
	result.Root = &result.root
	result.root.Envelope = &result.envelope
	s := &Scanner{msg: &result.Message, headerLeft: maxHeader, partHeaderLeft: maxPartHeader}
	s.stack = s.shallow[:0]
	s.push(frame{part: result.Root, message: true, fallback: plainText})
	return s
}

// Into this room most headers of messages and of body parts fit.
const headerRoom, partHeaderRoom = 4 << 10, 512

// Write scans the next bytes. It always takes all of p, without error, and
// keeps no reference to it.
func (s *Scanner) Write(p []byte) (int, error) {
	s.survey(p)
	rest := p
	if s.heldSize > 0 {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			s.hold(rest)
			return len(p), nil
		}
		eol := lineEndLength(rest, i, s.heldCR)
		s.hold(rest[:i+1])
		s.endHeldLine(eol)
		rest = rest[i+1:]
	}
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		s.line(rest[:min(i+1, s.lineLimit())], int64(i+1), lineEndLength(rest, i, false))
		rest = rest[i+1:]
	}
	s.hold(rest)
	return len(p), nil
}

// lineEndLength is 2 for the LF at p[i] if a CR precedes it, else 1. afterCR
// says whether one precedes p.
func lineEndLength(p []byte, i int, afterCR bool) int64 {
	if i > 0 && p[i-1] == '\r' || i == 0 && afterCR {
		return 2
	}
	return 1
}

// Finish ends the scan at the end of the message. Nothing may be written after it.
func (s *Scanner) Finish() *Message {
	if !s.done {
		s.done = true
		if s.heldSize > 0 {
			s.endHeldLine(0)
		}
		s.closeParts(0, s.offset)
		s.msg.Size = s.offset
		s.msg.Preview = s.preview.text
	}
	return s.msg
}

// survey looks for bytes that transports care about.
func (s *Scanner) survey(p []byte) {
	m := s.msg
	m.HasNUL = m.HasNUL || bytes.IndexByte(p, 0) >= 0
	if m.Has8Bit {
		return
	}
	var bits uint64
	for ; len(p) >= 32; p = p[32:] {
		bits |= binary.NativeEndian.Uint64(p) | binary.NativeEndian.Uint64(p[8:]) |
			binary.NativeEndian.Uint64(p[16:]) | binary.NativeEndian.Uint64(p[24:])
	}
	for _, c := range p {
		bits |= uint64(c)
	}
	m.Has8Bit = bits&0x8080808080808080 != 0
}

// lineLimit is how much of a line is looked at. It only changes between lines,
// so that it does not matter how they were cut into writes.
func (s *Scanner) lineLimit() int {
	switch {
	case s.inHeader:
		return maxHeader
	case s.preview.part != nil:
		return maxPreviewSource
	}
	return maxDelimiter
}

// hold keeps bytes of a line that has no end yet.
func (s *Scanner) hold(p []byte) {
	if len(p) == 0 {
		return
	}
	if room := s.lineLimit() - len(s.held); room > 0 {
		s.held = append(s.held, p[:min(room, len(p))]...)
	}
	s.heldSize += int64(len(p))
	s.heldCR = p[len(p)-1] == '\r'
}

func (s *Scanner) endHeldLine(eol int64) {
	s.line(s.held, s.heldSize, eol)
	s.held, s.heldSize, s.heldCR = s.held[:0], 0, false
}

// line takes a line of size bytes, of which eol are its line end, and text the
// first ones.
func (s *Scanner) line(text []byte, size, eol int64) {
	s.msg.LongestLine = max(s.msg.LongestLine, size-eol)
	s.place(text, size)
	s.offset += size
	s.eol = eol
	if eol > 0 {
		s.newlines++
	}
}

// place puts the line where it belongs: it is a delimiter, or of a header, of a
// body, or of what stands between parts.
func (s *Scanner) place(text []byte, size int64) {
	switch {
	case len(text) > 2 && text[0] == '-' && text[1] == '-' && s.delimiter(text, size):
	case !s.inHeader:
		if s.preview.part != nil {
			s.preview.add(text)
		}
	case isBlankLine(text):
		s.keepHeader(text, size)
		s.endHeader(s.offset+size, s.newlines+1)
	case s.isHeaderLine(text):
		s.keepHeader(text, size)
		s.hasFields = s.hasFields || !isMboxLine(text)
	default:
		// The blank line is missing. Anything else but to begin the body here
		// would hide text from the reader; it is also what mail relays do.
		s.endHeader(s.offset, s.newlines)
		s.place(text, size)
	}
}

// isHeaderLine says whether the line may stand in the header being read: it is
// a field, goes on with one, or is left over from a mailbox file before the
// first field of a message.
func (s *Scanner) isHeaderLine(text []byte) bool {
	f := s.stack[len(s.stack)-1]
	if isBlank(text[0]) {
		return s.offset > f.part.HeaderStart
	}
	return fieldNameLength(text) > 0 || f.message && !s.hasFields && isMboxLine(text)
}

// keepHeader adds a line to the header of the innermost part, as far as the
// limits reach. Once one is reached, nothing more is kept.
func (s *Scanner) keepHeader(text []byte, size int64) {
	left, room := &s.partHeaderLeft, partHeaderRoom
	if s.stack[len(s.stack)-1].message {
		left, room = &s.headerLeft, headerRoom
	}
	n := min(len(text), *left)
	if s.header == nil {
		s.header = make([]byte, 0, room)
	}
	s.header = append(s.header, text[:n]...)
	*left -= n
	if int64(n) < size {
		*left = 0
		s.msg.Truncated = true
	}
}

// open begins a part at byte at, inside the innermost open one.
func (s *Scanner) open(at int64, fallback mediaType) {
	part := &Part{HeaderStart: at}
	parent := s.stack[len(s.stack)-1].part
	parent.Parts = append(parent.Parts, part)
	f := frame{part: part, fallback: fallback, message: parent.IsEmbedded()}
	if f.message {
		part.Envelope = &Envelope{}
	}
	s.push(f)
}

func (s *Scanner) push(f frame) {
	s.stack = append(s.stack, f)
	s.parts++
	s.inHeader = true
}

// endHeader ends the header of the innermost part; its body begins at byte at,
// after so many line ends. The header may turn out to be that of a message
// around a message, whose header then begins.
func (s *Scanner) endHeader(at, newlines int64) {
	f := &s.stack[len(s.stack)-1]
	part := f.part
	part.BodyStart = at
	f.bodyLine = newlines
	part.readHeader(s.header, f.fallback)
	if f.message {
		part.Header, s.header = s.header[:len(s.header):len(s.header)], nil
	}
	s.header, s.hasFields, s.inHeader = s.header[:0], false, false

	multipart, embedded := part.IsMultipart(), part.IsEmbedded()
	switch {
	case (multipart || embedded) && (len(s.stack) > maxDepth || s.parts >= maxParts):
		part.Type, part.Subtype = "application", "octet-stream"
		s.msg.Truncated = true
	case multipart:
		f.boundary = strings.TrimRight(part.Param("boundary"), " \t\r\n")
		if strings.EqualFold(part.Subtype, "alternative") {
			s.alternatives++
		}
	case embedded:
		s.open(at, plainText)
	default:
		s.preview.begin(part, s.stack)
	}
}

// delimiter takes the line if it is a delimiter of an open multipart. One of an
// outer multipart ends all that is inside (RFC 2046 §5.1.2).
func (s *Scanner) delimiter(text []byte, size int64) bool {
	level, closing := -1, false
	if size <= maxDelimiter {
		level, closing = s.matchDelimiter(text)
	}
	if level < 0 {
		return false
	}
	s.closeParts(level+1, s.offset-s.eol)
	f := &s.stack[level]
	switch {
	case closing:
		f.boundary = "" // what follows up to the next outer delimiter is the epilogue
	case s.parts >= maxParts:
		s.msg.Truncated = true
	case strings.EqualFold(f.part.Subtype, "digest"):
		s.open(s.offset+size, digestEntry)
	default:
		s.open(s.offset+size, plainText)
	}
	return true
}

// matchDelimiter finds the multipart of which the line is the delimiter, the
// innermost if there are several; -1 if there is none. RFC 2046 §5.1.1 lets a
// reader be content with a line that only begins with the boundary. As there
// are boundaries that others begin with, the whole line must match here, but
// for the padding after it.
func (s *Scanner) matchDelimiter(line []byte) (level int, closing bool) {
	line = bytes.TrimRight(line[2:], " \t\r\n")
	level = -1
	for i := len(s.stack) - 1; i >= 0; i-- {
		boundary := s.stack[i].boundary
		switch {
		case boundary == "":
		case string(line) == boundary:
			return i, false
		case level < 0 && len(line) == len(boundary)+2 && string(line[len(boundary):]) == "--" &&
			string(line[:len(boundary)]) == boundary:
			level, closing = i, true // unless it is the delimiter of a boundary that itself ends in "--"
		}
	}
	return level, closing
}

// closeParts closes the open parts from the innermost outwards until depth of
// them are left. Their bodies end at byte end.
func (s *Scanner) closeParts(depth int, end int64) {
	for len(s.stack) > depth {
		if s.inHeader {
			s.endHeader(s.offset, s.newlines) // which may open a part
		} else {
			s.closePart(end)
		}
	}
}

// closePart closes the innermost part. The line end before a delimiter may be
// the blank line of the part's header as well, or of one inside it; then the
// body is empty and does not end before it begins.
func (s *Scanner) closePart(end int64) {
	f := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	part := f.part
	part.End = max(end, part.BodyStart)
	if n := len(part.Parts); n > 0 {
		part.End = max(part.End, part.Parts[n-1].End)
	}
	lines := s.newlines - f.bodyLine
	if part.End < s.offset {
		lines-- // that of the delimiter
	}
	multipart := part.IsMultipart()
	switch {
	case part.IsText(), part.IsEmbedded():
		part.Lines = lines
	case multipart && len(part.Parts) == 0:
		part.Parts = []*Part{impliedPart(part, lines)}
	}
	s.preview.end(part, s.alternatives > 0)
	if multipart && strings.EqualFold(part.Subtype, "alternative") {
		s.alternatives--
		s.preview.settle(s.alternatives > 0)
	}
}

// impliedPart stands in for the parts of a multipart that has none, because it
// names no boundary or the boundary never comes: IMAP cannot describe a
// multipart without parts, and the reader should see what is there.
func impliedPart(parent *Part, lines int64) *Part {
	return &Part{
		HeaderStart: parent.BodyStart, BodyStart: parent.BodyStart, End: parent.End, Lines: lines,
		Type: plainText.main, Subtype: plainText.sub, Params: []Param{defaultCharset},
	}
}
