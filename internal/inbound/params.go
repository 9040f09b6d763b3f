package inbound

import (
	"net/netip"
	"time"

	"posthorn/internal/dsn"
	"posthorn/internal/queue"
)

// MailParams are the parameters of MAIL. Zero: none.
type MailParams struct {
	Size       int64      // that the client announced; 0: it did not
	Binary     bool       // BODY=BINARYMIME: the body has lines or not, as it likes (RFC 3030)
	UTF8       bool       // SMTPUTF8: addresses and header fields may be in UTF-8 (RFC 6531)
	RequireTLS bool       // REQUIRETLS: never to travel in clear (RFC 8689)
	Return     dsn.Return // of RET
	EnvelopeID string     // of ENVID, decoded

	Priority    int             // MT-PRIORITY, -9 to 9 (RFC 6710)
	Prioritized bool            // it was given, also if it is 0
	NotBefore   time.Time       // of HOLDFOR and HOLDUNTIL, in the future; zero: at once (RFC 4865)
	DeliverBy   queue.DeliverBy // of BY (RFC 2852)

	Upstream Upstream // of XFORWARD
	Author   string   // the From of a message that has none; default: the reverse-path
}

// Upstream is whom a message comes from in truth, as a filter in between has told. It
// is for what is told of the message, not for decisions.
type Upstream struct {
	Remote netip.Addr // invalid: not known
	Hello  string
}

// RcptParams are the parameters of RCPT. Zero: none.
type RcptParams struct {
	Notify   dsn.Notify // of NOTIFY
	Original string     // of ORCPT, decoded: "rfc822;bob@example.test"
	Since    ValidSince // of RRVS (RFC 7293)
}

// author is the value of a From for a message that has none.
func (t *Transaction) author() string {
	if t.params.Author == "" && !t.from.IsZero() {
		return "<" + t.from.String() + ">"
	}
	return t.params.Author
}

// IsBinary says that the message comes as BODY=BINARYMIME.
func (t *Transaction) IsBinary() bool { return t.params.Binary }

// IsUTF8 says that its addresses may be in UTF-8.
func (t *Transaction) IsUTF8() bool { return t.params.UTF8 }

// IsHeld says that nobody is to have the message now: it waits in the queue, also for
// those of its recipients whose mailboxes are here.
func (t *Transaction) IsHeld() bool { return !t.params.NotBefore.IsZero() }
