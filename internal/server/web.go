package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/login"
	"posthorn/internal/wire"
)

// web is the face for HTTP: connections that wire has accepted, limited and secured are
// handed to net/http, which is served from a listener that they arrive at.
type web struct {
	server *http.Server
	socket *arrivals
	served chan struct{}
}

// newWeb makes the face of a listener and starts it; stop ends it.
func (s *Server) newWeb(set settings) *web {
	l := set.Listener
	exempt := func(ip netip.Addr) bool {
		return slices.ContainsFunc(set.Limits.Exempt, func(n netip.Prefix) bool { return n.Contains(ip) })
	}
	v := &web{
		socket: &arrivals{conns: make(chan net.Conn), closed: make(chan struct{})}, served: make(chan struct{}),
		server: &http.Server{
			Handler:     s.api().Handler(s.gate(set), exempt),
			ConnContext: introduce,
			// A client is slow, or a request takes its time (admin bounds that): both end.
			ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: time.Minute,
			MaxHeaderBytes: 16 << 10,
			ErrorLog:       slog.NewLogLogger(s.log.With("protocol", string(l.Protocol)).Handler(), slog.LevelDebug),
		},
	}
	go func() {
		defer close(v.served)
		_ = v.server.Serve(v.socket) // it ends when it is told to, and for no other reason
	}()
	return v
}

// serve is the wire.Options.Serve of a listener: it waits until net/http is done with a
// connection.
func (v *web) serve(_ context.Context, c *wire.Conn) {
	a := &arrival{Conn: c.Transport(), from: c, done: make(chan struct{})}
	select {
	case v.socket.conns <- a:
		<-a.done
	case <-v.socket.closed:
	}
}

// leave ends connections after the request that they are at.
func (v *web) leave() {
	if v != nil {
		v.server.SetKeepAlivesEnabled(false)
	}
}

// stop lets requests under way come to their end, as far as ctx leaves time for it.
func (v *web) stop(ctx context.Context) error {
	if v == nil {
		return nil
	}
	err := v.server.Shutdown(ctx)
	if err != nil {
		v.server.Close()
	}
	<-v.served
	return err
}

// arrivals is a net.Listener at which connections arrive that others have accepted.
type arrivals struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept is of net.Listener.
func (a *arrivals) Accept() (net.Conn, error) {
	select {
	case nc := <-a.conns:
		return nc, nil
	case <-a.closed:
		return nil, net.ErrClosed
	}
}

// Close is of net.Listener.
func (a *arrivals) Close() error {
	a.once.Do(func() { close(a.closed) })
	return nil
}

// Addr is of net.Listener.
func (a *arrivals) Addr() net.Addr { return &net.TCPAddr{} }

// arrival is one of them.
type arrival struct {
	net.Conn
	from *wire.Conn
	once sync.Once
	done chan struct{} // closed when it is
}

// Close is of net.Conn.
func (a *arrival) Close() error {
	err := a.Conn.Close()
	a.once.Do(func() { close(a.done) })
	return err
}

// introduce is the http.Server.ConnContext.
func introduce(ctx context.Context, nc net.Conn) context.Context {
	a, ok := nc.(*arrival)
	if !ok {
		return ctx
	}
	c := a.from
	return admin.WithConnection(ctx, login.Peer{Remote: c.RemoteAddr().Addr(), TLS: c.TLS(), Conn: c.ID(), Log: c.Log()})
}

// speaksHTTP says that a listener's face is a web.
func speaksHTTP(p config.Protocol) bool { return p == config.HTTP || p == config.HTTPS }
