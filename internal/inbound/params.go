package inbound

import "posthorn/internal/dsn"

// MailParams are the parameters of MAIL. Zero: none.
type MailParams struct {
	Size       int64      // that the client announced; 0: it did not
	Binary     bool       // BODY=BINARYMIME: the body has lines or not, as it likes (RFC 3030)
	Return     dsn.Return // of RET
	EnvelopeID string     // of ENVID, decoded
}

// RcptParams are the parameters of RCPT. Zero: none.
type RcptParams struct {
	Notify   dsn.Notify // of NOTIFY
	Original string     // of ORCPT, decoded: "rfc822;bob@example.test"
}
