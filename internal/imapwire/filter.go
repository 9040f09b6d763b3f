package imapwire

import (
	"bytes"
	"io"
)

// ParseSearchKey reads search keys that stand alone, as the value of a filter does (RFC
// 5466 §4). Several of them become one that wants them all.
func ParseSearchKey(key *SearchKey, text []byte) error {
	d := NewDecoder(&stored{text}, len(text))
	if err := d.Next(); err != nil {
		return err
	}
	var o SearchOptions
	p := searchParser{Decoder: d}
	if !p.program(&o, p.keyWord()) || !d.End() {
		return d.Err()
	}
	*key = o.Key
	return nil
}

// stored is a Source of what a client has said earlier.
type stored struct{ text []byte }

func (s *stored) Line() ([]byte, error) {
	line, rest, _ := bytes.Cut(s.text, []byte("\n"))
	s.text = rest
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

func (s *stored) Literal(n int64, _ bool) (io.Reader, error) {
	if n > int64(len(s.text)) {
		return nil, io.ErrUnexpectedEOF
	}
	literal := s.text[:n]
	s.text = s.text[n:]
	return bytes.NewReader(literal), nil
}
