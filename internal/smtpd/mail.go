package smtpd

import (
	"context"
	"math"
	"strconv"
	"strings"

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
		return badSyntax(err), nil
	}
	if !from.IsASCII() {
		return noUTF8, nil
	}
	known, reply := s.mailParams(params)
	if !reply.IsZero() {
		return reply, nil
	}
	tx, err := s.in.Mail(ctx, from, known)
	if err != nil {
		return s.refusal(err)
	}
	s.tx = tx
	return smtpwire.NewReply(250, code{2, 1, 0}, "Sender noted"), nil
}

// RFC 6531 §3.5: an address in UTF-8 needs the extension SMTPUTF8.
var noUTF8 = smtpwire.NewReply(553, code{5, 6, 7}, "Addresses outside ASCII are not supported here")

// mailParams looks at the parameters of MAIL. The reply is zero if all are well.
func (s *session) mailParams(params smtpwire.Params) (known inbound.MailParams, reply smtpwire.Reply) {
	for _, p := range params {
		if reply = s.mailParam(&known, p); !reply.IsZero() {
			break
		}
	}
	return known, reply
}

func (s *session) mailParam(known *inbound.MailParams, p smtpwire.Param) (reply smtpwire.Reply) {
	switch {
	case p.Keyword == "SIZE": // RFC 1870 §6.1
		var ok bool
		if known.Size, ok = parseSize(p.Value); !ok {
			return smtpwire.NewReply(501, code{5, 5, 4}, "SIZE= takes a number of bytes")
		}
	case p.Keyword == "BODY": // RFC 6152 §2: a message is stored as it comes, and what it is, is seen then
		switch strings.ToUpper(p.Value) {
		case "7BIT", "8BITMIME":
		case "BINARYMIME": // RFC 3030 §3
			known.Binary = true
		default:
			return smtpwire.NewReply(501, code{5, 5, 4}, "BODY= takes 7BIT, 8BITMIME or BINARYMIME")
		}
	case p.Keyword == "AUTH" && s.offersAuth(): // RFC 4954 §5: who is said to have sent it first; not believed, but allowed
	case p.Keyword == "RET" && s.offersDSN():
		known.Return, reply = returned(p.Value)
	case p.Keyword == "ENVID" && s.offersDSN():
		known.EnvelopeID, reply = envelopeID(p.Value)
	default:
		return unknownParam(p)
	}
	return reply
}

// unknownParam refuses a parameter of an extension that was not offered (RFC 5321
// §4.1.1.11).
func unknownParam(p smtpwire.Param) smtpwire.Reply {
	return smtpwire.NewReply(555, code{5, 5, 4}, "The parameter "+p.Keyword+" is not supported here")
}

// parseSize reads a size of up to 20 digits (RFC 1870 §5). One that does not fit is
// certainly too large.
func parseSize(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	switch {
	case err == nil:
		return int64(min(n, math.MaxInt64)), true
	case len(s) <= 20 && strings.Trim(s, "0123456789") == "" && s != "":
		return math.MaxInt64, true
	}
	return 0, false
}

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
