package imapd

import "context"

// idle is IDLE (RFC 2177). It lasts until the client's next line: meanwhile changes
// wake the connection, and are told at once. RFC 5465 §4: after NOTIFY it tells what
// that asks for.
func (s *session) idle(ctx context.Context, c *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	s.line("+ idling")
	s.idler, c.replied = c, true
	if s.box != nil {
		// From here on a change wakes the connection; one before it has left its mark.
		s.setWake()
		s.readErr = s.catchUp(ctx, telling{expunge: true})
	}
	if s.readErr == nil {
		s.readErr = s.tellAround(ctx)
	}
	return s.readErr
}

// endIdle replies to the IDLE as the next line has come. A client that forgets its
// DONE has ended it too, and said its next command; done is false then.
func (s *session) endIdle(ctx context.Context) (done bool, err error) {
	c := s.idler
	s.idler = nil
	s.setWake()
	return s.dec.Done(), s.finish(ctx, &command{tag: c.tag, name: c.name, spec: c.spec}, nil)
}
