package smtpd

import (
	"strings"

	"posthorn/internal/dsn"
	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

// offersDSN says whether senders can ask for notifications here (RFC 3461). Mail
// exchange and LMTP only lead to mailboxes; to a server that hands over mail there
// we are one without the extension, so that it sends the notification itself
// (RFC 3461 §5.2.2).
func (s *session) offersDSN() bool {
	return s.Role == inbound.Submission && s.Acceptor.Relays()
}

// The longest values, as they stand in the command (RFC 3461 §4.2, §4.4).
const (
	maxOriginal   = 500
	maxEnvelopeID = 100
)

var (
	badEnvelopeID = smtpwire.NewReply(501, code{5, 5, 4}, "ENVID= takes up to 100 characters of xtext (RFC 3461)")
	badOriginal   = smtpwire.NewReply(501, code{5, 5, 4}, "ORCPT= takes rfc822; and an address in xtext (RFC 3461)")
)

// envelopeID reads the value of ENVID (RFC 3461 §4.4). The reply is zero if all is well.
func envelopeID(value string) (string, smtpwire.Reply) {
	id, err := smtpwire.DecodeXtext(value)
	if err != nil || len(value) > maxEnvelopeID || !isPrintable(id) {
		return "", badEnvelopeID
	}
	return id, smtpwire.Reply{}
}

// returned reads the value of RET (RFC 3461 §4.3).
func returned(value string) (dsn.Return, smtpwire.Reply) {
	ret, err := dsn.ParseReturn(value)
	if err != nil {
		return 0, smtpwire.NewReply(501, code{5, 5, 4}, err.Error())
	}
	return ret, smtpwire.Reply{}
}

// notify reads the value of NOTIFY (RFC 3461 §4.1).
func notify(value string) (dsn.Notify, smtpwire.Reply) {
	n, err := dsn.ParseNotify(value)
	if err != nil {
		return 0, smtpwire.NewReply(501, code{5, 5, 4}, err.Error())
	}
	return n, smtpwire.Reply{}
}

// original reads the value of ORCPT (RFC 3461 §4.2): the type of an address, which
// is an atom, a semicolon, and the address in xtext.
func original(value string) (string, smtpwire.Reply) {
	kind, encoded, _ := strings.Cut(value, ";")
	address, err := smtpwire.DecodeXtext(encoded)
	switch {
	case err != nil, len(value) > maxOriginal, address == "", !isPrintable(address),
		kind == "", !isPrintable(kind), strings.ContainsAny(kind, ` ()<>@,:\".[]`):
		return "", badOriginal
	}
	return kind + ";" + address, smtpwire.Reply{}
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
