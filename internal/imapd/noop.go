package imapd

import "context"

// noop is NOOP and CHECK (RFC 3501 §6.1.2, §6.4.1): what has changed is told as after
// every command, and there is nothing to checkpoint.
func (s *session) noop(context.Context, *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	return nil
}
