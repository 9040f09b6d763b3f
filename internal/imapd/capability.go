package imapd

import (
	"context"

	"posthorn/internal/sasl"
)

// extensions is what works in every session. STARTTLS, LOGINDISABLED and AUTH= depend
// on the connection.
const extensions = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT MOVE CHILDREN SPECIAL-USE MULTIAPPEND CONDSTORE QRESYNC UTF8=ACCEPT UIDONLY CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE" +
	" ESEARCH SEARCHRES WITHIN SAVEDATE SEARCH=FUZZY"

// capability is CAPABILITY (RFC 3501 §6.1.1).
func (s *session) capability(context.Context, *command) error {
	if !s.dec.End() {
		return s.syntax()
	}
	s.line("* CAPABILITY ", s.capabilities())
	return nil
}

// capabilities is what is offered at this moment.
func (s *session) capabilities() string {
	list := extensions
	if s.account != nil {
		return list
	}
	if s.conn.OffersTLS() {
		list += " STARTTLS"
	}
	if !s.mayLogIn() {
		return list + " LOGINDISABLED" // RFC 3501 §11.1
	}
	for _, m := range sasl.Mechanisms() {
		list += " AUTH=" + m.Name
	}
	return list
}

// mayLogIn reports whether passwords may be sent on this connection.
func (s *session) mayLogIn() bool { return s.srv.plaintext || s.conn.Secure() }
