package imapd

import (
	"context"

	"posthorn/internal/casemap"
)

// unauthenticate is UNAUTHENTICATE (RFC 8437 §2): all that the session knows of its
// user is forgotten, so that another may log in. It may not fail, but a server that
// cannot go back ends the connection: this one, if it is compressed.
func (s *session) unauthenticate(_ context.Context, c *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	if s.conn.Compressed() {
		s.line("* BYE [UNAVAILABLE] Compression cannot be taken back, connect again")
		s.loggedOut, c.replied = true, true
		return nil
	}
	s.close()
	s.stopWatch, s.stopAround, s.watched = nil, nil, 0
	s.stale.Store(false)
	s.elsewhere.Store(false)
	s.wake.Store(false)
	s.account, s.user, s.box, s.notify, s.language = nil, "", nil, nil, nil
	s.early, s.collation = 0, casemap.Unicode
	s.enabled = 0 // RFC 8437 §4.1
	s.dec.Limit, s.dec.UTF8 = maxLiteralPreAuth, false
	s.conn.Unauthenticated()
	s.applyQuirks()
	c.code = "CAPABILITY " + s.capabilities()
	return nil
}
