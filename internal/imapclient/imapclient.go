// Package imapclient speaks IMAP as a client: IMAP4rev1 (RFC 3501) with what servers
// have added since, as far as it takes to read a mailbox, to follow its changes, and to
// put messages into another.
//
// A Client is one connection. Its methods are commands, one at a time; each sends its
// command, reads what comes until the tagged answer, and gives what it asked for. What
// a server says unasked goes to Options.On. Messages are never held in memory: FETCH
// hands their texts out as they arrive, APPEND takes them from a reader.
//
// It trusts no server: lines, literals, depth and counts are bounded, a server that is
// silent is given up, and nothing that arrives in clear behind STARTTLS is believed.
// What the server refuses is an *Error, after which the connection is as good as
// before. Any other error ends the connection, as does the end of a command's context.
package imapclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"slices"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
)

// Security says how a connection is protected.
type Security uint8

// The ways. Only tests and closed networks do without.
const (
	TLS Security = iota
	StartTLS
	Plain
)

// Options say how to speak with a server.
type Options struct {
	Security Security
	TLS      *tls.Config // its ServerName is needed

	Timeout    time.Duration // without a byte from the server; default: 2 minutes
	MaxLine    int           // of an answer, its small literals included; default: 1 MiB
	MaxLiteral int64         // of a text that FETCH hands out; default: 1 GiB
	MaxAnswer  int64         // to a command, without what FETCH brings; default: 64 MiB

	// On is told what the server says beyond what a command asks for: EXISTS,
	// EXPUNGE, VANISHED, alerts. It must not use the Client.
	On func(*imapwire.Response)
	// OnFlags is told of flags that have changed.
	OnFlags func(*Message)
}

// Client is a connection to a server.
type Client struct {
	o    Options
	conn *conn
	dec  *imapwire.Decoder
	tag  int
	caps []string
}

// Dial connects to an address (host:port).
func Dial(ctx context.Context, address string, o Options) (*Client, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "imapclient: %w", err)
	}
	return New(ctx, nc, o)
}

// New begins to speak over a connection, and closes it if that fails.
func New(ctx context.Context, nc net.Conn, o Options) (*Client, error) {
	o.Timeout = cmp.Or(o.Timeout, 2*time.Minute)
	o.MaxLine = cmp.Or(o.MaxLine, 1<<20)
	o.MaxLiteral = cmp.Or(o.MaxLiteral, 1<<30)
	o.MaxAnswer = cmp.Or(o.MaxAnswer, 64<<20)
	c := &Client{o: o, conn: newConn(nc, o)}
	c.dec = imapwire.NewDecoder(c.conn, o.MaxLine)
	if err := c.begin(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) begin(ctx context.Context) error {
	defer c.conn.until(ctx)()
	if c.o.Security == TLS {
		if err := c.conn.startTLS(ctx, c.o.TLS); err != nil {
			return c.broken(ctx, err)
		}
	}
	var r imapwire.Response
	if err := c.read(&r); err != nil {
		return c.broken(ctx, err)
	}
	switch {
	case r.Tag != "*" || r.Name != "OK" && r.Name != "PREAUTH" && r.Name != "BYE":
		return c.broken(ctx, fault.New(fault.Invalid, "imapclient: the server does not greet"))
	case r.Name == "BYE":
		return c.broken(ctx, newError("connect", &r))
	case c.o.Security != StartTLS:
		return nil
	case r.Name == "PREAUTH": // STARTTLS is not possible any more: somebody may have put it there
		return c.broken(ctx, fault.New(fault.Denied, "imapclient: the server gives no chance of STARTTLS"))
	}
	if _, err := c.command(ctx, "STARTTLS", nil); err != nil {
		return err
	}
	c.caps = nil // RFC 3501 §6.2.1: forget what was said in clear
	return c.broken(ctx, c.conn.startTLS(ctx, c.o.TLS))
}

// Capabilities are what the server offers now, in upper case; they are asked for if
// the server has not said.
func (c *Client) Capabilities(ctx context.Context) ([]string, error) {
	if c.caps == nil {
		if _, err := c.command(ctx, "CAPABILITY", nil); err != nil {
			return nil, err
		}
	}
	return c.caps, nil
}

// Supports says whether a capability is among them.
func (c *Client) Supports(ctx context.Context, capability string) bool {
	caps, err := c.Capabilities(ctx)
	return err == nil && slices.Contains(caps, capability)
}

// Logout says goodbye and closes the connection.
func (c *Client) Logout(ctx context.Context) error {
	defer c.Close()
	_, err := c.command(ctx, "LOGOUT", nil)
	return err
}

// Close closes the connection without a word.
func (c *Client) Close() error { return c.conn.raw.Close() }
