package outbound

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/message"
)

// sevenBit is a message for a server that takes no 8-bit text (RFC 6152 §3): the
// same parts, those with bytes above 127 in another encoding. What was signed over
// them does not hold any more, which is why it is done only where it must be.
type sevenBit struct {
	src    io.ReaderAt
	pieces []piece
	at     int64 // up to here pieces describe the source
}

// piece is a stretch of the source, or some text instead.
type piece struct {
	from, to int64
	encoding string // "": as it is
	text     []byte
}

// The encodings of RFC 2045 §6.
const (
	quotedPrintable = "quoted-printable"
	base64Encoding  = "base64"
	inSevenBits     = "7bit"
	inBinary        = "binary"
)

// maxPartHeader is how long the header of a part may be that has to be changed.
const maxPartHeader = 256 << 10

// makeSevenBit finds out what has to be changed. It returns nil if nothing has. Kinds
// of error: Unsupported, if it cannot be done; those of the source.
func makeSevenBit(ctx context.Context, src io.ReaderAt, size int64) (*sevenBit, error) {
	scanner := message.NewScanner()
	if _, err := io.Copy(scanner, reader(ctx, src, 0, size)); err != nil {
		return nil, err
	}
	m := scanner.Finish()
	if m.Truncated {
		return nil, fault.New(fault.Unsupported, "outbound: the message has too many parts to be encoded")
	}
	s := &sevenBit{src: src}
	changed, err := s.part(ctx, m.Root, true)
	if err != nil || !changed {
		return nil, err
	}
	s.copy(size)
	return s, nil
}

// part goes through a part, and says whether it has to be changed.
func (s *sevenBit) part(ctx context.Context, p *message.Part, isMessage bool) (changed bool, err error) {
	if len(p.Parts) == 0 {
		return s.leaf(ctx, p, isMessage)
	}
	// The header comes before the parts, but must be changed only if they are.
	header, before := len(s.pieces), s.at
	s.copy(p.BodyStart)
	for _, child := range p.Parts {
		c, err := s.part(ctx, child, !p.IsMultipart())
		if err != nil {
			return false, err
		}
		if c && p.IsMultipart() && child.HeaderStart == p.BodyStart {
			return false, fault.New(fault.Unsupported, "outbound: a multipart has no part whose header could be changed")
		}
		changed = changed || c
	}
	if !changed {
		return false, nil
	}
	// RFC 2045 §6.4: the encoding of a composite part says no more than what is in it.
	if p.Encoding == "" || strings.EqualFold(p.Encoding, inSevenBits) {
		if ended, err := s.isEnded(p); err != nil || ended {
			return true, err
		}
	}
	fields, err := s.header(p, inSevenBits, false)
	if err != nil {
		return false, err
	}
	s.pieces = append(s.pieces[:header:header], append([]piece{{from: before, to: p.HeaderStart}, {text: fields}}, s.pieces[header+1:]...)...)
	return true, nil
}

// leaf encodes a part if it must be.
func (s *sevenBit) leaf(ctx context.Context, p *message.Part, isMessage bool) (changed bool, err error) {
	binary := strings.EqualFold(p.Encoding, inBinary)
	encoded := strings.EqualFold(p.Encoding, quotedPrintable) || strings.EqualFold(p.Encoding, base64Encoding)
	eight, loose, err := survey(reader(ctx, s.src, p.BodyStart, p.End))
	if err != nil || !eight && !binary && (!loose || encoded) { // the line ends of what is encoded say nothing
		return false, err
	}
	encoding := base64Encoding
	switch {
	case strings.EqualFold(p.Type, "message"), p.IsMultipart(): // RFC 2045 §6.4, RFC 2046 §5.2
		return false, fault.New(fault.Unsupported, "outbound: a part of type %s/%s must not be encoded", p.Type, p.Subtype)
	case encoded:
		return false, fault.New(fault.Unsupported, "outbound: a part is encoded, and has 8-bit text all the same")
	case p.IsText() && !binary && !loose:
		encoding = quotedPrintable
	}
	fields, err := s.header(p, encoding, isMessage)
	if err != nil {
		return false, err
	}
	s.copy(p.HeaderStart)
	s.pieces = append(s.pieces, piece{text: fields}, piece{from: p.BodyStart, to: p.End, encoding: encoding})
	s.at = p.End
	return true, nil
}

// copy takes the source over, up to a point.
func (s *sevenBit) copy(to int64) {
	s.pieces = append(s.pieces, piece{from: s.at, to: to})
	s.at = to
}

// header is the header of a part with another encoding. One that does not say what
// the part is gets words for that, too (RFC 1428 §3).
func (s *sevenBit) header(p *message.Part, encoding string, isMessage bool) ([]byte, error) {
	if p.BodyStart-p.HeaderStart > maxPartHeader {
		return nil, fault.New(fault.Unsupported, "outbound: the header of a part is too long to be changed")
	}
	old := make([]byte, p.BodyStart-p.HeaderStart)
	if _, err := s.src.ReadAt(old, p.HeaderStart); err != nil && err != io.EOF {
		return nil, err
	}
	var out []byte
	versioned, typed := !isMessage, !p.IsText()
	for f := range message.Fields(old) {
		name := string(f.Name)
		if strings.EqualFold(name, "Content-Transfer-Encoding") {
			continue
		}
		versioned = versioned || strings.EqualFold(name, "MIME-Version")
		typed = typed || strings.EqualFold(name, "Content-Type")
		out = append(out, bytes.TrimRight(f.Raw, "\r\n")...)
		out = append(out, "\r\n"...)
	}
	if !versioned {
		out = append(out, "MIME-Version: 1.0\r\n"...)
	}
	if !typed {
		out = append(out, "Content-Type: text/plain; charset=unknown-8bit\r\n"...)
	}
	return append(out, "Content-Transfer-Encoding: "+encoding+"\r\n\r\n"...), nil
}

// isEnded says that a header has its blank line, without which it would run into
// one that is put behind it.
func (s *sevenBit) isEnded(p *message.Part) (bool, error) {
	last := make([]byte, min(p.BodyStart-p.HeaderStart, int64(len("\n\r\n"))))
	if _, err := s.src.ReadAt(last, p.BodyStart-int64(len(last))); err != nil && err != io.EOF {
		return false, err
	}
	return bytes.HasSuffix(last, []byte("\n\r\n")) || bytes.HasSuffix(last, []byte("\n\n")), nil
}

// reader gives the message.
func (s *sevenBit) reader() io.Reader {
	var all []io.Reader
	for _, p := range s.pieces {
		r := io.NewSectionReader(s.src, p.from, p.to-p.from)
		switch {
		case p.text != nil:
			all = append(all, bytes.NewReader(p.text))
		case p.encoding == "":
			all = append(all, r)
		default:
			all = append(all, encode(r, p.encoding))
		}
	}
	return io.MultiReader(all...)
}

// encoder reads its source and gives it encoded.
type encoder struct {
	src  io.Reader
	out  bytes.Buffer
	into io.WriteCloser // encodes into out; nil at the end
	buf  [4 << 10]byte
}

func encode(src io.Reader, encoding string) io.Reader {
	e := &encoder{src: src}
	if encoding == quotedPrintable {
		e.into = quotedprintable.NewWriter(&e.out)
	} else {
		e.into = base64.NewEncoder(base64.StdEncoding, &folder{out: &e.out})
	}
	return e
}

func (e *encoder) Read(p []byte) (int, error) {
	for e.out.Len() == 0 {
		if e.into == nil {
			return 0, io.EOF
		}
		n, err := e.src.Read(e.buf[:])
		if _, err := e.into.Write(e.buf[:n]); err != nil {
			return 0, err
		}
		switch {
		case err == io.EOF:
			err, e.into = e.into.Close(), nil
			if err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		}
	}
	return e.out.Read(p)
}

// folder puts base64 into lines of 76 (RFC 2045 §6.8).
type folder struct {
	out    *bytes.Buffer
	column int
}

func (f *folder) Write(p []byte) (int, error) {
	const width = 76
	for rest := p; len(rest) > 0; {
		if f.column == width {
			f.out.WriteString("\r\n")
			f.column = 0
		}
		n := min(len(rest), width-f.column)
		f.out.Write(rest[:n])
		f.column += n
		rest = rest[n:]
	}
	return len(p), nil
}

// survey looks for bytes above 127, and for CR or LF that are not a line end.
func survey(r io.Reader) (eight, loose bool, err error) {
	var buf [4 << 10]byte
	var last byte
	for {
		n, err := r.Read(buf[:])
		for _, c := range buf[:n] {
			eight = eight || c >= 0x80
			loose = loose || (last == '\r') != (c == '\n')
			last = c
		}
		switch {
		case err == io.EOF:
			return eight, loose || last == '\r', nil
		case err != nil:
			return false, false, err
		}
	}
}

// reader reads a stretch of a message until ctx ends.
func reader(ctx context.Context, src io.ReaderAt, from, to int64) io.Reader {
	return &stretch{ctx, io.NewSectionReader(src, from, to-from)}
}

type stretch struct {
	ctx context.Context
	src io.Reader
}

func (s *stretch) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.src.Read(p)
}
