package pop3d

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// capa lists what is offered (RFC 2449 §5). What depends on TLS is told alike
// before and after the login, as §5 demands.
func (s *session) capa(ctx context.Context, _ string) (reply, error) {
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
		"TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", s.expire(ctx), s.loginDelay(),
		"UTF8 USER", "LANG", "IMPLEMENTATION Posthorn",
	} {
		s.say(c)
	}
	return ".", nil
}

// expire tells how long mail stays at least (RFC 2449 §6.7): before the login for
// whomever it stays the shortest time.
func (s *session) expire(ctx context.Context) reply {
	if s.drop != nil {
		return expiry(s.drop.settings.Expire)
	}
	days, differ, err := s.Accounts.Shortest(ctx)
	switch {
	case err != nil:
		s.conn.Log().Warn("it is not known how long mail is kept", "error", err)
		return ""
	case differ:
		return expiry(days) + " USER"
	}
	return expiry(days)
}

func expiry(days int) reply {
	if days == 0 {
		return "EXPIRE NEVER"
	}
	return reply("EXPIRE " + strconv.Itoa(days))
}

// loginDelay tells how long a client has to stay away (RFC 2449 §6.5), if at all.
func (s *session) loginDelay() reply {
	if s.LoginDelay == 0 {
		return ""
	}
	return reply("LOGIN-DELAY " + strconv.Itoa(int((s.LoginDelay+time.Second-1)/time.Second)))
}
