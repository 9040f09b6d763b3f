//go:build !linux

package admin

import (
	"context"
	"net"
)

// WithPeer notes nothing: only its owner may open the control socket.
func WithPeer(ctx context.Context, _ net.Conn) context.Context { return ctx }
