//go:build !linux

package socket

import "net"

// Direct gives a connection that spares the scheduler, where there is such a thing.
func Direct(nc net.Conn) net.Conn { return nc }
