package imapd

import "context"

// enable is ENABLE (RFC 5161 §3.1): names of what cannot be enabled are overlooked,
// and there is nothing yet that can.
func (s *session) enable(context.Context, *command) error {
	var names []string
	if !s.dec.Enable(&names) || !s.dec.End() {
		return s.syntax()
	}
	s.line("* ENABLED")
	return nil
}
