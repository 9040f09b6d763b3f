package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/socket"
)

// What a read may return besides the transport's own errors. All but ErrWoken
// and ErrLineTooLong end the conversation: the session may still say goodbye.
var (
	ErrWoken         = fault.New(fault.Canceled, "wire: woken")                                // Wake was called; read again
	ErrLineTooLong   = fault.New(fault.TooLarge, "wire: line too long")                        // the line was dropped; read on
	ErrDraining      = fault.New(fault.Unavailable, "wire: the server is shutting down")       // say goodbye
	ErrEnded         = fault.New(fault.Canceled, "wire: the session was ended")                // say goodbye
	ErrIdleTimeout   = fault.New(fault.Canceled, "wire: nothing came in time")                 // say goodbye
	ErrTooManyErrors = fault.New(fault.Limit, "wire: too many protocol errors")                // say goodbye
	errEndlessLine   = fault.New(fault.Limit, "wire: a line without end")                      // hang up
	errWriteTimeout  = fault.New(fault.Canceled, "wire: the peer does not read what it asked") // hang up
)

// Conn is one connection. All methods but Wake are for the session's goroutine.
type Conn struct {
	srv      *Server
	sock     net.Conn  // the transport; Wake and Shutdown touch only this one
	rw       net.Conn  // what the buffers talk to: sock, TLS over it, DEFLATE over either
	tls      *tls.Conn // nil in clear
	deflated *deflated // nil unless compressed
	id       string
	remote   netip.AddrPort
	local    netip.AddrPort
	log      *slog.Logger // made when first asked for
	user     string
	opened   time.Time

	fromProxy bool // the transport's peer is a proxy, which must introduce the client
	counted   bool // holds a place in the limits
	limitKey  netip.Addr
	session   *session // its place among Sessions; nil: it has none

	// Reading: read.go.
	in       []byte        // the buffer, nil while there is nothing in it and no read under way
	r, w     int           // in[r:w] has arrived and not been consumed
	inLine   bool          // a ReadLine is under way, perhaps interrupted by Wake
	one      [1]byte       // where the first byte after a long silence arrives
	budget   time.Duration // how long the peer may still keep us waiting
	idle     time.Duration // what a new line's budget is
	deadline time.Time     // the transport's read deadline, as far as we know
	preAuth  time.Time     // when being not authenticated must end; zero: never
	readErr  error         // what ended reading
	signals  atomic.Uint32 // see signal
	seen     uint32        // how many endings of Sessions there had been when the last command came
	errors   int           // protocol errors so far, or since the last Forgive
	received int64

	// Waiting: wait.go.
	waitStart time.Time
	waitLimit time.Time
	asleep    bool // without a buffer, since nothing came for a while
	stirred   bool // something came in this wait, but nothing that can be used yet
	quiet     bool // nothing is expected

	// Writing: write.go.
	out           []byte // the buffer, nil while there is nothing in it
	writeDeadline time.Time
	writeErr      error // what ended writing
	sent          int64

	transcript *transcript
}

// signal is a bit of Conn.signals.
type signal = uint32

const (
	sigWaiting  signal = 1 << iota // the session waits for a command, and may be interrupted
	sigWoken                       // Wake was called and not yet reported
	sigDraining                    // Shutdown was called
	sigEnded                       // Sessions wants it to end
)

func newConn(s *Server, nc net.Conn) *Conn {
	nc = socket.Direct(nc)
	c := &Conn{
		srv: s, sock: nc, rw: nc, id: newID(), opened: time.Now(),
		remote: addrPort(nc.RemoteAddr()), local: addrPort(nc.LocalAddr()),
		idle: s.o.PreAuthTimeout, budget: s.o.PreAuthTimeout,
	}
	if s.o.PreAuthTotal > 0 {
		c.preAuth = c.opened.Add(s.o.PreAuthTotal)
	}
	c.fromProxy = contains(s.o.ProxyFrom, c.remote.Addr())
	return c
}

// open does what comes before the protocol: the PROXY header, the place in the
// limits, implicit TLS.
func (c *Conn) open() bool {
	if c.fromProxy {
		if c.readProxyHeader() != nil {
			return false
		}
		if !c.enter() {
			return false
		}
	}
	if c.srv.o.ImplicitTLS && c.handshake() != nil {
		return false
	}
	c.Log().Debug("connection opened", "tls", c.tls != nil)
	return true
}

// close says what is left to say, closes the transport and logs why it ended.
func (c *Conn) close() {
	flushErr := c.Flush()
	c.releaseInput()
	if flushErr == nil && c.abusive() {
		c.linger()
	}
	c.rw.Close()
	c.logEnd()
}

// abusive reports whether we, not the peer, ended the conversation while it may
// still have been talking.
func (c *Conn) abusive() bool {
	return errors.Is(c.readErr, ErrTooManyErrors) || errors.Is(c.readErr, errEndlessLine)
}

// linger lets the peer read our last words: a TCP that is closed with unread
// input resets the connection, and the reset overtakes the reply.
func (c *Conn) linger() {
	half, ok := c.sock.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	const patience, most = time.Second, 256 << 10
	if c.sock.SetReadDeadline(time.Now().Add(patience)) == nil {
		io.CopyN(io.Discard, c.sock, most)
	}
}

func (c *Conn) logEnd() {
	err := c.readErr
	if c.writeErr != nil {
		err = c.writeErr
	}
	level, text := slog.LevelDebug, "connection closed"
	if err != nil && !isGone(err) && !errors.Is(err, ErrDraining) {
		level = slog.LevelInfo
	}
	log := c.Log()
	if !log.Enabled(c.srv.ctx, level) {
		return
	}
	args := []any{"duration", time.Since(c.opened).Round(time.Millisecond), "in", c.received, "out", c.sent}
	if err != nil {
		args = append(args, "reason", err)
	}
	log.Log(c.srv.ctx, level, text, args...)
}

// isGone reports whether an error only says that the peer went away.
func isGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// ID is the connection's name in every log line: eight letters, unique enough.
func (c *Conn) ID() string { return c.id }

// Log is the connection's logger: it names the connection, the peer, the protocol
// and, once known, the user.
func (c *Conn) Log() *slog.Logger {
	if c.log == nil {
		c.log = c.srv.log.With("conn", c.id, "remote", c.remote.String())
		if c.user != "" {
			c.log = c.log.With("user", c.user)
		}
	}
	return c.log
}

// SetLog replaces the logger.
func (c *Conn) SetLog(l *slog.Logger) { c.log = l }

// RemoteAddr is the client's address, as told by the proxy if there is one. It
// is invalid for transports without addresses.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// LocalAddr is the address that the client connected to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Protocol is the protocol's name.
func (c *Conn) Protocol() string { return c.srv.o.Protocol }

// Authenticated says that the peer is somebody now: the pre-authentication timeouts
// end, and the log names the user.
func (c *Conn) Authenticated(l Login) {
	c.srv.stats.loggedIn.Add(1)
	c.user, c.preAuth = l.User, time.Time{}
	c.srv.o.Sessions.end(c)
	c.srv.o.Sessions.begin(c, l)
	c.SetIdleTimeout(c.srv.o.IdleTimeout)
	if c.log != nil {
		c.log = c.log.With("user", l.User)
	}
}

// CallsItself says what the peer's program calls itself, once it is logged in.
func (c *Conn) CallsItself(client string) { c.srv.o.Sessions.rename(c, client) }

// Unauthenticated takes Authenticated back: somebody else may log in.
func (c *Conn) Unauthenticated() {
	c.user, c.log = "", nil
	c.srv.o.Sessions.end(c)
	if total := c.srv.o.PreAuthTotal; total > 0 {
		c.preAuth = time.Now().Add(total)
	}
	c.SetIdleTimeout(c.srv.o.PreAuthTimeout)
}

// SetIdleTimeout changes how long the peer may take for each line from now on.
func (c *Conn) SetIdleTimeout(d time.Duration) { c.idle, c.budget = d, d }

// ProtocolError counts an error of the peer's. Once it reports too many, reads
// return ErrTooManyErrors.
func (c *Conn) ProtocolError() (tooMany bool) {
	c.errors++
	if c.errors < c.srv.o.MaxErrors {
		return false
	}
	if c.readErr == nil {
		c.readErr = ErrTooManyErrors
	}
	return true
}

// Errors counts the errors of the peer's since the last Forgive.
func (c *Conn) Errors() int { return c.errors }

// Forgive forgets the peer's errors so far: it has shown that it is up to some good.
func (c *Conn) Forgive() { c.errors = 0 }

// newID makes a connection's name. Chance suffices: it only has to tell apart the
// connections in one stretch of log.
func newID() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789"
	var id [8]byte
	bits := rand.Uint64()
	for i := range id {
		id[i] = letters[bits&31]
		bits >>= 5
	}
	return string(id[:])
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	if a == nil {
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return ap
}
