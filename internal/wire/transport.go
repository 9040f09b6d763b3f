package wire

import (
	"net"
	"time"
)

// Transport hands the connection to somebody who reads and writes it by himself, with
// deadlines of his own, like net/http: TLS if it is spoken, else the socket. From then on
// the Conn must not be read or written; Serve is to return when the transport has been
// closed. A drain does not interrupt it, and is for him to see to; Shutdown's end cuts it.
func (c *Conn) Transport() net.Conn {
	var nc net.Conn = c.rw
	if c.w > c.r {
		nc = &prefixed{Conn: c.rw, prefix: append([]byte(nil), c.in[c.r:c.w]...)}
	}
	c.releaseInput()
	c.deadline, c.writeDeadline = time.Time{}, time.Time{}
	// One that fails is closed, as its next user finds out.
	_ = nc.SetDeadline(time.Time{})
	return nc
}
