package smtpd

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"posthorn/internal/dsn"
	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

// The longest values, as they stand in the command (RFC 3461 §4.2, §4.4).
const (
	maxOriginal   = 500
	maxEnvelopeID = 100
)

var (
	badEnvelopeID = smtpwire.NewReply(501, code{5, 5, 4}, "ENVID= takes up to 100 characters of xtext (RFC 3461)")
	badOriginal   = smtpwire.NewReply(501, code{5, 5, 4}, "ORCPT= takes rfc822; and an address in xtext (RFC 3461)")
)

// readEnvelopeID reads ENVID (RFC 3461 §4.4).
func readEnvelopeID(_ *session, p *inbound.MailParams, value string) smtpwire.Reply {
	id, err := smtpwire.DecodeXtext(value)
	if err != nil || len(value) > maxEnvelopeID || !isPrintable(id) {
		return badEnvelopeID
	}
	p.EnvelopeID = id
	return smtpwire.Reply{}
}

// readReturn reads RET (RFC 3461 §4.3).
func readReturn(_ *session, p *inbound.MailParams, value string) smtpwire.Reply {
	ret, err := dsn.ParseReturn(value)
	if err != nil {
		return badParam(err.Error())
	}
	p.Return = ret
	return smtpwire.Reply{}
}

// readNotify reads NOTIFY (RFC 3461 §4.1).
func readNotify(_ *session, p *inbound.RcptParams, value string) smtpwire.Reply {
	n, err := dsn.ParseNotify(value)
	if err != nil {
		return badParam(err.Error())
	}
	p.Notify = n
	return smtpwire.Reply{}
}

// readOriginal reads ORCPT (RFC 3461 §4.2): the type of an address, which is an atom, a
// semicolon, and the address in xtext; or in UTF-8 (RFC 6533 §3) in a transaction that
// has it.
func readOriginal(s *session, p *inbound.RcptParams, value string) smtpwire.Reply {
	kind, encoded, _ := strings.Cut(value, ";")
	address, ok := originalAddress(encoded, s.tx.IsUTF8())
	switch {
	case !ok, len(value) > maxOriginal, kind == "", !isPrintable(kind), strings.ContainsAny(kind, ` ()<>@,:\".[]`):
		return badOriginal
	}
	p.Original = kind + ";" + address
	return smtpwire.Reply{}
}

// originalAddress decodes the address of ORCPT. Many programs send it as it is, with
// a + or = of its own: where that cannot be xtext, it is what was meant.
func originalAddress(encoded string, utf8 bool) (string, bool) {
	isText := isPrintable
	if utf8 {
		isText = isUTF8Text
	}
	address, err := smtpwire.DecodeXtext(encoded)
	if err != nil || !isText(address) {
		address = encoded
	}
	return address, address != "" && isText(address)
}

// isUTF8Text says that a text is UTF-8 without control characters.
func isUTF8Text(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// isPrintable says that a text is printable ASCII.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
