package certs

import (
	"crypto/tls"
	"crypto/x509"
)

// Listener is what one listener asks of TLS.
type Listener struct {
	// Tickets lets clients resume their sessions. Servers that send mail keep tickets for
	// long and offer them to whoever answers; programs of users gain from coming back
	// quickly.
	Tickets bool
	// ClientCAs are the authorities whose certificates clients are asked for, in PEM; "":
	// they are not asked. Required refuses those that show none.
	ClientCAs string
	Required  bool
}

// Config is how TLS is spoken on a listener. Suites and curves are Go's choice, which
// is kept up to date; renegotiation does not exist on Go's servers.
func (s *Set) Config(l Listener) *tls.Config {
	c := &tls.Config{
		MinVersion:     tls.VersionTLS12, // RFC 8996: nothing older
		GetCertificate: s.get,
		// A ticket would let a client come back whose certificate is not trusted any more.
		SessionTicketsDisabled: !l.Tickets || l.ClientCAs != "",
	}
	if l.ClientCAs != "" {
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		c.ClientCAs.AppendCertsFromPEM([]byte(l.ClientCAs))
		if l.Required {
			c.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	return c
}
