package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"

	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
)

// TLSPolicy says what to do about TLS.
type TLSPolicy uint8

const (
	// TLSOpportunistic encrypts if the server offers it, to whomever: that is worth
	// no less than sending in clear (RFC 7435).
	TLSOpportunistic TLSPolicy = iota
	// TLSRequired sends nothing in clear, but to whomever.
	TLSRequired
	// TLSVerified sends nothing but to the server that TLSConfig names: by its
	// certificate, or by what TLSConfig.VerifyConnection says if InsecureSkipVerify is set there.
	TLSVerified
	// TLSNever sends in clear: after a handshake failed, or where it is of no use.
	TLSNever
)

// ErrNoStartTLS is found with errors.Is where the policy asks for TLS and the server
// has none.
var ErrNoStartTLS = errors.New("the server does not offer STARTTLS, which is required here")

// secure starts TLS as the policy says (RFC 3207).
func (c *Client) secure(ctx context.Context) error {
	if c.o.ImplicitTLS || c.o.TLS == TLSNever {
		return nil
	}
	optional := c.o.TLS == TLSOpportunistic
	if !c.Supports("STARTTLS") {
		if optional {
			return nil
		}
		return newError(AtTLS, fault.Unavailable, "%w", ErrNoStartTLS)
	}
	c.conn.command("STARTTLS")
	reply, err := c.conn.reply(AtTLS, c.o.Timeouts.Command)
	switch {
	case err != nil:
		return err
	case reply.Class() == 2:
	case optional && c.conn.goodbye.IsZero():
		return nil // it offers what it does not have: the connection is as good as before
	default:
		return c.refused(AtTLS, reply)
	}
	if err := c.handshake(ctx); err != nil {
		return err
	}
	// RFC 3207 §4.2: what the server said in clear is forgotten.
	return c.hello()
}

func (c *Client) handshake(ctx context.Context) error {
	config := &tls.Config{}
	if c.o.TLSConfig != nil {
		config = c.o.TLSConfig.Clone()
	}
	if c.o.TLS != TLSVerified {
		config.InsecureSkipVerify, config.VerifyConnection = true, nil
	}
	if err := c.conn.startTLS(ctx, config, c.o.Timeouts.Handshake); err != nil {
		c.conn.broken = err
		return wrap(AtTLS, smtpwire.Reply{}, err)
	}
	return nil
}
