package imapd

import "context"

// login is LOGIN (RFC 3501 §6.2.3).
func (s *session) login(ctx context.Context, c *command) error {
	s.conn.Secret(true)
	defer s.conn.Secret(false)
	var user, password string
	if !s.mayLogIn() {
		return errPrivacy
	}
	if !s.dec.SP() || !s.dec.AString(&user) || !s.dec.SP() || !s.dec.AString(&password) || !s.dec.End() {
		return s.syntax()
	}
	return s.authorize(ctx, c, user, password)
}

// errPrivacy asks for TLS: RFC 3501 §11.1 wants a server to refuse passwords in clear.
var errPrivacy = no("PRIVACYREQUIRED", "Use TLS first")

// authorize proves the password and opens the account.
func (s *session) authorize(ctx context.Context, c *command, user, password string) error {
	id, name, err := s.srv.auth.Authenticate(ctx, user, password, s.conn.RemoteAddr().Addr())
	if err != nil {
		s.conn.Log().Info("login failed", "login", short(user), "error", err)
		if s.conn.ProtocolError() {
			s.line(c.tag, " NO [AUTHENTICATIONFAILED] Too many attempts")
			s.readErr = errMistakes
		}
		return err
	}
	s.conn.Authenticated(name)
	s.conn.Log().Debug("logged in", "tls", s.conn.Secure())
	s.account, s.user = s.srv.store.Account(id), name
	s.dec.Limit = maxLiteral
	s.applyQuirks()
	c.code = "CAPABILITY " + s.capabilities() // RFC 3501 §6.2.3
	return nil
}
