package smtpd

import (
	"context"
	"strconv"
	"strings"

	"posthorn/internal/inbound"
	"posthorn/internal/sasl"
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

func (s *session) helo(_ context.Context, args string) (smtpwire.Reply, error) {
	if r := s.introduce(args, false); !r.IsZero() {
		return r, nil
	}
	return smtpwire.NewReply(250, code{}, s.Hostname), nil
}

// ehlo is EHLO, and LHLO as well (RFC 2033 §4.1).
func (s *session) ehlo(_ context.Context, args string) (smtpwire.Reply, error) {
	if r := s.introduce(args, true); !r.IsZero() {
		return r, nil
	}
	lines := []string{s.Hostname, "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"}
	if limit := s.Acceptor.Policy().MaxSize; limit > 0 {
		lines = append(lines, "SIZE "+strconv.FormatInt(limit, 10))
	} else {
		lines = append(lines, "SIZE")
	}
	if s.offersDSN() {
		lines = append(lines, "DSN")
	}
	if s.conn.OffersTLS() {
		lines = append(lines, "STARTTLS")
	}
	if s.mayAuth() {
		names := "AUTH"
		for _, m := range sasl.Mechanisms() {
			names += " " + m.Name
		}
		lines = append(lines, names)
	}
	return smtpwire.NewReply(250, code{}, lines...), nil
}

// introduce records the client's name. What the name is, is not held against
// anybody (RFC 5321 §4.1.4): real clients send all sorts of names. The reply is
// zero if all is well.
func (s *session) introduce(args string, extended bool) smtpwire.Reply {
	name, _, _ := strings.Cut(args, " ")
	if name == "" {
		return smtpwire.NewReply(501, code{5, 5, 4}, "Say your name, too: a domain, or an address in brackets")
	}
	// RFC 5321 §4.1.4: a new greeting ends the transaction, like RSET.
	s.reset()
	s.greeted, s.extended = true, extended
	s.in.Hello(name, extended)
	return smtpwire.Reply{}
}
