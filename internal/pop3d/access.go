package pop3d

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/login"
	"posthorn/internal/sasl"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// peer is the client as the gate sees it.
func (s *session) peer() login.Peer {
	return login.Peer{
		Protocol: "pop3", Remote: s.conn.RemoteAddr().Addr(), TLS: s.conn.TLS(), Conn: s.conn.ID(), Log: s.conn.Log(),
	}
}

// capa lists what is offered (RFC 2449 §5). What depends on TLS is told alike
// before and after the login, as §5 demands.
func (s *session) capa(_ context.Context, _ string) (reply, error) {
	s.say("+OK")
	p := s.peer()
	if s.Gate.Passwords(p) {
		s.say("USER")
	}
	if names := s.Gate.Mechanisms(p); len(names) > 0 {
		s.say(reply("SASL " + strings.Join(names, " ")))
	}
	if s.drop == nil && s.conn.OffersTLS() {
		s.say("STLS") // RFC 2595 §4: only while it is permitted
	}
	for _, c := range []reply{
		"TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER", "IMPLEMENTATION Posthorn",
	} {
		s.say(c)
	}
	return ".", nil
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
	}
	s.say("+OK Go ahead")
	s.user = "" // was said in clear, by whomever
	return "", s.conn.StartTLS()
}

// userCmd is the first half of a login. Whether there is such a user is not told.
func (s *session) userCmd(_ context.Context, args string) (reply, error) {
	if !s.Gate.Passwords(s.peer()) {
		return s.wrong(s.refusal()), nil
	}
	if s.user = strings.TrimSpace(args); s.user == "" {
		return s.wrong("-ERR USER needs your address"), nil
	}
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
		line, err := s.conn.ReadMore(maxAnswer)
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
		if err = s.take(ctx, id.Account); err != nil {
			s.conn.Log().Info("login failed", "user", id.Name, "error", err)
		}
	}
	if err == nil {
		s.conn.Authenticated(id.Name)
		s.conn.Log().Info("login", "messages", s.drop.snap.Len())
	}
	return s.loggedIn(err)
}

// take takes the maildrop for this session.
func (s *session) take(ctx context.Context, id store.AccountID) error {
	if !s.Locks.take(id) {
		return fault.New(fault.InUse, "pop3d: account %d has a session already", id)
	}
	account := s.Store.Account(id)
	snap, err := account.Snapshot(ctx, store.InboxID)
	if err != nil {
		s.Locks.release(id)
		return err
	}
	s.drop = &maildrop{account: account, snap: snap}
	return nil
}

// leave gives the maildrop back.
func (s *session) leave() {
	if s.drop != nil {
		s.Locks.release(s.drop.account.ID())
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
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return s.wrong("-ERR The answer is not what the mechanism asks for"), nil
	case fault.Unauthenticated, fault.Denied:
		return s.wrong(failure(err)), nil
	}
	return failure(err), nil
}
