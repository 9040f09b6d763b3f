package pop3d

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/sasl"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

const replyEncrypt reply = "-ERR Encrypt the connection first (STLS)"

// mayAuth says whether a password may be sent now (RFC 2595 §2.3).
func (s *session) mayAuth() bool { return s.conn.Secure() || s.PlaintextAuth }

// capa lists what is offered (RFC 2449 §5). What depends on TLS is told alike
// before and after the login, as §5 demands.
func (s *session) capa(_ context.Context, _ string) (reply, error) {
	s.say("+OK")
	if s.mayAuth() {
		s.say("USER")
		s.say(reply("SASL " + mechanisms(" ")))
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

// mechanisms names those of SASL.
func mechanisms(separator string) string {
	var names []string
	for _, m := range sasl.Mechanisms() {
		names = append(names, m.Name)
	}
	return strings.Join(names, separator)
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
	if !s.mayAuth() {
		return s.wrong(replyEncrypt), nil
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
	user := s.user
	s.user = ""
	switch {
	case !s.mayAuth():
		return s.wrong(replyEncrypt), nil
	case user == "":
		return s.wrong("-ERR Name yourself first (USER)"), nil
	}
	return s.loggedIn(s.login(ctx, "", user, args))
}

// auth logs in by SASL (RFC 5034). Without arguments, as some clients say it, it
// lists the mechanisms.
func (s *session) auth(ctx context.Context, args string) (reply, error) {
	s.conn.Secret(true)
	defer s.conn.Secret(false)
	if !s.mayAuth() {
		return s.wrong(replyEncrypt), nil
	}
	name, initial, _ := strings.Cut(args, " ")
	if name == "" {
		s.say("+OK")
		s.say(reply(mechanisms("\r\n")))
		return ".", nil
	}
	mechanism, err := sasl.Find(name)
	if err != nil {
		return s.wrong("-ERR The mechanism is not offered; CAPA lists those that are"), nil
	}
	verify := func(authzid, user, password string) error { return s.login(ctx, authzid, user, password) }
	var lost error
	ask := func(challenge string) ([]byte, error) {
		s.say(reply("+ " + challenge))
		line, err := s.conn.ReadMore(maxAnswer)
		if !errors.Is(err, wire.ErrLineTooLong) {
			lost = err
		}
		return bytes.TrimRight(line, "\r\n"), err
	}
	err = sasl.Converse(mechanism.New(verify), strings.TrimSpace(initial), ask)
	if lost != nil {
		return unread(lost)
	}
	return s.loggedIn(err)
}

// login proves the user's password and opens the maildrop. To act as another
// (authzid) is not possible.
func (s *session) login(ctx context.Context, authzid, user, password string) error {
	id, canonical, err := s.Auth.Authenticate(ctx, user, password, s.conn.RemoteAddr().Addr())
	if err == nil && authzid != "" && !strings.EqualFold(authzid, user) && !strings.EqualFold(authzid, canonical) {
		err = fault.New(fault.Unauthenticated, "pop3d: %s may not act as %s", canonical, authzid)
	}
	if err == nil {
		err = s.enter(ctx, id)
	}
	if err != nil {
		s.conn.Log().Info("login failed", "user", user, "error", err)
		return err
	}
	s.conn.Authenticated(canonical)
	s.conn.Log().Info("login", "messages", s.drop.snap.Len())
	return nil
}

// enter takes the maildrop for this session.
func (s *session) enter(ctx context.Context, id store.AccountID) error {
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
