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
	size, reply := s.mailParams(params)
	if !reply.IsZero() {
		return reply, nil
	}
	tx, err := s.in.Mail(ctx, from, size)
	if err != nil {
		return failed(err), nil
	}
	s.tx = tx
	return smtpwire.NewReply(250, code{2, 1, 0}, "Sender noted"), nil
}

// RFC 6531 §3.5: an address in UTF-8 needs the extension SMTPUTF8.
var noUTF8 = smtpwire.NewReply(553, code{5, 6, 7}, "Addresses outside ASCII are not supported here")

// mailParams looks at the parameters of MAIL. The reply is zero if all are well.
func (s *session) mailParams(params smtpwire.Params) (size int64, reply smtpwire.Reply) {
	for _, p := range params {
		switch p.Keyword {
		case "SIZE": // RFC 1870 §6.1
			var ok bool
			if size, ok = parseSize(p.Value); !ok {
				return 0, smtpwire.NewReply(501, code{5, 5, 4}, "SIZE= takes a number of bytes")
			}
		case "BODY": // RFC 6152 §2: a message is stored as it comes, so both are the same
			if v := strings.ToUpper(p.Value); v != "7BIT" && v != "8BITMIME" {
				return 0, smtpwire.NewReply(555, code{5, 5, 4}, "BODY= takes 7BIT or 8BITMIME here")
			}
		case "AUTH": // RFC 4954 §5: who is said to have sent it first; not believed, but allowed
			if !s.offersAuth() {
				return 0, unknownParam(p)
			}
		default:
			return 0, unknownParam(p)
		}
	}
	return size, smtpwire.Reply{}
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
func (s *session) rset(_ context.Context, args string) (smtpwire.Reply, error) {
	if args != "" {
		return replyNoArgs, nil
	}
	s.reset()
	return smtpwire.NewReply(250, code{2, 0, 0}, "Forgotten"), nil
}
