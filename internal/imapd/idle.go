package imapd

import (
	"context"
	"errors"

	"posthorn/internal/wire"
)

// idle is IDLE (RFC 2177): changes are told as they happen, until the client says
// DONE. A client that says something else has forgotten to; its line is then taken
// as the next command.
func (s *session) idle(ctx context.Context, _ *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	s.dec.Release()
	s.line("+ idling")
	if s.box != nil {
		// From here on a change wakes the connection; one before it has left its mark.
		s.idling.Store(true)
		defer s.idling.Store(false)
	}
	s.inCommand = false
	for {
		if s.box != nil {
			if s.readErr = s.catchUp(ctx, telling{expunge: true}); s.readErr != nil {
				return s.readErr
			}
		}
		switch err := s.dec.Next(); {
		case err == nil:
			s.ahead = !s.dec.Done()
			return nil
		case errors.Is(err, wire.ErrLineTooLong):
			return bad("The line is too long")
		case !errors.Is(err, wire.ErrWoken):
			s.readErr = err
			return err
		}
	}
}
