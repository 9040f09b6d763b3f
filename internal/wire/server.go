// Package wire owns the life of a connection, for every protocol: accepting it,
// the PROXY header, implicit TLS and STARTTLS, limits on how many there are,
// deadlines, the error budget, buffers, transcripts, the graceful drain, and the
// register of those who are logged in, which any of them can be made to leave.
//
// It never knows a protocol: what a line means, and what a peer is told, belongs
// to the session that runs in Options.Serve.
//
// Invariants:
//
//   - One goroutine per connection, started and awaited by its Server. All methods
//     of a Conn but Wake belong to that goroutine.
//   - No byte of the peer's is lost: whatever interrupts a read leaves what has
//     arrived in place for the next one.
//   - Nothing said in clear before STARTTLS is believed after it.
//   - A peer that sends slowly, or never reads, costs a bounded time; a peer that
//     says nothing costs no buffers.
//
// The flow: Serve accepts and counts (limits.go) -> a goroutine reads the PROXY
// header (proxy.go) and shakes hands (tls.go) -> Options.Serve runs the protocol
// over read.go and write.go -> what is left to say is flushed, and the connection
// closed. Shutdown (drain.go) wakes whoever waits and waits for everybody.
package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/internal/fault"
)

// Options describe one protocol's connections.
type Options struct {
	Protocol    string         // "imap", for logs and metrics
	TLS         *tls.Config    // nil: no TLS offered
	ImplicitTLS bool           // TLS from the first byte
	ProxyFrom   []netip.Prefix // peers that must send a PROXY header (v1 or v2)
	Exempt      []netip.Prefix // networks that the limits on connections never apply to

	MaxConns      int // connections at a time; 0: no limit
	MaxConnsPerIP int // per IPv4 address or IPv6 /64; 0: no limit

	// Refuse turns a peer away before anything is said, TLS included: it gives what the
	// peer is told in clear ("421 4.7.0 …\r\n"), and why, for the log. nil: nobody.
	Refuse func(netip.Addr) (reply, why string)
	// Sessions knows those who are logged in; nil: nobody does.
	Sessions *Sessions

	// PreAuthTimeout and IdleTimeout bound each wait for a line, before and after
	// Authenticated. They bound the whole line, not the next byte: see read.go.
	PreAuthTimeout time.Duration // default 1 minute
	IdleTimeout    time.Duration // default 30 minutes
	// PreAuthTotal bounds the whole time before Authenticated; 0: no bound, as
	// it must be where clients do not authenticate (mail exchange).
	PreAuthTotal time.Duration
	WriteTimeout time.Duration // for each step of progress in sending; default 2 minutes
	TLSTimeout   time.Duration // for the PROXY header and each handshake; default 30 seconds

	MaxErrors int // protocol errors before the connection is closed; default 20

	Logger *slog.Logger // default: nothing is logged
	// Serve runs the protocol. The connection is closed when it returns. A panic
	// is caught, logged with its stack, and ends this connection only.
	Serve func(ctx context.Context, c *Conn)
	// Busy is sent before closing when a limit is hit ("421 4.7.0 …\r\n").
	Busy string
}

func (o *Options) setDefaults() {
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orDuration(&o.PreAuthTimeout, time.Minute)
	orDuration(&o.IdleTimeout, 30*time.Minute)
	orDuration(&o.WriteTimeout, 2*time.Minute)
	orDuration(&o.TLSTimeout, 30*time.Second)
	if o.MaxErrors <= 0 {
		o.MaxErrors = 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Server runs the connections of one protocol.
type Server struct {
	o      Options
	log    *slog.Logger
	limits limits
	stats  counters
	ctx    context.Context // every session's; ends when patience with them does
	cancel context.CancelFunc
	ending chan struct{}  // closed when the server begins to drain
	wg     sync.WaitGroup // the goroutines of all connections

	mu        sync.Mutex
	draining  bool
	listeners map[net.Listener]struct{}
	conns     map[*Conn]struct{}
}

// NewServer makes a server of o.
func NewServer(o Options) *Server {
	o.setDefaults()
	s := &Server{
		o:         o,
		log:       o.Logger.With("protocol", o.Protocol),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*Conn]struct{}),
		ending:    make(chan struct{}),
	}
	s.limits.init(&s.o)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Listen opens a TCP listener that probes silent peers often enough to notice
// half-open connections within ten minutes, and rarely enough to let phones sleep.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 5 * time.Minute, Interval: time.Minute, Count: 5,
	}}
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "wire: %w", err)
	}
	return l, nil
}

// Serve accepts connections from l until Shutdown, and then returns nil. It
// closes l. It may run for several listeners at a time.
func (s *Server) Serve(l net.Listener) error {
	if !s.track(l) {
		l.Close()
		return nil
	}
	defer s.untrack(l)
	var delay time.Duration
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
			s.admit(nc)
		case s.isDraining():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fault.New(fault.Unavailable, "wire: accept: %w", err)
		default:
			// Out of file descriptors, or a peer that left before it was
			// accepted: neither is a reason to stop, nor to spin.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.log.Warn("accept failed", "error", err, "retry_in", delay)
			s.pause(delay)
		}
	}
}

// ServeConn runs one connection in the caller's goroutine and returns when it is
// closed.
func (s *Server) ServeConn(nc net.Conn) {
	if c := s.register(nc); c != nil {
		s.run(c)
	}
}

// admit starts the goroutine of an accepted connection, or turns it away.
func (s *Server) admit(nc net.Conn) {
	if c := s.register(nc); c != nil {
		go s.run(c)
	}
}

// register makes the Conn of a new connection and counts it, or closes it and
// returns nil when there are too many or the server is shutting down.
func (s *Server) register(nc net.Conn) *Conn {
	c := newConn(s, nc)
	// Behind a proxy the peer is known, and counted, after its header.
	if !c.fromProxy && !c.enter() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		s.limits.leave(c)
		nc.Close()
		return nil
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	s.stats.accepted.Add(1)
	return c
}

// run is the life of a connection that register has let in.
func (s *Server) run(c *Conn) {
	defer s.end(c)
	if c.open() {
		s.o.Serve(s.ctx, c)
	}
}

// end is deferred by run: it catches the session's panic and cleans up.
func (s *Server) end(c *Conn) {
	if p := recover(); p != nil {
		s.stats.panics.Add(1)
		c.Log().Error("panic in session", "panic", p, "stack", string(debug.Stack()))
	}
	c.close()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.limits.leave(c)
	s.o.Sessions.end(c)
	s.wg.Done()
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) untrack(l net.Listener) {
	l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// pause waits a while, or less when the server drains.
func (s *Server) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ending:
	}
}

// counters are what Stats reports.
type counters struct {
	accepted, refused, panics, handshakesFailed, loggedIn, asleep atomic.Int64
}

// Stats is a server's state at a moment, for metrics.
type Stats struct {
	Open             int   // connections now
	Asleep           int64 // of them, those that wait without buffers
	Accepted         int64 // since the start
	Refused          int64 // because of a limit
	HandshakesFailed int64
	LoggedIn         int64
	Panics           int64
}

// Stats reports the server's state.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	open := len(s.conns)
	s.mu.Unlock()
	return Stats{
		Open:             open,
		Asleep:           s.stats.asleep.Load(),
		Accepted:         s.stats.accepted.Load(),
		Refused:          s.stats.refused.Load(),
		HandshakesFailed: s.stats.handshakesFailed.Load(),
		LoggedIn:         s.stats.loggedIn.Load(),
		Panics:           s.stats.panics.Load(),
	}
}
