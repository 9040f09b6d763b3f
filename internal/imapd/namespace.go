package imapd

import "context"

// namespace is NAMESPACE (RFC 2342): the user's own mailboxes, and those of others that
// they share with him.
func (s *session) namespace(context.Context, *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	others := "NIL"
	if s.srv.directory != nil {
		others = `(("` + othersRoot + `/" "/"))`
	}
	s.line(`* NAMESPACE (("" "/")) `, others, ` NIL`)
	return nil
}
