package imapclient

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"posthorn/internal/fault"
)

// conn is imapwire.Source: the lines and literals of answers.
type conn struct {
	raw     net.Conn // to be closed
	nc      net.Conn // the same, or TLS over it
	in      *bufio.Reader
	long    []byte       // a line that is longer than in's buffer
	heard   int64        // bytes of lines in this command
	timeout atomic.Int64 // a time.Duration; Idle changes it meanwhile
	err     error        // why nothing can be read any more

	maxLine int
	maxText int64
}

func newConn(nc net.Conn, o Options) *conn {
	c := &conn{raw: nc, nc: nc, maxLine: o.MaxLine, maxText: o.MaxLiteral}
	c.timeout.Store(int64(o.Timeout))
	c.in = bufio.NewReaderSize(reader{c}, 16<<10)
	return c
}

// reader reads from the connection, each time for as long as the timeout.
type reader struct{ c *conn }

func (r reader) Read(p []byte) (int, error) {
	if r.c.err != nil {
		return 0, r.c.err
	}
	r.c.nc.SetReadDeadline(r.c.deadline())
	n, err := r.c.nc.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fault.New(fault.Unavailable, "imapclient: the server has been silent for %v", time.Duration(r.c.timeout.Load()))
	}
	r.c.err = err
	return n, err
}

func (c *conn) deadline() time.Time { return time.Now().Add(time.Duration(c.timeout.Load())) }

// until has the connection closed when ctx ends: there is no use for half an answer.
func (c *conn) until(ctx context.Context) (done func() bool) {
	return context.AfterFunc(ctx, func() { c.raw.Close() })
}

// Line is imapwire.Source.
func (c *conn) Line() ([]byte, error) {
	c.long = c.long[:0]
	for {
		part, err := c.in.ReadSlice('\n')
		c.heard += int64(len(part))
		switch {
		case len(c.long)+len(part) > c.maxLine:
			return nil, fault.New(fault.TooLarge, "imapclient: the server sent a line of more than %d bytes", c.maxLine)
		case err == nil && len(c.long) == 0:
			return trimLine(part), nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, unexpected(err)
		}
		if c.long = append(c.long, part...); err == nil {
			return trimLine(c.long), nil
		}
	}
}

func trimLine(line []byte) []byte { return bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'}) }

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Unavailable, "imapclient: the server closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// Literal is imapwire.Source.
func (c *conn) Literal(n int64, _ bool) (io.Reader, error) {
	if n > c.maxText {
		return nil, fault.New(fault.TooLarge, "imapclient: the server sends a text of %d bytes, more than %d", n, c.maxText)
	}
	return io.LimitReader(c.in, n), nil
}

func (c *conn) write(b []byte) error {
	c.nc.SetWriteDeadline(c.deadline())
	_, err := c.nc.Write(b)
	return err
}

// startTLS goes over to TLS. RFC 9051 §11.1: what has arrived in clear before must not
// be taken for what the server says afterwards.
func (c *conn) startTLS(ctx context.Context, config *tls.Config) error {
	if c.in.Buffered() > 0 {
		return fault.New(fault.Invalid, "imapclient: the server goes on in clear after it agreed to start TLS")
	}
	t := tls.Client(c.nc, config)
	c.nc.SetDeadline(c.deadline())
	if err := t.HandshakeContext(ctx); err != nil {
		return fault.New(fault.Unavailable, "imapclient: TLS fails: %w", err)
	}
	c.nc = t
	return nil
}
