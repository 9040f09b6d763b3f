package imapd

import (
	"context"

	"posthorn/internal/fault"
	"posthorn/internal/sasl"
)

// authenticate is AUTHENTICATE (RFC 3501 §6.2.2), with initial response (RFC 4959).
func (s *session) authenticate(ctx context.Context, c *command) error {
	s.conn.Secret(true)
	defer s.conn.Secret(false)
	var name, initial string
	if !s.dec.SP() || !s.dec.Atom(&name) || !s.dec.InitialResponse(&initial) {
		return s.syntax()
	}
	p := s.peer()
	if len(s.srv.gate.Mechanisms(p)) == 0 {
		return errPrivacy
	}
	exchange, err := s.srv.gate.Start(ctx, p, name)
	if err != nil {
		return no("CANNOT", "This mechanism is not offered")
	}
	err = sasl.Converse(exchange, initial, s.challenge)
	switch {
	case err == sasl.ErrAborted:
		return bad("Authentication was canceled") // RFC 3501 §6.2.2
	case s.dec.Err() != nil: // not the exchange is what failed
		return err
	case fault.Is(err, fault.Invalid):
		return bad("That is not a valid response")
	}
	return s.enter(c, exchange.Identity(), err)
}

// challenge sends a challenge and gives the client's answer.
func (s *session) challenge(text string) ([]byte, error) {
	s.line("+ ", text)
	var answer string
	if !s.dec.Continuation(&answer) {
		return nil, s.syntax()
	}
	return []byte(answer), nil
}
