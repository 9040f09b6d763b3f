package store

import (
	"context"
	"strings"
	"sync"
	"time"

	"posthorn/internal/blob"
	"posthorn/internal/imapwire"
	"posthorn/internal/message"
)

// Incoming receives a message while it arrives: it is parsed as it comes, and its
// bytes are kept in memory up to Options.InlineLimit, beyond that in the blob store.
type Incoming struct {
	store *Store
	ctx   context.Context
	scan  *message.Scanner
	buf   *spool
	blob  blob.Writer
	err   error
}

// spool is a reusable buffer for the body record of a message under way: the head
// of an inline body, filled in at the end, then the bytes.
type spool struct{ b []byte }

var spools = sync.Pool{New: func() any { return &spool{make([]byte, 0, 8<<10)} }}

// NewIncoming begins a message. Exactly one of Finish and Abort ends it.
func (s *Store) NewIncoming(ctx context.Context) *Incoming {
	sp := spools.Get().(*spool)
	sp.b = append(sp.b[:0], inlineHead[:]...)
	return &Incoming{store: s, ctx: ctx, scan: message.NewScanner(), buf: sp}
}

// Write takes the next bytes. Its error sticks and is that of the blob store.
func (in *Incoming) Write(p []byte) (int, error) {
	if in.err != nil {
		return 0, in.err
	}
	_, _ = in.scan.Write(p) // never fails
	if in.blob == nil {
		if _, stays := in.Held(len(p)); stays {
			in.buf.b = append(in.buf.b, p...)
			return len(p), nil
		}
		if in.err = in.spill(); in.err != nil {
			return 0, in.err
		}
	}
	n, err := in.blob.Write(p)
	in.err = err
	return n, err
}

// Held gives what has come so far if it is in memory, and says whether it still will be
// with n bytes more. It is valid until the next Write.
func (in *Incoming) Held(n int) (soFar []byte, stays bool) {
	if in.buf == nil {
		return nil, false
	}
	soFar = in.buf.b[len(inlineHead):]
	return soFar, len(soFar)+n <= in.store.inline
}

// spill moves what has come so far to the blob store.
func (in *Incoming) spill() error {
	w, err := in.store.blobs.Create(in.ctx)
	if err != nil {
		return err
	}
	in.blob = w
	_, err = w.Write(in.buf.b[len(inlineHead):])
	in.buf.release()
	in.buf = nil
	return err
}

func (sp *spool) release() {
	sp.b = sp.b[:0]
	spools.Put(sp)
}

// Abort gives the message up.
func (in *Incoming) Abort() {
	if in.blob != nil {
		in.blob.Abort()
	}
	if in.buf != nil {
		in.buf.release()
		in.buf = nil
	}
}

// Finish ends the message. A large body is durable from here on; what makes it a
// message somewhere is Tx.Append.
func (in *Incoming) Finish() (*Message, error) {
	if in.err != nil {
		in.Abort()
		return nil, in.err
	}
	m := &Message{spool: in.buf}
	if in.buf != nil {
		sealInline(in.buf.b)
		m.body = in.buf.b
	} else {
		id, err := in.blob.Commit()
		if err != nil {
			return nil, err
		}
		m.blob, m.body = id, encodeBlob(id)
	}
	parsed := in.scan.Finish()
	m.Size = parsed.Size
	m.Parsed = parsed
	return m, nil
}

// Describe makes what mailboxes keep of the message besides its body, for who knows that
// it goes into some. Else the first Append does it, within its Update.
func (m *Message) Describe() {
	if m.tail == nil {
		m.tail, m.complete = describe(m.Parsed)
	}
}

// describe makes the part of a message's record that does not differ between copies. It is
// made when a message comes, and again when Repair has to.
func describe(parsed *message.Message) (tail []byte, complete bool) {
	headers, complete := cachedHeaders(parsed.Root.Header)
	ct := content{
		size:            parsed.Size,
		envelope:        imapwire.AppendEnvelope(nil, parsed.Root.Envelope),
		bodyStructure:   imapwire.AppendBodyStructure(nil, parsed.Root),
		headers:         headers,
		headersComplete: complete && !parsed.Truncated,
		preview:         parsed.Preview,
		layout:          parsed.Root.Layout().Append(nil),
	}
	return ct.tail(), ct.headersComplete
}

// Message is a message ready to be put into mailboxes, of any number of accounts. It
// belongs to one goroutine.
type Message struct {
	Size   int64            // bytes
	Parsed *message.Message // what the scanner found

	spool    *spool  // owns body if the message is small, else nil
	blob     blob.ID // where the bytes of a large one are
	body     []byte  // the body's record
	tail     []byte  // its record, but for what differs between copies; nil until Describe
	complete bool    // Record.HeadersComplete
}

// Release gives the message's memory back; it must not be used afterwards. A large
// body that no mailbox took is left to the sweeper.
func (m *Message) Release() {
	if m.spool != nil {
		m.spool.release()
		m.spool, m.body = nil, nil
	}
}

// Body gives the message itself if it is small, or the blob that holds it, for
// whoever keeps it besides the store. The bytes are valid until Release.
func (m *Message) Body() (inline []byte, id blob.ID) {
	if m.blob != "" {
		return nil, m.blob
	}
	return m.body[len(inlineHead):], ""
}

// record is the message's record in one mailbox.
func (m *Message) record(email EmailID, saved, internal time.Time) []byte {
	m.Describe()
	return encodeRecord(email, saved, internal, m.complete, m.tail)
}

// cachedFields are the header fields that clients ask for in lists.
var cachedFields = map[string]bool{
	"from": true, "to": true, "cc": true, "bcc": true, "subject": true, "date": true, "sender": true,
	"reply-to": true, "message-id": true, "in-reply-to": true, "references": true, "newsgroups": true,
	"content-type": true, "content-transfer-encoding": true, "mime-version": true, "priority": true,
	"x-priority": true, "importance": true, "list-id": true, "list-post": true, "list-unsubscribe": true,
	"disposition-notification-to": true, "delivered-to": true, "x-mailer": true, "user-agent": true,
}

// CachedHeader reports whether Record.Headers has the fields of this name, in any case.
func CachedHeader(name string) bool { return cachedFields[strings.ToLower(name)] }

// maxCachedHeaders bounds what a record keeps of the header.
const maxCachedHeaders = 8 << 10

// cachedHeaders picks the fields that a record keeps, as they stand in the header.
func cachedHeaders(header []byte) (kept []byte, complete bool) {
	for f := range message.Fields(header) {
		if !isCached(f.Name) {
			continue
		}
		if len(kept)+len(f.Raw) > maxCachedHeaders {
			return kept, false
		}
		kept = append(kept, f.Raw...)
	}
	return kept, true
}

func isCached(name []byte) bool {
	var lower [32]byte
	if len(name) > len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return cachedFields[string(lower[:len(name)])]
}
