package admin

import (
	"context"
	"net"
	"syscall"
)

// WithPeer notes in a connection's context which user is at its other end. It is for
// http.Server.ConnContext.
func WithPeer(ctx context.Context, nc net.Conn) context.Context {
	unix, ok := nc.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *syscall.Ucred
	err = raw.Control(func(fd uintptr) {
		peer, _ = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil || peer == nil {
		return ctx
	}
	return context.WithValue(ctx, uidKey{}, int(peer.Uid))
}
