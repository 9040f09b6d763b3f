package ldapsource

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"posthorn/internal/fault"
)

// pool keeps connections for one purpose.
type pool struct {
	dialer dialer
	ready  func(*ldap.Conn) error // makes a new connection ready; nil: nothing to do
	slots  chan struct{}          // a token for each connection in use

	mu     sync.Mutex
	idle   []*conn
	closed bool
}

// conn is a connection to a server, and what is below it.
type conn struct {
	*ldap.Conn
	net   *bounded
	since time.Time // it is idle
}

const (
	maxIdle   = time.Minute
	maxAnswer = 1 << 20 // bytes, of one operation
)

func newPool(size int, d dialer, ready func(*ldap.Conn) error) *pool {
	return &pool{dialer: d, ready: ready, slots: make(chan struct{}, max(size, 1))}
}

// use runs an operation on a connection.
func (p *pool) use(ctx context.Context, fn func(*ldap.Conn) error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "all connections are busy: %w", context.Cause(ctx))
	}
	for c := p.take(); c != nil; c = p.take() {
		err := p.run(ctx, c, fn)
		if err == nil || !broken(err) || ctx.Err() != nil {
			return err
		}
	}
	c, err := p.dialer.dial(ctx, p.ready)
	if err != nil {
		return err
	}
	return p.run(ctx, c, fn)
}

// run runs an operation, and keeps the connection if it is still good.
func (p *pool) run(ctx context.Context, c *conn, fn func(*ldap.Conn) error) error {
	c.net.begin(ctx)
	c.SetTimeout(left(ctx))
	err := fn(c.Conn)
	if err != nil && broken(err) || c.IsClosing() || !c.net.end() {
		c.Close()
		return err
	}
	p.keep(c)
	return err
}

// broken says that nothing more is to be had from a connection: all but the results of
// servers that have understood the question.
func broken(err error) bool {
	var e *ldap.Error
	return !errors.As(err, &e) || e.ResultCode >= ldap.ErrorNetwork || e.ResultCode == ldap.LDAPResultBusy ||
		e.ResultCode == ldap.LDAPResultUnavailable || e.ResultCode == ldap.LDAPResultOperationsError || e.ResultCode == ldap.LDAPResultProtocolError
}

func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if time.Since(c.since) < maxIdle && !c.IsClosing() {
			return c
		}
		c.Close()
	}
	return nil
}

func (p *pool) keep(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return
	}
	c.since = time.Now()
	p.idle = append(p.idle, c)
}

// close closes what is idle now, and the rest when it would be.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.Close()
	}
	p.idle = nil
}

// dialer reaches servers.
type dialer struct {
	servers  []string
	startTLS bool
	tls      *tls.Config
	first    *atomic.Int32 // the one that answered last
}

// dial tries one server after the other.
func (d *dialer) dial(ctx context.Context, ready func(*ldap.Conn) error) (*conn, error) {
	var failed []error
	first := int(d.first.Load())
	for i := range d.servers {
		n := (first + i) % len(d.servers)
		// So that one that hangs leaves time for the others.
		share, cancel := context.WithTimeout(ctx, left(ctx)/time.Duration(len(d.servers)-i))
		c, err := d.one(share, d.servers[n], ready)
		cancel()
		if err == nil {
			d.first.Store(int32(n))
			return c, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", d.servers[n], err))
	}
	return nil, errors.Join(failed...)
}

// left is how much time there is.
func left(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return maxIdle
	}
	return max(time.Until(deadline), time.Millisecond) // none would stand for all there is
}

func (d *dialer) one(ctx context.Context, server string, ready func(*ldap.Conn) error) (*conn, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	network, address := "tcp", u.Host
	switch {
	case u.Scheme == "ldapi":
		network, address = "unix", u.Path
	case u.Port() == "" && u.Scheme == "ldaps":
		address = net.JoinHostPort(u.Hostname(), "636")
	case u.Port() == "":
		address = net.JoinHostPort(u.Hostname(), "389")
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	limited := &bounded{Conn: raw}
	limited.begin(ctx)
	c, err := d.secure(ctx, limited, u)
	if err == nil && ready != nil {
		if err = ready(c); err != nil {
			c.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, net: limited}, nil
}

// secure begins to speak LDAP, in TLS if it should.
func (d *dialer) secure(ctx context.Context, raw *bounded, u *url.URL) (*ldap.Conn, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.tls != nil {
		settings = d.tls.Clone()
	}
	settings.ServerName = u.Hostname()
	if u.Scheme == "ldaps" {
		secure := tls.Client(raw, settings)
		if err := secure.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		c := ldap.NewConn(secure, true)
		c.SetTimeout(left(ctx))
		c.Start()
		return c, nil
	}
	c := ldap.NewConn(raw, false)
	// The library does not read on after a wrong answer to StartTLS, and so would not notice
	// the deadline of what is below it.
	c.SetTimeout(left(ctx))
	c.Start()
	if d.startTLS && u.Scheme == "ldap" {
		if err := c.StartTLS(settings); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// bounded is a connection that a server cannot hold on to, nor flood.
type bounded struct {
	net.Conn
	left atomic.Int64 // bytes
}

// begin allows for one operation, and the time that it has.
func (b *bounded) begin(ctx context.Context) {
	b.left.Store(maxAnswer)
	b.SetDeadline(time.Now().Add(left(ctx)))
}

// end says whether the connection is still good.
func (b *bounded) end() bool {
	return b.left.Load() > 0 && b.SetDeadline(time.Time{}) == nil
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left.Load() <= 0 {
		return 0, fault.New(fault.Unavailable, "the answer has more than %d bytes", maxAnswer)
	}
	n, err := b.Conn.Read(p)
	b.left.Add(-int64(n))
	return n, err
}
