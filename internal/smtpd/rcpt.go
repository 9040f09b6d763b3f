package smtpd

import (
	"context"

	"posthorn/internal/smtpwire"
)

// rcpt adds a recipient (RFC 5321 §4.1.1.3).
func (s *session) rcpt(ctx context.Context, args string) (smtpwire.Reply, error) {
	if s.tx == nil {
		return replyNoMail, nil
	}
	to, params, err := smtpwire.ParseRcpt(args)
	if err != nil {
		return badSyntax(err), nil
	}
	if len(params) > 0 {
		return unknownParam(params[0]), nil
	}
	if !to.IsASCII() {
		return noUTF8, nil
	}
	if err := s.tx.Rcpt(ctx, to); err != nil {
		s.refused++
		return failed(err), nil
	}
	return smtpwire.NewReply(250, code{2, 1, 5}, "Recipient noted"), nil
}
