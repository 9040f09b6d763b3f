package smtpd

import (
	"context"
	"strings"
	"time"

	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

// greeting is the first line (RFC 5321 §4.2).
func (s *session) greeting() smtpwire.Reply {
	protocol := " ESMTP ready"
	if s.Role == inbound.LMTP {
		protocol = " LMTP ready"
	}
	return smtpwire.NewReply(220, code{}, s.Hostname+protocol)
}

// unwantedPatience is how long a client may take to say QUIT that was refused.
const unwantedPatience = 10 * time.Second

// greet decides whether to speak with the client, and what the first line is.
func (s *session) greet(ctx context.Context) (smtpwire.Reply, error) {
	early := false
	if delay := s.in.GreetDelay(); delay > 0 {
		early = s.conn.SpeaksWithin(delay)
	}
	return s.welcome(ctx, early)
}

// welcome is greet, once it is known whether the client spoke too early.
func (s *session) welcome(ctx context.Context, early bool) (smtpwire.Reply, error) {
	if err := s.in.Connect(ctx, early); err != nil {
		// RFC 5321 §3.1: after 554 the client is to say QUIT, and any other command gets 503.
		s.unwanted = true
		s.conn.SetIdleTimeout(unwantedPatience)
		return s.refusal(err)
	}
	return s.greeting(), nil
}

func (s *session) helo(ctx context.Context, args string) (smtpwire.Reply, error) {
	if r, err := s.introduce(ctx, args, false); !r.IsZero() {
		return r, err
	}
	return smtpwire.NewReply(250, code{}, s.Hostname), nil
}

// ehlo is EHLO, and LHLO as well (RFC 2033 §4.1).
func (s *session) ehlo(ctx context.Context, args string) (smtpwire.Reply, error) {
	if r, err := s.introduce(ctx, args, true); !r.IsZero() {
		return r, err
	}
	lines := []string{s.Hostname}
	for i := range extensions {
		if e := &extensions[i]; e.isOffered(s) {
			lines = append(lines, e.line(s))
		}
	}
	return smtpwire.NewReply(250, code{}, lines...), nil
}

// introduce records the client's name. The reply is zero if all is well.
func (s *session) introduce(ctx context.Context, args string, extended bool) (smtpwire.Reply, error) {
	name, _, _ := strings.Cut(args, " ")
	if name == "" {
		return smtpwire.NewReply(501, code{5, 5, 4}, "Say your name, too: a domain, or an address in brackets"), nil
	}
	// RFC 5321 §4.1.4: a new greeting ends the transaction, like RSET.
	s.reset(ctx)
	if err := s.in.Hello(ctx, name, extended); err != nil {
		s.greeted = false
		return s.refusal(err)
	}
	s.greeted, s.extended = true, extended
	return smtpwire.Reply{}, nil
}
