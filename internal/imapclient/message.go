package imapclient

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
)

// Message is what a FETCH response has said of a message so far.
type Message struct {
	Seq    uint32
	UID    uint32 // 0: not said
	Size   uint64
	ModSeq uint64
	Flags  []string // nil: not said
	Date   time.Time
}

// Fetch is what to fetch, and who takes it.
type Fetch struct {
	imapwire.FetchOptions

	// Body takes the text of a section as it arrives: with what has been said of the
	// message before it. What it leaves unread is skipped. A section that is not
	// there (NIL) is not given.
	Body func(m *Message, section *imapwire.FetchDatum, text io.Reader) error
	// Message is called at the end of what a response says of a message. A server may
	// send several of one message, and send some that were not asked for.
	Message func(*Message) error
}

// Fetch fetches messages, named by UID. The first error of f's functions is returned,
// after everything has arrived.
func (c *Client) Fetch(ctx context.Context, uids imapwire.NumSet, f Fetch) error {
	b := append(imapwire.AppendNumSet([]byte("UID FETCH "), uids), ' ')
	var failed error
	keep := func(err error) {
		if failed == nil {
			failed = err
		}
	}
	_, err := c.command(ctx, string(imapwire.AppendFetch(b, &f.FetchOptions)), func(r *imapwire.Response) bool {
		if r.Name != "FETCH" {
			return false
		}
		c.messageData(r, func(m *Message, section *imapwire.FetchDatum, text io.Reader) {
			if failed == nil && f.Body != nil {
				keep(f.Body(m, section, text))
			}
		}, func(m *Message) {
			if failed == nil && f.Message != nil {
				keep(f.Message(m))
			}
		})
		return true
	})
	if err != nil {
		return err
	}
	return failed
}

// messageData reads the data of a FETCH response. The Decoder knows if it failed.
func (c *Client) messageData(r *imapwire.Response, body func(*Message, *imapwire.FetchDatum, io.Reader), done func(*Message)) {
	m := &Message{Seq: r.Number}
	var d imapwire.FetchDatum
	for r.MoreData {
		if !c.dec.FetchData(&d) {
			return
		}
		m.note(&d)
		if d.Literal != nil {
			c.literal(m, &d, body)
		} else if isText(d.Attr) && !d.Nil && body != nil {
			body(m, &d, strings.NewReader(d.Text))
		}
		r.MoreData = c.dec.FetchNext()
	}
	if c.dec.Err() == nil && done != nil {
		done(m)
	}
}

func isText(a imapwire.FetchAttr) bool {
	return slices.Contains([]imapwire.FetchAttr{imapwire.FetchSection, imapwire.FetchRFC822, imapwire.FetchRFC822Header, imapwire.FetchRFC822Text}, a)
}

func (m *Message) note(d *imapwire.FetchDatum) {
	switch d.Attr {
	case imapwire.FetchUID:
		m.UID = uint32(d.Number)
	case imapwire.FetchSize:
		m.Size = d.Number
	case imapwire.FetchModSeq:
		m.ModSeq = d.Number
	case imapwire.FetchInternalDate:
		m.Date = d.Date
	case imapwire.FetchFlags:
		m.Flags = append([]string{}, d.Flags...)
	}
}

// literal hands a text out and reads what is left of it.
func (c *Client) literal(m *Message, d *imapwire.FetchDatum, body func(*Message, *imapwire.FetchDatum, io.Reader)) {
	text, ok := c.dec.Body(*d.Literal)
	if !ok {
		return
	}
	if body != nil {
		body(m, d, text)
	}
	io.Copy(io.Discard, text) // an error of the connection comes again at the next line
	c.dec.Resume()
}

// Store changes flags of messages, named by UID. Their new flags go to OnFlags, unless
// o.Silent.
func (c *Client) Store(ctx context.Context, uids imapwire.NumSet, o imapwire.StoreOptions) error {
	b := append(imapwire.AppendNumSet([]byte("UID STORE "), uids), ' ')
	_, err := c.command(ctx, string(imapwire.AppendStore(b, &o)), nil)
	return err
}

// Copy copies messages; the code says as which UIDs (COPYUID), if the server tells.
func (c *Client) Copy(ctx context.Context, uids imapwire.NumSet, to string) (imapwire.Code, error) {
	return c.transfer(ctx, "UID COPY ", uids, to)
}

// Move moves messages (RFC 6851).
func (c *Client) Move(ctx context.Context, uids imapwire.NumSet, to string) (imapwire.Code, error) {
	return c.transfer(ctx, "UID MOVE ", uids, to)
}

func (c *Client) transfer(ctx context.Context, command string, uids imapwire.NumSet, to string) (code imapwire.Code, err error) {
	b := append(imapwire.AppendNumSet([]byte(command), uids), ' ')
	r, err := c.command(ctx, string(imapwire.AppendMailbox(b, to)), func(r *imapwire.Response) bool {
		if r.Code.Name == "COPYUID" { // RFC 6851 §4.3: that of MOVE comes before the EXPUNGEs
			code = r.Code
		}
		return r.Code.Name == "COPYUID"
	})
	if err == nil && r.Code.Name == "COPYUID" {
		code = r.Code
	}
	return code, err
}

// Expunge removes the messages among uids that are \Deleted (RFC 4315).
func (c *Client) Expunge(ctx context.Context, uids imapwire.NumSet) error {
	_, err := c.command(ctx, string(imapwire.AppendNumSet([]byte("UID EXPUNGE "), uids)), nil)
	return err
}

// Search gives the UIDs of messages; the criteria are as on the wire.
func (c *Client) Search(ctx context.Context, criteria string) (uids imapwire.NumSet, err error) {
	_, err = c.command(ctx, "UID SEARCH "+criteria, func(r *imapwire.Response) bool {
		for _, n := range r.Numbers {
			uids.Ranges = append(uids.Ranges, imapwire.NumRange{First: n, Last: n})
		}
		uids.Ranges = imapwire.Coalesce(append(uids.Ranges, r.Set.Ranges...))
		return r.Name == "SEARCH" || r.Name == "ESEARCH"
	})
	return uids, err
}

// Append puts a message of size bytes into a mailbox; a zero date is now. The code says
// as which UID (APPENDUID), if the server tells.
func (c *Client) Append(ctx context.Context, mailbox string, o imapwire.AppendMessage, text io.Reader) (imapwire.Code, error) {
	defer c.conn.until(ctx)()
	b := append(imapwire.AppendMailbox([]byte("APPEND "), mailbox), ' ')
	if o.Flags != nil {
		b = append(imapwire.AppendFlags(b, o.Flags), ' ')
	}
	if !o.Date.IsZero() {
		b = append(imapwire.AppendInternalDate(b, o.Date), ' ')
	}
	words := fmt.Sprintf("%s{%d}", b, o.Literal.Size)
	if err := c.ask(words); err != nil {
		return imapwire.Code{}, c.broken(ctx, err)
	}
	n, err := io.Copy(writer{c.conn}, io.LimitReader(text, o.Literal.Size))
	if err == nil && n < o.Literal.Size {
		err = fault.New(fault.Invalid, "imapclient: the message has %d bytes, not %d", n, o.Literal.Size)
	}
	if err == nil {
		err = c.conn.write([]byte("\r\n"))
	}
	if err != nil {
		c.Close() // in the middle of a message
		return imapwire.Code{}, c.broken(ctx, err)
	}
	r, err := c.finish(ctx, words, nil)
	if err != nil {
		return imapwire.Code{}, err
	}
	return r.Code, nil
}

type writer struct{ c *conn }

func (w writer) Write(p []byte) (int, error) {
	if err := w.c.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
