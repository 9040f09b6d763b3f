package imapd

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"

	"posthorn/internal/imapwire"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

// encoded is a part of a message that is to be sent without its transfer encoding
// (RFC 3516). It is decoded once to learn its size and once more to be sent, so that
// none of it has to be kept, however large it is.
type encoded struct {
	src      io.ReaderAt
	from, to int64
	encoding string
	text     bool // its line ends are made CRLF, whatever was encoded (RFC 9051 §7.5.2)
}

// plain reports that the bytes are sent as they are stored.
func (p *encoded) plain() bool { return !p.text && !message.IsEncoded(p.encoding) }

func (p *encoded) transfer() message.Transfer {
	return message.Transfer{Encoding: p.encoding, Text: p.text}
}

// copyTo writes the decoded bytes from a mark on to w, until w has enough. It gives the
// last mark before so many decoded bytes.
func (p *encoded) copyTo(w io.Writer, from message.Mark, keep int64) (message.Mark, error) {
	mark, err := p.transfer().Copy(w, io.NewSectionReader(p.src, p.from, p.to-p.from), from, keep)
	if errors.Is(err, errEnough) {
		err = nil
	}
	return mark, err
}

// bookmark is where a client has stopped that reads a part in pieces: the next piece costs
// what it is long, and not what lies before it.
type bookmark struct {
	account store.AccountID
	content store.EmailID // never changes
	part    int64         // where it begins
	how     message.Transfer
	mark    message.Mark
}

// markFor is the place to begin at to get what is after so many decoded bytes of a part.
func (f *fetcher) markFor(p *encoded, m *fetched, start int64) message.Mark {
	b := &f.bookmark
	switch {
	case p.plain():
		at := min(start, p.to-p.from)
		return message.Mark{Source: at, Decoded: at}
	case start > 0 && f.plan != nil && b.mark.Decoded <= start &&
		b.account == f.box.account.ID() && b.content == m.record.EmailID && b.part == p.from && b.how == p.transfer():
		return b.mark
	}
	return message.Mark{}
}

// errEnough is what writers return that want no more.
var errEnough = errors.New("imapd: enough")

// binary appends what BINARY[…]<…> asks for; NIL if there is no such part.
func (f *fetcher) binary(item *plannedItem, m *fetched) {
	p := f.encoded(item, m)
	if p == nil {
		f.b = append(f.b, "NIL"...)
		return
	}
	start, end := int64(0), int64(math.MaxInt64)
	if item.Partial != nil { // RFC 3516 §4.2: of the decoded bytes
		start, end = item.Partial.Offset, addOrMax(item.Partial.Offset, item.Partial.Count)
	}
	mark := f.markFor(p, m, start)
	look := meter{from: start, to: end, size: mark.Decoded}
	mark, err := p.copyTo(&look, mark, start)
	if err != nil {
		f.unreadable(m, err)
		f.b = append(f.b, "NIL"...)
		return
	}
	size := max(0, min(look.size, end)-start)
	if look.nul { // RFC 3516 §4.3: a string for whatever can be one
		f.b = append(f.b, '~')
	}
	f.b = imapwire.AppendLiteralHeader(f.b, size)
	w := &window{output: f.output, skip: start - mark.Decoded, left: size, stream: m.file != nil}
	mark, err = p.copyTo(w, mark, end)
	if item.Partial != nil && f.plan != nil { // of a URL the account is another's
		f.bookmark = bookmark{f.box.account.ID(), m.record.EmailID, p.from, p.transfer(), mark}
	}
	if f.err == nil && w.left > 0 {
		f.unreadable(m, err)
		w.pad()
	}
}

// binarySize appends the size of what BINARY[…] gives.
func (f *fetcher) binarySize(item *plannedItem, m *fetched) {
	look := meter{to: math.MaxInt64}
	switch p := f.encoded(item, m); {
	case p == nil:
	case p.plain():
		look.size = p.to - p.from
	default:
		if _, err := p.copyTo(&look, message.Mark{}, 0); err != nil {
			f.unreadable(m, err)
		}
	}
	f.b = strconv.AppendInt(f.b, look.size, 10)
}

// encoded finds a part; nil if there is none, or if it cannot be decoded.
func (f *fetcher) encoded(item *plannedItem, m *fetched) *encoded {
	p := &encoded{src: m.file}
	switch {
	case m.body != nil:
		p.src = bytes.NewReader(m.body)
	case m.file == nil: // it could not be opened
		f.damaged = true
		return nil
	}
	var ok bool
	if p.from, p.to, ok = m.locate(item.Section); !ok {
		return nil
	}
	if len(item.Section.Part) == 0 || item.Section.Specifier != imapwire.Whole {
		// A message, whose header does not speak of itself, or a header, in a URL.
		return p
	}
	part := m.parts.Find(item.Section.Part)
	if part.Kind == message.Multipart { // RFC 2045 §6.4: only its parts are encoded
		return p
	}
	if !message.KnownEncoding(part.Encoding) {
		f.unknownCTE = true
		return nil
	}
	p.encoding, p.text = part.Encoding, part.Kind == message.Leaf && part.Type == "text"
	return p
}

// unreadable notes that a body cannot be read.
func (f *fetcher) unreadable(m *fetched, err error) {
	f.damaged = true
	f.conn.Log().Error("reading a message failed", "uid", m.UID, "error", err)
}

// meter looks at bytes from one place to another, and counts up to there.
type meter struct {
	from, to int64
	size     int64
	nul      bool // there is a NUL in them
}

func (w *meter) Write(p []byte) (int, error) {
	if skip := w.from - w.size; !w.nul && skip < int64(len(p)) {
		w.nul = bytes.IndexByte(p[max(0, skip):min(int64(len(p)), w.to-w.size)], 0) >= 0
	}
	if w.size += int64(len(p)); w.size >= w.to {
		return len(p), errEnough
	}
	return len(p), nil
}

// window passes on what is announced already: so many bytes, after others.
type window struct {
	*output
	skip, left int64
	stream     bool // no view of the store is open, so it may be written to the client
	text       bool // it is no literal8, and may hold no NUL
}

func (w *window) Write(p []byte) (int, error) {
	n := len(p)
	cut := min(w.skip, int64(n))
	w.skip -= cut
	p = p[cut:]
	p = p[:min(w.left, int64(len(p)))]
	w.left -= int64(len(p))
	w.b = append(w.b, p...)
	if w.text {
		imapwire.ReplaceNUL(w.b[len(w.b)-len(p):])
	}
	if w.stream {
		w.writeIfFull()
	}
	if w.left == 0 || w.err != nil {
		return n, errEnough
	}
	return n, nil
}

// pad makes up for what cannot be read.
func (w *window) pad() {
	blanks := bytes.Repeat([]byte{' '}, 4<<10)
	for w.left > 0 && w.err == nil {
		w.Write(blanks)
	}
}

func addOrMax(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
