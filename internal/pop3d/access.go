package pop3d

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"posthorn/internal/fault"
	"posthorn/internal/login"
	"posthorn/internal/sasl"
	"posthorn/internal/wire"
)

// peer is the client as the gate sees it.
func (s *session) peer() login.Peer {
	return login.Peer{
		Protocol: "pop3", Remote: s.conn.RemoteAddr().Addr(), TLS: s.conn.TLS(), Conn: s.conn.ID(), Log: s.conn.Log(),
	}
}

// stls goes over to TLS (RFC 2595 §4).
func (s *session) stls(_ context.Context, args string) (reply, error) {
	switch {
	case args != "":
		return s.wrong("-ERR STLS takes no arguments"), nil
	case s.conn.Secure():
		return s.wrong("-ERR The connection is encrypted already"), nil
	case !s.conn.OffersTLS():
		return s.wrong("-ERR TLS is not offered here"), nil
	case s.inUTF8: // RFC 6856 §2.1
		return s.wrong("-ERR STLS comes before UTF8"), nil
	}
	s.say("+OK Go ahead")
	s.user = "" // was said in clear, by whomever
	return "", s.conn.StartTLS()
}

// replyNoText is that to a name or a password which is not what UTF8 USER in the
// capabilities allows (RFC 6856 §2.2).
const replyNoText reply = "-ERR This is no UTF-8"

// userCmd is the first half of a login. Whether there is such a user is not told.
func (s *session) userCmd(_ context.Context, args string) (reply, error) {
	if !s.Gate.Passwords(s.peer()) {
		return s.wrong(s.refusal()), nil
	}
	user := strings.TrimSpace(args)
	switch {
	case user == "":
		return s.wrong("-ERR USER needs your address"), nil
	case !utf8.ValidString(user):
		return s.wrong(replyNoText), nil
	}
	s.user = user
	return "+OK Send your password", nil
}

// pass is the second half. RFC 1939 §7: spaces belong to the password.
func (s *session) pass(ctx context.Context, args string) (reply, error) {
	s.conn.Secret(true)
	defer s.conn.Secret(false)
	user, p := s.user, s.peer()
	s.user = ""
	switch {
	case !s.Gate.Passwords(p):
		return s.wrong(s.refusal()), nil
	case user == "":
		return s.wrong("-ERR Name yourself first (USER)"), nil
	case !utf8.ValidString(args):
		return s.wrong(replyNoText), nil
	}
	id, err := s.Gate.Password(ctx, p, "", user, args)
	return s.enter(ctx, id, err)
}

// auth logs in by SASL (RFC 5034). Without arguments, as some clients say it, it
// lists the mechanisms.
func (s *session) auth(ctx context.Context, args string) (reply, error) {
	s.conn.Secret(true)
	defer s.conn.Secret(false)
	p := s.peer()
	names := s.Gate.Mechanisms(p)
	if len(names) == 0 {
		return s.wrong(s.refusal()), nil
	}
	name, initial, _ := strings.Cut(args, " ")
	if name == "" {
		s.say("+OK")
		s.say(reply(strings.Join(names, "\r\n")))
		return ".", nil
	}
	exchange, err := s.Gate.Start(ctx, p, name)
	if err != nil {
		return s.wrong("-ERR The mechanism is not offered; CAPA lists those that are"), nil
	}
	var lost error
	ask := func(challenge string) ([]byte, error) {
		s.say(reply("+ " + challenge))
		line, err := s.conn.ReadMore(maxLine)
		if !errors.Is(err, wire.ErrLineTooLong) {
			lost = err
		}
		return bytes.TrimRight(line, "\r\n"), err
	}
	err = sasl.Converse(exchange, strings.TrimSpace(initial), ask)
	if lost != nil {
		return unread(lost)
	}
	return s.enter(ctx, exchange.Identity(), err)
}

// greet is the first line. RFC 1939 §7: where APOP is offered, it ends in what its digests
// are made with.
func (s *session) greet() {
	line := "+OK " + s.Hostname + " POP3 ready"
	if s.seal = s.Gate.Greeting(s.peer()); s.seal != "" {
		line += " " + s.seal
	}
	s.say(reply(line))
}

// apop logs in with a digest.
func (s *session) apop(ctx context.Context, args string) (reply, error) {
	s.conn.Secret(true)
	defer s.conn.Secret(false)
	if s.seal == "" {
		return s.wrong("-ERR APOP is not offered here"), nil
	}
	// The digest is last, so the user may have blanks in it.
	space := strings.LastIndexByte(args, ' ')
	if space < 0 {
		return s.wrong("-ERR APOP needs your address and a digest"), nil
	}
	id, err := s.Gate.APOP(ctx, s.peer(), s.seal, args[:space], args[space+1:])
	return s.enter(ctx, id, err)
}

// refusal is what is said to a login that cannot be, for now or at all.
func (s *session) refusal() reply {
	if s.conn.OffersTLS() {
		return "-ERR Encrypt the connection first (STLS)"
	}
	return "-ERR Logging in this way is not offered here"
}

// enter ends a login: whoever has proven to be somebody gets the maildrop.
func (s *session) enter(ctx context.Context, id login.Identity, err error) (reply, error) {
	if err == nil {
		if err = s.take(ctx, id); err != nil {
			s.conn.Log().Info("login failed", "user", id.Name, "error", err)
		}
	}
	if err == nil {
		s.conn.Authenticated(id.Login(s.peer()))
		s.conn.Log().Info("login", "messages", s.drop.messages())
	}
	return s.loggedIn(err)
}

// take takes the maildrop for this session.
func (s *session) take(ctx context.Context, id login.Identity) error {
	settings, err := s.Accounts.Settings(ctx, id.Name)
	if err == nil {
		err = s.Locks.take(id.Account, s.LoginDelay)
	}
	if err != nil {
		return err
	}
	if s.drop, err = openMaildrop(ctx, s.Store.Account(id.Account), settings); err != nil {
		s.Locks.release(id.Account)
		return err
	}
	s.drop.user = id.Name
	return nil
}

// leave gives the maildrop back.
func (s *session) leave() {
	if s.drop != nil {
		s.Locks.release(s.drop.account.ID())
		s.drop.inOrder.release()
		s.drop.logEnd(s.conn.Log())
	}
}

// loggedIn is the reply to a login that ended with err.
func (s *session) loggedIn(err error) (reply, error) {
	switch {
	case err == nil:
		return "+OK Welcome", nil
	case errors.Is(err, sasl.ErrAborted):
		return "-ERR Login given up", nil
	case errors.Is(err, wire.ErrLineTooLong):
		return s.wrong("-ERR The answer is too long"), nil
	case errors.Is(err, login.ErrSessions):
		return "-ERR [IN-USE] Too many sessions of this account at a time; try again later", nil
	case errors.Is(err, login.ErrGuesses): // RFC 3206 §4: no reason to ask for another password
		return s.wrong("-ERR [SYS/TEMP] Too many wrong passwords from your network; try again later"), nil
	case errors.Is(err, errTooSoon): // RFC 2449 §8.1.1
		return "-ERR [LOGIN-DELAY] You were here just now; try again in a few minutes", nil
	case errors.Is(err, errNoFolder):
		return "-ERR [SYS/PERM] The folder that is set to be shown by POP3 is not there; ask the administrator", nil
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return s.wrong("-ERR The answer is not what the mechanism asks for"), nil
	case fault.Denied:
		return s.wrong(reply("-ERR [AUTH] " + login.Refusal(err))), nil
	case fault.Unauthenticated:
		return s.wrong(failure(err)), nil
	}
	return failure(err), nil
}
