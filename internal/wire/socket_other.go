//go:build !linux

package wire

import "net"

// direct gives a connection that spares the scheduler, where there is such a thing.
func direct(nc net.Conn) net.Conn { return nc }
