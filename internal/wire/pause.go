package wire

import (
	"bytes"
	"time"
)

// SpeaksWithin waits so long for the peer to say something, and reports whether it
// has. Nothing of it is consumed. If the connection ends meanwhile, the next read says so.
func (c *Conn) SpeaksWithin(d time.Duration) bool {
	if c.w > c.r {
		return true
	}
	budget := c.budget
	c.budget = d
	err := c.receive(true)
	c.budget = budget
	if c.readErr == ErrIdleTimeout {
		c.readErr = nil
	}
	return err == nil
}

// Pause keeps the peer waiting: what was said to it is sent, and then nothing happens
// for so long, or until the server drains. It costs no buffers; what has arrived stays,
// but lines that were read are not valid any more.
func (c *Conn) Pause(d time.Duration) {
	if d <= 0 || c.Flush() != nil {
		return
	}
	left := bytes.Clone(c.Buffered())
	c.releaseInput()
	c.srv.pause(d)
	if len(left) == 0 {
		return
	}
	if c.in = getBuffer(); len(left) > len(c.in) {
		putBuffer(c.in)
		c.in = left
	}
	c.w = copy(c.in, left)
}
