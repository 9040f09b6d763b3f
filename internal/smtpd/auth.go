package smtpd

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/inbound"
	"posthorn/internal/login"
	"posthorn/internal/sasl"
	"posthorn/internal/smtpwire"
	"posthorn/internal/wire"
)

// offersAuth says whether clients can authenticate here at all. On the mail
// exchange there is nothing to gain from it but guesses at passwords.
func (s *session) offersAuth() bool { return s.Role == inbound.Submission && s.Gate != nil }

// mayAuth says whether they can now.
func (s *session) mayAuth() bool {
	return s.offersAuth() && s.user == "" && len(s.Gate.Mechanisms(s.peer())) > 0
}

// mechanisms is what AUTH says in EHLO (RFC 4954 §3).
func (s *session) mechanisms() string { return strings.Join(s.Gate.Mechanisms(s.peer()), " ") }

// peer is the client as the gate sees it.
func (s *session) peer() login.Peer {
	return login.Peer{
		Protocol: "smtp", Remote: s.remote, TLS: s.conn.TLS(), Client: s.in.Name(), Conn: s.conn.ID(), Log: s.log(),
	}
}

// auth proves who the client is (RFC 4954).
func (s *session) auth(ctx context.Context, args string) (smtpwire.Reply, error) {
	s.conn.Secret(true)
	defer s.conn.Secret(false)
	switch {
	case !s.offersAuth():
		return smtpwire.NewReply(502, code{5, 5, 1}, "Authentication is not offered here"), nil
	case s.user != "":
		return smtpwire.NewReply(503, code{5, 5, 1}, "You are authenticated already"), nil
	case !s.extended:
		return replyNoHello, nil
	case s.tx != nil:
		return replyInMail, nil
	case !s.mayAuth():
		return smtpwire.NewReply(538, code{5, 7, 11}, "Encrypt the connection first (STARTTLS)"), nil
	}
	name, initial, _ := strings.Cut(args, " ")
	exchange, err := s.Gate.Start(ctx, s.peer(), name)
	if err != nil {
		return smtpwire.NewReply(504, code{5, 5, 4}, "The mechanism is not offered; EHLO lists those that are"), nil
	}
	if err = sasl.Converse(exchange, strings.TrimSpace(initial), s.ask); err == nil {
		s.become(exchange.Identity())
	}
	return s.authenticated(err)
}

// become takes a user for the client's.
func (s *session) become(id login.Identity) {
	s.user = id.Name
	s.conn.Authenticated(id.Login(s.peer()))
	s.in.Authenticated(id.Account, id.Name, s.log())
}

// ask sends a challenge and reads the answer.
func (s *session) ask(challenge string) ([]byte, error) {
	s.say(smtpwire.NewReply(334, code{}, challenge))
	line, err := s.conn.ReadMore(maxAuthLine)
	if err != nil {
		return nil, err
	}
	answer, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return nil, fault.New(fault.Invalid, "smtpd: an answer to AUTH does not end in CRLF")
	}
	return answer, nil
}

// authenticated is the reply to an exchange that ended with err.
func (s *session) authenticated(err error) (smtpwire.Reply, error) {
	switch {
	case err == nil:
		return smtpwire.NewReply(235, code{2, 7, 0}, "Welcome"), nil
	case errors.Is(err, wire.ErrLineTooLong): // RFC 4954 §4
		return smtpwire.NewReply(500, code{5, 5, 6}, "The answer is too long"), nil
	case errors.Is(err, sasl.ErrAborted): // RFC 4954 §4: "*" must get 501
		return smtpwire.NewReply(501, code{5, 7, 0}, "Authentication given up"), nil
	case errors.Is(err, login.ErrSessions):
		return smtpwire.NewReply(454, code{4, 7, 0}, "Too many sessions of this account at a time; try again later"), nil
	case errors.Is(err, login.ErrGuesses): // RFC 4954 §6: no reason to ask for another password
		return smtpwire.NewReply(454, code{4, 7, 0}, "Too many wrong passwords from your network; try again later"), nil
	case ended(err):
		return unread(err)
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return smtpwire.NewReply(501, code{5, 5, 2}, "The answer is not what the mechanism asks for"), nil
	case fault.Denied: // RFC 5248 §2.4; said only to who has the right password
		return smtpwire.NewReply(535, code{5, 7, 13}, login.Refusal(err)), nil
	case fault.Unauthenticated:
		return smtpwire.NewReply(535, code{5, 7, 8}, "Wrong user or password"), nil
	}
	return smtpwire.NewReply(454, code{4, 7, 0}, "Passwords cannot be checked at present; try again later"), nil
}

// ended says that the connection is what failed, not the authentication.
func ended(err error) bool {
	var f *fault.Error
	return !errors.As(err, &f) || errors.Is(err, wire.ErrIdleTimeout) || errors.Is(err, wire.ErrDraining) ||
		errors.Is(err, wire.ErrTooManyErrors)
}
