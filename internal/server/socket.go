package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/service"
	"posthorn/internal/wire"
)

// socket is a listening socket that outlives the servers behind it: each of them
// accepts on a lease, one at a time, and no connection is refused in between.
type socket struct {
	*net.TCPListener
}

// openSockets opens a socket for each listener, or none: those in open (by their
// place among the listeners) are there already.
func openSockets(ctx context.Context, listeners []config.Listener, open map[int]*socket) ([]*socket, error) {
	all := make([]*socket, len(listeners))
	var failed []error
	var opened []*socket
	for i, l := range listeners {
		if all[i] = open[i]; all[i] != nil {
			continue
		}
		s, err := openSocket(ctx, l)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all[i] = s
		opened = append(opened, s)
	}
	if len(failed) > 0 {
		for _, s := range opened {
			s.Close()
		}
		return nil, fault.New(fault.KindOf(failed[0]), "%w", errors.Join(failed...))
	}
	return all, nil
}

// adopt finds the listeners that inherited sockets are for: by name, which is that of
// the protocol, or by address. Those that are for none are closed.
func adopt(listeners []config.Listener, inherited []service.Socket, log *slog.Logger) map[int]*socket {
	all := make(map[int]*socket)
	for _, s := range inherited {
		i := slices.IndexFunc(listeners, func(l config.Listener) bool { return s.Name == string(l.Protocol) })
		if i < 0 || all[i] != nil {
			i = slices.IndexFunc(listeners, func(l config.Listener) bool { return sameAddress(l.Address, s.Addr()) })
		}
		if i < 0 || all[i] != nil {
			log.Warn("a socket of the service manager is for no listener", "name", s.Name, "address", s.Addr().String())
			s.Close()
			continue
		}
		all[i] = &socket{s.TCPListener}
	}
	return all
}

// sameAddress says whether a socket listens where a configuration says.
func sameAddress(address string, socket net.Addr) bool {
	host, port, err := net.SplitHostPort(address)
	tcp, ok := socket.(*net.TCPAddr)
	if err != nil || !ok || port != strconv.Itoa(tcp.Port) {
		return false
	}
	ip := net.ParseIP(host)
	if host == "" || ip.IsUnspecified() {
		return tcp.IP.IsUnspecified()
	}
	return ip.Equal(tcp.IP)
}

func openSocket(ctx context.Context, l config.Listener) (*socket, error) {
	listener, err := wire.Listen(ctx, l.Address)
	if err != nil {
		return nil, &SocketError{l, err}
	}
	return &socket{listener.(*net.TCPListener)}, nil
}

// SocketError says that a listener's address cannot be listened on.
type SocketError struct {
	Listener config.Listener
	err      error
}

func (e *SocketError) Error() string {
	reason := e.err
	for under := e.err; under != nil; under = errors.Unwrap(under) {
		reason = under // the innermost names what is wrong, and nothing twice
	}
	hint := ""
	if errors.Is(e.err, syscall.EACCES) {
		hint = " (ports below 1024 are for root, or a service with CAP_NET_BIND_SERVICE)"
	}
	return fmt.Sprintf("listener %s: cannot listen on %s: %v%s", e.Listener.Protocol, e.Listener.Address, reason, hint)
}

func (e *SocketError) Unwrap() error { return e.err }

// lease gives the socket to a server until it is closed.
func (s *socket) lease() *lease { return &lease{socket: s} }

// lease is a net.Listener on a socket. Closing it leaves the socket open.
type lease struct {
	*socket
	ended atomic.Bool
}

func (l *lease) Accept() (net.Conn, error) {
	nc, err := l.socket.Accept()
	if err != nil && l.ended.Load() {
		return nil, net.ErrClosed
	}
	return nc, err
}

// Close interrupts Accept. When that has returned, renew makes the socket ready for
// the next lease, which closing this one again must not disturb.
func (l *lease) Close() error {
	if !l.ended.CompareAndSwap(false, true) {
		return nil
	}
	return l.SetDeadline(time.Unix(1, 0))
}

func (s *socket) renew() error { return s.SetDeadline(time.Time{}) }
