package smtpd

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/inbound"
	"posthorn/internal/sasl"
	"posthorn/internal/smtpwire"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// offersAuth says whether clients can authenticate here at all. On the mail
// exchange there is nothing to gain from it but guesses at passwords.
func (s *session) offersAuth() bool { return s.Role == inbound.Submission && s.Auth != nil }

// mayAuth says whether they can now (RFC 4954 §4: passwords only under TLS).
func (s *session) mayAuth() bool {
	return s.offersAuth() && s.user == "" && (s.conn.Secure() || s.PlaintextAuth)
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
	mechanism, err := sasl.Find(name)
	if err != nil {
		return smtpwire.NewReply(504, code{5, 5, 4}, "The mechanism is not offered; EHLO lists those that are"), nil
	}
	err = sasl.Converse(mechanism.New(s.verify(ctx)), strings.TrimSpace(initial), s.ask)
	return s.authenticated(err)
}

// verify proves one user's password, and takes that user for the client's. To act
// as another (authzid) is not possible.
func (s *session) verify(ctx context.Context) sasl.Verify {
	return func(authzid, user, password string) error {
		var account store.AccountID
		account, canonical, err := s.Auth.Authenticate(ctx, user, password, s.remote)
		switch {
		case err != nil:
			s.in.AuthFailed(ctx, user, err)
			return err
		case authzid != "" && !strings.EqualFold(authzid, user) && !strings.EqualFold(authzid, canonical):
			err = fault.New(fault.Unauthenticated, "smtpd: %s may not act as %s", canonical, authzid)
			s.in.AuthFailed(ctx, user, err)
			return err
		}
		s.user = canonical
		s.conn.Authenticated(canonical)
		s.in.Authenticated(account, canonical, s.log())
		return nil
	}
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
	case ended(err):
		return unread(err)
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return smtpwire.NewReply(501, code{5, 5, 2}, "The answer is not what the mechanism asks for"), nil
	case fault.Denied: // RFC 5248 §2.4; said only to who has the right password
		return smtpwire.NewReply(535, code{5, 7, 13}, "The account is closed; ask its administrator"), nil
	case fault.Unauthenticated, fault.NotFound:
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
