package imapd

import "context"

// startTLS is STARTTLS (RFC 3501 §6.2.1). The OK is the last that is said in clear.
func (s *session) startTLS(_ context.Context, c *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	if !s.conn.OffersTLS() {
		return bad("TLS is not offered here, or in use already")
	}
	s.line(c.tag, " OK Begin TLS now")
	if s.readErr = s.conn.StartTLS(); s.readErr != nil {
		return s.readErr
	}
	c.replied = true
	return nil
}
