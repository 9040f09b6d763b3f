package imapd

import (
	"context"
	"errors"

	"posthorn/internal/fault"
	"posthorn/internal/login"
)

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
	id, err := s.srv.gate.Password(ctx, s.peer(), "", user, password)
	return s.enter(c, id, err)
}

// errPrivacy asks for TLS: RFC 3501 §11.1 wants a server to refuse passwords in clear.
var errPrivacy = no("PRIVACYREQUIRED", "Use TLS first")

// mayLogIn reports whether LOGIN may be used on this connection.
func (s *session) mayLogIn() bool { return s.srv.gate.Passwords(s.peer()) }

// peer is the client as the gate sees it.
func (s *session) peer() login.Peer {
	return login.Peer{
		Protocol: "imap", Remote: s.conn.RemoteAddr().Addr(), TLS: s.conn.TLS(), Client: s.client,
		Conn: s.conn.ID(), Log: s.conn.Log(),
	}
}

// enter ends a login: whoever has proven to be somebody gets the account.
func (s *session) enter(c *command, id login.Identity, err error) error {
	if err != nil {
		return s.keptOut(c, err)
	}
	if to := s.referral(id.Name); to != "" {
		return no("REFERRAL "+to, "Your mailboxes are on another server")
	}
	s.conn.Authenticated(id.Login(s.peer()))
	s.conn.Log().Debug("logged in", "tls", s.conn.Secure())
	s.account, s.user = s.srv.store.Account(id.Account), id.Name
	s.dec.Limit = maxLiteral
	s.applyQuirks()
	c.code = "CAPABILITY " + s.capabilities() // RFC 3501 §6.2.3
	return nil
}

// keptOut counts a login that failed, and finds the words for it (RFC 5530 §3).
func (s *session) keptOut(c *command, err error) error {
	if s.conn.ProtocolError() {
		s.line(c.tag, " NO [AUTHENTICATIONFAILED] Too many attempts")
		s.readErr = errMistakes
	}
	switch {
	case errors.Is(err, login.ErrActAs):
		return no("AUTHORIZATIONFAILED", "You cannot act for somebody else")
	case errors.Is(err, login.ErrSessions): // RFC 5530 §3
		return no("LIMIT", "Too many sessions of this account at a time; close some, or another mail program")
	case errors.Is(err, login.ErrGuesses): // RFC 5530 §3: no reason to ask for another password
		return no("UNAVAILABLE", "Too many wrong passwords from your network; try again later")
	case fault.Is(err, fault.Denied):
		return no("CONTACTADMIN", login.Refusal(err))
	}
	return err
}
