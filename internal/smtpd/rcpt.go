package smtpd

import (
	"context"

	"posthorn/internal/smtpwire"
)

// Whose mailbox <postmaster> is, may be another question when the time has come.
var replyWhichPostmaster = smtpwire.NewReply(501, code{5, 1, 3}, "The message is to be held: name the postmaster's domain, too")

// rcpt adds a recipient (RFC 5321 §4.1.1.3).
func (s *session) rcpt(ctx context.Context, args string) (smtpwire.Reply, error) {
	switch {
	case s.tx == nil:
		return replyNoMail, nil
	case s.chunks != nil:
		return replyChunked, nil
	}
	to, params, err := smtpwire.ParseRcpt(args)
	if err != nil {
		return s.misspelled(ctx, args, badSyntax(err))
	}
	known, reply := s.rcptParams(params)
	switch {
	case !reply.IsZero():
		return s.misspelled(ctx, args, reply)
	case !s.tx.IsUTF8() && !to.IsASCII():
		return s.misspelled(ctx, args, noUTF8Recipient)
	case to.Domain == "" && s.tx.IsHeld():
		return s.misspelled(ctx, args, replyWhichPostmaster)
	}
	if err := s.tx.Rcpt(ctx, to, known); err != nil {
		s.refused++
		return s.refusal(err)
	}
	return smtpwire.NewReply(250, code{2, 1, 5}, "Recipient noted"), nil
}
