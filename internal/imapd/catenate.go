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
	return t.copyTo(w)
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
