package imapd

import (
	"context"
	"errors"
	"io"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

// catenate reads a message that is made of literals and of parts of messages that are
// here already (RFC 4469 §3). Each part goes straight to where the message is kept.
func (s *session) catenate(ctx context.Context) (*store.Message, error) {
	in := s.srv.store.NewIncoming(ctx)
	err := s.catenateParts(ctx, &limited{in, s.srv.maxMessage})
	if err != nil {
		in.Abort()
		return nil, err
	}
	m, err := in.Finish()
	if err == nil && m.Size == 0 {
		m.Release()
		return nil, errCanceled
	}
	return m, err
}

// catenateParts copies the parts to w.
func (s *session) catenateParts(ctx context.Context, w *limited) error {
	crlf := message.NewCRLFWriter(w)
	var p imapwire.CatenatePart
	for more := true; more; more = s.dec.CatenateMore(&p) {
		if !s.dec.CatenatePart(&p) {
			return s.syntax()
		}
		if p.URL != "" {
			if err := s.catenateURL(ctx, w, p.URL); err != nil {
				return err
			}
			continue
		}
		switch {
		case p.UTF8 && !s.enabled.has(utf8Accept): // RFC 6855 §4
			return errEnableUTF8
		case p.Literal.Size > w.left: // before it is asked for
			return errTooBig
		}
		body, ok := s.dec.Body(p.Literal)
		if !ok {
			return s.syntax()
		}
		to := crlf
		if p.Literal.Binary && !p.UTF8 {
			to = w
		}
		if _, err := io.Copy(to, body); err != nil {
			s.dec.Resume()
			return err
		}
	}
	return s.dec.Err()
}

// catenateURL copies what a URL names. RFC 4469 §4.1: the first bad one is told.
func (s *session) catenateURL(ctx context.Context, w io.Writer, text string) error {
	u, ok := imapwire.ParseURL(text)
	if !ok || u.Access != "" || u.Host != "" && !strings.EqualFold(u.User, s.user) {
		return badURL(text)
	}
	t, err := s.openURL(ctx, u)
	switch {
	case fault.Is(err, fault.NotFound), errors.Is(err, errNoMailbox), errors.Is(err, errNoRight):
		return badURL(text)
	case err != nil:
		return err
	}
	defer t.Close()
	_, err = io.Copy(w, t)
	return err
}

// badURL is the reply that a URL is not, or no longer, one of a message here.
func badURL(text string) error {
	shown := make([]byte, 0, len(text)) // RFC 4469 §5: url-resp-text
	for _, c := range []byte(text) {
		if c >= ' ' && c < 0x7f && c != ']' && c != '\\' {
			shown = append(shown, c)
		}
	}
	return no("BADURL "+string(shown), "That URL names no message here, or no part of one")
}

// target is what a URL names, to be read.
type target struct {
	io.Reader
	io.Closer
	size int64
}

// openURL opens a message or a part of one. Errors: NotFound, and those of place.
func (s *session) openURL(ctx context.Context, u *imapwire.URL) (*target, error) {
	p, err := s.urlPlace(ctx, u)
	if err != nil {
		return nil, err
	}
	found, err := p.account.Mailbox(ctx, p.name)
	if err != nil {
		return nil, err
	}
	if u.UIDValidity != 0 && u.UIDValidity != found.UIDValidity {
		return nil, errNoMessage
	}
	snap, err := p.account.Snapshot(ctx, found.ID)
	if err != nil {
		return nil, err
	}
	return openPart(ctx, p.account, snap, u)
}

// urlPlace is the mailbox of a URL: the one that is selected if it names none (RFC 4469 §3).
func (s *session) urlPlace(ctx context.Context, u *imapwire.URL) (place, error) {
	if u.Mailbox != "" {
		return s.place(ctx, u.Mailbox, store.RightRead)
	}
	if s.box == nil {
		return place{}, errNoMessage
	}
	return s.box.place, nil
}

var errNoMessage = fault.New(fault.NotFound, "imapd: there is no such message, or no such part of it")

// openPart opens what a URL names in a mailbox.
func openPart(ctx context.Context, account *store.Account, snap *store.Snapshot, u *imapwire.URL) (*target, error) {
	uid := store.UID(u.UID)
	if _, ok := snap.Seq(uid); !ok {
		return nil, errNoMessage
	}
	var m *fetched
	err := account.Records(ctx, snap, []store.UIDRange{{First: uid, Last: uid}}, func(seq int, e store.Entry, r *store.Record) bool {
		if r != nil {
			m = (&fetched{seq: seq, Entry: e, record: r}).keep()
		}
		return false
	})
	if err == nil && m == nil {
		err = fault.New(fault.Corrupt, "imapd: the record of message %d is damaged", uid)
	}
	if err != nil {
		return nil, err
	}
	if m.file, err = account.Body(ctx, snap, uid); err != nil {
		return nil, err
	}
	t, err := m.target(u)
	if err != nil {
		m.file.Close()
	}
	return t, err
}

// target is a section of the message, or a part of that.
func (m *fetched) target(u *imapwire.URL) (*target, error) {
	from, to, ok := m.locate(u.Section)
	if !ok {
		return nil, errNoMessage
	}
	src := io.NewSectionReader(m.file, from, to-from)
	if s := u.Section.Specifier; s == imapwire.HeaderFields || s == imapwire.HeaderFieldsNot {
		header, err := io.ReadAll(io.LimitReader(src, maxHeader))
		if err != nil {
			return nil, err
		}
		fields := newFieldSet(u.Section.Fields, s == imapwire.HeaderFieldsNot).filter(nil, header)
		src = io.NewSectionReader(strings.NewReader(string(fields)), 0, int64(len(fields)))
	}
	size := src.Size()
	if p := u.Partial; p != nil {
		start, end := min(p.Offset, size), size
		if p.Count > 0 {
			end = min(addOrMax(p.Offset, p.Count), size)
		}
		src, size = io.NewSectionReader(src, start, end-start), end-start
	}
	return &target{src, m.file, size}, nil
}

// limited passes on so many bytes and no more.
type limited struct {
	w    io.Writer
	left int64
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, errTooBig // RFC 4469 §4.2
	}
	return l.w.Write(p)
}
