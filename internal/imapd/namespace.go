package imapd

import "context"

// namespace is NAMESPACE (RFC 2342): all mailboxes are the user's own.
func (s *session) namespace(context.Context, *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	s.line(`* NAMESPACE (("" "/")) NIL NIL`)
	return nil
}
