package smtpd

import (
	"context"

	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

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
		return badSyntax(err), nil
	}
	known, reply := s.rcptParams(params)
	if !reply.IsZero() {
		return reply, nil
	}
	if !to.IsASCII() {
		return noUTF8, nil
	}
	if err := s.tx.Rcpt(ctx, to, known); err != nil {
		s.refused++
		return s.refusal(err)
	}
	return smtpwire.NewReply(250, code{2, 1, 5}, "Recipient noted"), nil
}

// rcptParams looks at the parameters of RCPT. The reply is zero if all are well.
func (s *session) rcptParams(params smtpwire.Params) (known inbound.RcptParams, reply smtpwire.Reply) {
	for _, p := range params {
		switch {
		case p.Keyword == "NOTIFY" && s.offersDSN():
			known.Notify, reply = notify(p.Value)
		case p.Keyword == "ORCPT" && s.offersDSN():
			known.Original, reply = original(p.Value)
		default:
			reply = unknownParam(p)
		}
		if !reply.IsZero() {
			break
		}
	}
	return known, reply
}
