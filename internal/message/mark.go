package message

import (
	"bufio"
	"io"
)

// Transfer says how a body was encoded, for who reads it in pieces.
type Transfer struct {
	Encoding string // Content-Transfer-Encoding
	Text     bool   // line ends are made CRLF, whatever was encoded
}

// A Mark is a place from which the decoding of a body can go on. The zero Mark is its
// beginning; of a body that nothing is done to, every place has one, with Source equal to
// Decoded.
type Mark struct {
	Source  int64 // bytes of the encoded body before it
	Decoded int64 // what they stand for, in bytes

	group   base64Decoder // the unfinished group
	afterCR bool          // the last decoded byte was a CR
}

// Copy writes the decoded body to w, from a mark on, until it ends or w fails, whose error
// it gives. It gives the last mark as well that it came by before keep decoded bytes or at
// them: not more than a few KB before, if it came that far. It holds 64 KB of the body.
func (t Transfer) Copy(w io.Writer, body *io.SectionReader, from Mark, keep int64) (Mark, error) {
	r := transferReader{
		src: bufio.NewReaderSize(io.NewSectionReader(body, from.Source, max(0, body.Size()-from.Source)), 64<<10),
		dec: t.decoder(from.group),
	}
	counted := countingWriter{w, from.Decoded}
	crlf := crlfWriter{w: &counted, afterCR: from.afterCR}
	mark := from
	for r.err == nil {
		r.fill()
		var err error
		if t.Text {
			_, err = crlf.Write(r.out)
		} else {
			_, err = counted.Write(r.out)
		}
		if err != nil {
			return mark, err
		}
		if counted.n <= keep {
			mark = Mark{Source: from.Source + r.used, Decoded: counted.n, afterCR: crlf.afterCR}
			if b, ok := r.dec.(*base64Decoder); ok {
				mark.group = *b
			}
		}
	}
	if r.err == io.EOF {
		return mark, nil
	}
	return mark, r.err
}

// decoder gives the decoder with an unfinished group.
func (t Transfer) decoder(group base64Decoder) stepDecoder {
	switch dec := transferDecoder(t.Encoding).(type) {
	case nil:
		return identity{}
	case *base64Decoder:
		*dec = group
		return dec
	default:
		return dec
	}
}

// identity is the encodings that change nothing.
type identity struct{}

func (identity) decode(dst, src []byte, _ bool) ([]byte, int) { return append(dst, src...), len(src) }

// countingWriter counts what w has taken.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
