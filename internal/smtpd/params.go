package smtpd

import (
	"math"
	"strconv"
	"strings"

	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

// readSize reads SIZE (RFC 1870 §6.1): up to 20 digits. One that does not fit is
// certainly too large.
func readSize(_ *session, p *inbound.MailParams, value string) smtpwire.Reply {
	n, err := strconv.ParseUint(value, 10, 64)
	switch {
	case err == nil:
		p.Size = int64(min(n, math.MaxInt64))
	case isDigits(value, 20):
		p.Size = math.MaxInt64
	default:
		return badParam("SIZE= takes a number of bytes")
	}
	return smtpwire.Reply{}
}

// isDigits says that a text is a number of at most so many digits.
func isDigits(s string, most int) bool {
	return s != "" && len(s) <= most && strings.Trim(s, "0123456789") == ""
}

// readBody reads BODY (RFC 6152 §2): a message is stored as it comes, and what it is,
// is seen then; except that a binary one may come without lines.
func readBody(_ *session, p *inbound.MailParams, value string) smtpwire.Reply {
	switch strings.ToUpper(value) {
	case "7BIT", "8BITMIME":
	case "BINARYMIME": // RFC 3030 §3
		p.Binary = true
	default:
		return badParam("BODY= takes 7BIT, 8BITMIME or BINARYMIME")
	}
	return smtpwire.Reply{}
}

// readUTF8 reads SMTPUTF8 (RFC 6531 §3.4).
func readUTF8(_ *session, p *inbound.MailParams, value string) smtpwire.Reply {
	if value != "" {
		return badParam("SMTPUTF8 takes no value")
	}
	p.UTF8 = true
	return smtpwire.Reply{}
}

// readRequireTLS reads REQUIRETLS (RFC 8689 §2).
func readRequireTLS(_ *session, p *inbound.MailParams, value string) smtpwire.Reply {
	if value != "" {
		return badParam("REQUIRETLS takes no value")
	}
	p.RequireTLS = true
	return smtpwire.Reply{}
}

// readPriority reads MT-PRIORITY (RFC 6710 §7). Every priority is one of its own here,
// so that none is ever changed.
func readPriority(_ *session, p *inbound.MailParams, value string) smtpwire.Reply {
	digit := strings.TrimPrefix(value, "-")
	if len(digit) != 1 || digit < "0" || digit > "9" || value == "-0" {
		return smtpwire.NewReply(501, code{5, 5, 2}, "MT-PRIORITY= takes a number from -9 to 9")
	}
	p.Priority, _ = strconv.Atoi(value)
	p.Prioritized = true
	return smtpwire.Reply{}
}
