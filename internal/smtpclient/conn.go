package smtpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
	"posthorn/internal/socket"
)

// conn is the connection: replies in, commands and content out. Once it is broken,
// everything fails with the reason.
type conn struct {
	nc       net.Conn
	tls      *tls.Conn // nil in clear
	in       *bufio.Reader
	out      []byte // to be sent
	timeouts *Timeouts

	goodbye smtpwire.Reply // 421: the server is about to hang up
	mute    error          // nothing can be sent any more, but perhaps there are last words
	broken  error          // of kind fault
}

const (
	inBuffer   = 4 << 10
	outBuffer  = 32 << 10
	restBuffer = 8 << 10 // as much as is kept for the next message
)

func newConn(nc net.Conn, timeouts *Timeouts) *conn {
	nc = socket.Direct(nc)
	return &conn{nc: nc, in: bufio.NewReaderSize(nc, inBuffer), timeouts: timeouts}
}

// until has the connection closed when ctx ends, which is how a conversation is
// interrupted: there is no use for half of one. It returns what ends the watch.
func (c *conn) until(ctx context.Context) (done func() bool) {
	return context.AfterFunc(ctx, func() { c.nc.Close() })
}

// blame says that it was the context if it was.
func (c *conn) blame(ctx context.Context, err error) error {
	var e *Error
	if ctx.Err() == nil || !errors.As(err, &e) || !e.Reply.IsZero() || c.broken == nil {
		return err
	}
	return newError(e.Stage, fault.Canceled, "given up: %w", context.Cause(ctx))
}

// command puts a command into the buffer. Its arguments must not contain what
// ends a line: who calls this has seen to that.
func (c *conn) command(words string) {
	c.out = append(append(c.out, words...), '\r', '\n')
}

// flush sends what is in the buffer.
func (c *conn) flush(timeout time.Duration) error {
	if len(c.out) == 0 || c.mute != nil || c.broken != nil {
		c.out = c.out[:0]
		return c.mute
	}
	c.nc.SetWriteDeadline(time.Now().Add(timeout))
	_, err := c.writer().Write(c.out)
	if c.out = c.out[:0]; cap(c.out) > 4*outBuffer {
		c.out = nil
	}
	if err != nil {
		c.mute = lost(err, timeout, "to take what was sent")
	}
	return c.mute
}

func (c *conn) rest() {
	if cap(c.out) > restBuffer {
		c.out = nil
	}
}

func (c *conn) writer() io.Writer {
	if c.tls != nil {
		return c.tls
	}
	return c.nc
}

// reply sends what is in the buffer and waits for a reply.
func (c *conn) reply(stage Stage, timeout time.Duration) (smtpwire.Reply, error) {
	if c.broken == nil {
		if c.flush(timeout) != nil || !c.goodbye.IsZero() {
			timeout = min(timeout, c.timeouts.Goodbye)
		}
		c.nc.SetReadDeadline(time.Now().Add(timeout))
		reply, endless, err := readReply(c.in)
		if endless {
			c.broken = fault.New(fault.Invalid, "the server talks without end")
		}
		if err == nil {
			if reply.Code == 421 { // RFC 5321 §3.8: it may come at any time
				c.goodbye = reply
			}
			return reply, nil
		}
		c.breakOff(err, timeout)
	}
	return smtpwire.Reply{}, wrap(stage, c.goodbye, c.broken)
}

// isGood says that nothing speaks against using the connection further.
func (c *conn) isGood() bool {
	return c.broken == nil && c.mute == nil && c.goodbye.IsZero() && c.in.Buffered() == 0 && !c.stirs()
}

// stirs says that something has arrived though nothing was asked: a reply too many,
// which would be taken for that to the next command, a goodbye, or the end of the
// connection. Nothing is read for that, under TLS neither: what TLS itself has to say
// after the handshake came with the first replies.
func (c *conn) stirs() bool {
	switch nc := c.nc.(type) {
	case syscall.Conn:
		raw, err := nc.SyscallConn()
		found := false
		return err != nil || raw.Control(func(fd uintptr) { found = socket.Readable(fd) }) != nil || found
	case interface{ Arrived() bool }: // a connection in memory
		return nc.Arrived()
	}
	return false
}

// muted is the error of what was not sent, if anything was not.
func (c *conn) muted() error {
	if c.mute == nil {
		return nil
	}
	return wrap(AtEnd, smtpwire.Reply{}, c.mute)
}

// breakOff finds the reason that tells most.
func (c *conn) breakOff(err error, timeout time.Duration) {
	switch {
	case !c.goodbye.IsZero():
		c.broken = fault.New(fault.Unavailable, "the server says: %v", c.goodbye)
	case c.mute != nil:
		c.broken = c.mute
	case fault.Is(err, fault.Invalid):
		c.broken = err
	default:
		c.broken = lost(err, timeout, "to reply")
	}
}

// lost is the error of a connection that did not do its work.
func lost(err error, timeout time.Duration, what string) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.New(fault.Unavailable, "the server took more than %v %s", timeout, what)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return fault.New(fault.Unavailable, "the server closed the connection")
	}
	return fault.New(fault.Unavailable, "connection lost: %w", err)
}

func (c *conn) close(why error) {
	if c.broken == nil {
		c.broken = why
	}
	if c.tls != nil {
		// A lost connection must not hold us up with what TLS has to say at its end.
		c.nc.SetWriteDeadline(time.Now().Add(c.timeouts.Goodbye))
		c.tls.Close()
	}
	c.nc.Close()
}

// startTLS goes over to TLS. The handshake has a deadline of its own.
func (c *conn) startTLS(ctx context.Context, config *tls.Config, timeout time.Duration) error {
	// Replies that arrived with that to STARTTLS came in clear, from anybody: they
	// must not be taken for the server's (RFC 3207 §4.2).
	if n := c.in.Buffered(); n > 0 {
		return fault.New(fault.Invalid, "the server goes on in clear after it agreed to start TLS")
	}
	t := tls.Client(c.nc, config)
	c.nc.SetDeadline(time.Now().Add(timeout))
	if err := t.HandshakeContext(ctx); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) {
			return lost(err, timeout, "for the handshake")
		}
		return fault.New(fault.Unavailable, "TLS fails: %w", cleaned{err})
	}
	c.nc.SetDeadline(time.Time{})
	c.tls = t
	c.in.Reset(t)
	return nil
}

// cleaned is an error whose words may be the server's: those of its certificate.
type cleaned struct{ error }

func (c cleaned) Error() string {
	var invalid x509.CertificateInvalidError
	if errors.As(c.error, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil {
		// In words that are the same at every attempt.
		if from := invalid.Cert.NotBefore; time.Now().Before(from) {
			return "the certificate is not valid before " + from.Format(time.DateOnly)
		}
		return "the certificate has expired on " + invalid.Cert.NotAfter.Format(time.DateOnly)
	}
	return clean(c.error.Error())
}

func (c cleaned) Unwrap() error { return c.error }

func (c *conn) tlsState() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	state := c.tls.ConnectionState()
	return &state
}

// isLine says that words can be sent as a command: none of them ends it early.
func isLine(words string) bool { return !strings.ContainsAny(words, "\r\n\x00") }
