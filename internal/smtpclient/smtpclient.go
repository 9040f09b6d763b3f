// Package smtpclient is the client's side of SMTP and LMTP: one connection to one
// server, and any number of messages over it.
//
// It owns the conversation: greeting, EHLO, STARTTLS, AUTH, the envelope (pipelined
// where that is offered), the message, and how long to wait for each. It never finds
// out where to connect to, never tries again, and decides nothing about what comes
// next: it says, for each recipient, what the server said in its own words, or why it
// said nothing. outbound makes sense of that.
//
// Invariants: a recipient counts as delivered only after a positive reply to the
// whole message; what is sent after DATA is one message to every reader, strict or
// not, since no lone CR or LF is ever sent; credentials do not travel in clear unless
// that is asked for; no reply, however long, takes more than a bounded memory, and no
// server, however slow, more than a bounded time.
//
// Flow: Open takes a connection through its beginning (hello.go, tls.go, auth.go).
// Send checks what the server can do (message.go), sends the envelope (envelope.go)
// and the message (content.go), and returns an Outcome for each recipient. What goes
// out is collected in a buffer and flushed before a reply is waited for (conn.go).
package smtpclient

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
)

// Options configure a connection.
type Options struct {
	Hostname string // what we call ourselves
	LMTP     bool   // speak LMTP (RFC 2033)

	TLS         TLSPolicy
	ImplicitTLS bool        // TLS from the first byte (RFC 8314 §3.3)
	TLSConfig   *tls.Config // names the server; may bring roots, certificates and VerifyConnection

	Auth          *Credentials // log in with these
	PlaintextAuth bool         // do so in clear, too, if TLS says nothing against it

	Timeouts Timeouts
}

// Timeouts are how long to wait for the server. Zero ones are those that RFC 5321
// §4.5.3.2 asks for at least.
type Timeouts struct {
	Greeting  time.Duration // 5 minutes
	Handshake time.Duration // of TLS; 1 minute
	Command   time.Duration // for each reply that has no time of its own; 5 minutes
	DataStart time.Duration // from DATA to 354; 2 minutes
	Block     time.Duration // for each block of the message; 3 minutes
	DataEnd   time.Duration // from the end of the message to the reply; 10 minutes
	Goodbye   time.Duration // for what a server says that does not listen any more; 10 seconds
}

func (t *Timeouts) setDefaults() {
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orDuration(&t.Greeting, 5*time.Minute)
	orDuration(&t.Handshake, time.Minute)
	orDuration(&t.Command, 5*time.Minute)
	orDuration(&t.DataStart, 2*time.Minute)
	orDuration(&t.Block, 3*time.Minute)
	orDuration(&t.DataEnd, 10*time.Minute)
	orDuration(&t.Goodbye, 10*time.Second)
}

// Client is one connection. It belongs to one goroutine at a time.
type Client struct {
	o          Options
	conn       *conn
	greeting   smtpwire.Reply
	extensions map[string]string // by keyword, in capitals; what follows it
	open       bool              // a transaction was begun and has not come to its end
	messages   int               // so many were sent
}

// Open speaks with the server at the other end of nc until it is ready for
// messages. Of an error it is always an *Error; the connection is closed then. It
// takes over nc in any case. When ctx ends, so does the connection.
func Open(ctx context.Context, nc net.Conn, o Options) (*Client, error) {
	o.Timeouts.setDefaults()
	c := &Client{o: o, conn: newConn(nc, &o.Timeouts)}
	defer c.conn.until(ctx)()
	if err := c.begin(ctx); err != nil {
		c.Close()
		return nil, c.conn.blame(ctx, err)
	}
	return c, nil
}

func (c *Client) begin(ctx context.Context) error {
	if c.o.ImplicitTLS {
		if err := c.handshake(ctx); err != nil {
			return err
		}
	}
	var err error
	if c.greeting, err = c.conn.reply(AtGreeting, c.o.Timeouts.Greeting); err != nil {
		return err
	}
	if c.greeting.Class() != 2 {
		return c.refused(AtGreeting, c.greeting)
	}
	if err := c.hello(); err != nil {
		return err
	}
	if err := c.secure(ctx); err != nil {
		return err
	}
	return c.authenticate()
}

// Greeting is what the server said first.
func (c *Client) Greeting() smtpwire.Reply { return c.greeting }

// TLS tells how the connection is encrypted; nil if it is not.
func (c *Client) TLS() *tls.ConnectionState { return c.conn.tlsState() }

// Messages is how many messages were sent so far, whatever became of them.
func (c *Client) Messages() int { return c.messages }

// Reusable says that the connection can carry another message, for all that is
// known. The server may still have hung up.
func (c *Client) Reusable() bool {
	limit, limited := c.Limit("MAILMAX")
	return c.conn.isGood() && (!limited || c.messages < limit)
}

// Rest gives memory back before a time in which nothing is sent.
func (c *Client) Rest() { c.conn.rest() }

// Quit says goodbye and closes the connection. The server has little time to answer.
func (c *Client) Quit(ctx context.Context) {
	defer c.Close()
	defer c.conn.until(ctx)()
	if c.conn.broken != nil {
		return
	}
	c.conn.command("QUIT")
	// RFC 5321 §4.1.1.10: the client should wait for the reply, whatever it is.
	_, _ = c.conn.reply(AtQuit, c.o.Timeouts.Goodbye)
}

// Close hangs up.
func (c *Client) Close() { c.conn.close(fault.New(fault.Canceled, "hung up")) }
