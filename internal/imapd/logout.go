package imapd

import "context"

// logout is LOGOUT (RFC 3501 §6.1.3).
func (s *session) logout(context.Context, *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	s.box = nil
	s.loggedOut = true
	s.line("* BYE Good bye")
	return nil
}
