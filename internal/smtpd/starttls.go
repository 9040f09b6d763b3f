package smtpd

import (
	"context"

	"posthorn/internal/smtpwire"
)

// starttls goes over to TLS (RFC 3207 §4).
func (s *session) starttls(ctx context.Context, args string) (smtpwire.Reply, error) {
	switch {
	case args != "":
		return replyNoArgs, nil
	case s.conn.Secure():
		return smtpwire.NewReply(503, code{5, 5, 1}, "The connection is encrypted already"), nil
	case !s.conn.OffersTLS():
		return smtpwire.NewReply(502, code{5, 5, 1}, "TLS is not offered here"), nil
	}
	s.say(smtpwire.NewReply(220, code{2, 0, 0}, "Go ahead"))
	if err := s.conn.StartTLS(); err != nil {
		return smtpwire.Reply{}, err
	}
	// RFC 3207 §4.2: both sides forget what they knew; the client says EHLO again.
	s.reset(ctx)
	s.greeted, s.extended = false, false
	s.in.Secured(s.conn.TLS())
	return smtpwire.Reply{}, nil
}
