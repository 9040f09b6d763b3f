package wire

import "syscall"

// AckNow has the kernel acknowledge at once what has arrived. For a session that waits
// for the last few bytes of a request: a client that writes them apart, without
// TCP_NODELAY, is held up by its own kernel until what it sent before is acknowledged,
// which ours delays by 40 ms because it has nothing to answer yet.
func (c *Conn) AckNow() {
	if raw := c.rawConn(); raw != nil {
		raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // it may be refused
		})
	}
}
