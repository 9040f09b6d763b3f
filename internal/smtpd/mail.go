package smtpd

import (
	"context"

	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

// mail begins a transaction (RFC 5321 §4.1.1.2).
func (s *session) mail(ctx context.Context, args string) (smtpwire.Reply, error) {
	switch {
	case !s.greeted:
		return s.noHello(), nil
	case s.tx != nil:
		return replyInMail, nil
	}
	from, params, err := smtpwire.ParseMail(args)
	if err != nil {
		return s.misspelled(ctx, args, badSyntax(err))
	}
	known, reply := s.mailParams(params)
	switch {
	case !reply.IsZero():
		return s.misspelled(ctx, args, reply)
	case !known.UTF8 && !from.IsASCII():
		return s.misspelled(ctx, args, noUTF8Sender)
	}
	known.Upstream = inbound.Upstream{Remote: s.upstream.remote, Hello: s.upstream.hello}
	tx, err := s.in.Mail(ctx, from, known)
	if err != nil {
		return s.refusal(err)
	}
	s.tx = tx
	return smtpwire.NewReply(250, code{2, 1, 0}, "Sender noted"), nil
}

// misspelled refuses a sender or recipient that inbound never gets to see.
func (s *session) misspelled(ctx context.Context, args string, reply smtpwire.Reply) (smtpwire.Reply, error) {
	s.in.Misspelled(ctx, s.tx, args, reply)
	return reply, nil
}

// RFC 6531 §3.5: what is said to an address in UTF-8 without SMTPUTF8, which every
// client of ours can have.
var (
	noUTF8Sender    = smtpwire.NewReply(550, code{5, 6, 7}, "A sender address outside ASCII needs the parameter SMTPUTF8")
	noUTF8Recipient = smtpwire.NewReply(553, code{5, 6, 7}, "A recipient address outside ASCII needs MAIL with the parameter SMTPUTF8")
)

func (s *session) noHello() smtpwire.Reply {
	if s.Role == inbound.LMTP {
		return replyNoLhlo
	}
	return replyNoHello
}

// rset ends the transaction (RFC 5321 §4.1.1.5).
func (s *session) rset(ctx context.Context, args string) (smtpwire.Reply, error) {
	if args != "" {
		return replyNoArgs, nil
	}
	s.reset(ctx)
	return smtpwire.NewReply(250, code{2, 0, 0}, "Forgotten"), nil
}
