package wire

import (
	"crypto/tls"
	"net"
	"time"

	"posthorn/internal/fault"
)

// TLS is the state of TLS, nil in clear.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	s := c.tls.ConnectionState()
	return &s
}

// Secure reports whether the connection is encrypted.
func (c *Conn) Secure() bool { return c.tls != nil }

// OffersTLS reports whether StartTLS is possible now. It is not beneath compression.
func (c *Conn) OffersTLS() bool { return c.srv.o.TLS != nil && c.tls == nil && !c.Compressed() }

// StartTLS flushes and goes over to TLS. What the peer sent in clear behind the
// command that asked for it is dropped: it may have been put there by someone
// else, and must not be taken for part of the protected conversation.
//
// RFC 3207 §4.2, RFC 2595 §4, RFC 9051 §6.2.1: knowledge from before is
// discarded; that of the session is the session's to forget.
func (c *Conn) StartTLS() error {
	if !c.OffersTLS() {
		return fault.New(fault.Unsupported, "wire: TLS is not offered here, or in use already")
	}
	if err := c.Flush(); err != nil {
		return err
	}
	if n := c.w - c.r; n > 0 {
		c.Log().Warn("input sent in clear behind STARTTLS dropped", "bytes", n)
	}
	c.releaseInput()
	return c.handshake()
}

// handshake goes over to TLS.
//
// It runs in a goroutine of its own, for the sake of memory: cryptography needs a
// deep stack, which the runtime gives back only when a goroutine ends, or slowly,
// while this connection may go on for days on a shallow one.
func (c *Conn) handshake() error {
	limit := time.Now().Add(c.srv.o.TLSTimeout)
	c.setReadDeadline(limit)
	c.armWrite(limit)
	t := tls.Server(c.beneathTLS(), c.srv.o.TLS)
	result := make(chan error, 1)
	go func() { result <- t.Handshake() }()
	if err := <-result; err != nil {
		c.srv.stats.handshakesFailed.Add(1)
		err = fault.New(fault.Invalid, "wire: TLS handshake: %w", err)
		c.readErr, c.writeErr = err, err
		return err
	}
	c.tls, c.rw, c.asleep = t, t, false
	c.deadline, c.writeDeadline = time.Time{}, time.Time{}
	return nil
}

// beneathTLS is the transport that TLS runs over: the bytes that came in one read
// with a PROXY header, and then the socket.
func (c *Conn) beneathTLS() net.Conn {
	if c.r == c.w {
		return c.sock
	}
	p := &prefixed{Conn: c.sock, prefix: append([]byte(nil), c.in[c.r:c.w]...)}
	c.releaseInput()
	return p
}

// prefixed is a connection of which some bytes have been read already.
type prefixed struct {
	net.Conn
	prefix []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.prefix) > 0 {
		n := copy(b, p.prefix)
		p.prefix = p.prefix[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}
