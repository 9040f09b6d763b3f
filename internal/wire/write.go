package wire

import (
	"time"
)

// progress is how much of a large write must go out within each WriteTimeout.
const progress = 128 << 10

// Write buffers p, or sends it if it is large. After an error all writes fail.
func (c *Conn) Write(p []byte) (int, error) {
	if c.writeErr != nil {
		return 0, c.writeErr
	}
	if c.transcript != nil {
		c.transcript.said(p)
	}
	total := len(p)
	if len(c.out)+len(p) > bufferSize {
		if len(c.out) > 0 {
			p = p[c.buffer(p):]
			if err := c.Flush(); err != nil {
				return 0, err
			}
		}
		if len(p) >= bufferSize {
			if err := c.send(p); err != nil {
				return 0, err
			}
			return total, nil
		}
	}
	c.buffer(p)
	return total, nil
}

// WriteString is Write of a string.
func (c *Conn) WriteString(s string) (int, error) {
	if len(c.out)+len(s) > bufferSize || c.transcript != nil {
		return c.Write([]byte(s))
	}
	if c.writeErr != nil {
		return 0, c.writeErr
	}
	c.needOutput()
	c.out = append(c.out, s...)
	return len(s), nil
}

// AvailableBuffer is an empty slice with the room that is left in the output
// buffer. Appending to it and then writing it spares a copy; it is valid until
// the next write.
func (c *Conn) AvailableBuffer() []byte {
	c.needOutput()
	return c.out[len(c.out):]
}

// Flush sends what is buffered. ReadLine and its likes do so before they wait.
func (c *Conn) Flush() error {
	if len(c.out) > 0 && c.writeErr == nil {
		c.send(c.out)
	}
	if c.out != nil {
		putBuffer(c.out)
		c.out = nil
	}
	return c.writeErr
}

// buffer appends as much of p as fits.
func (c *Conn) buffer(p []byte) int {
	c.needOutput()
	n := min(len(p), bufferSize-len(c.out))
	c.out = append(c.out, p[:n]...)
	return n
}

func (c *Conn) needOutput() {
	if c.out == nil {
		c.out = getBuffer()[:0]
	}
}

// send writes p to the peer. A peer that takes less than progress of it within
// the WriteTimeout does not read.
func (c *Conn) send(p []byte) error {
	for len(p) > 0 && c.writeErr == nil {
		now, timeout := time.Now(), c.srv.o.WriteTimeout
		if c.writeDeadline.Sub(now) < timeout*3/4 {
			c.armWrite(now.Add(timeout))
		}
		n, err := c.rw.Write(p[:min(len(p), progress)])
		c.sent += int64(n)
		p = p[n:]
		if isTimeout(err) {
			err = errWriteTimeout
		}
		c.writeErr = err
	}
	return c.writeErr
}

// armWrite moves the transport's write deadline.
func (c *Conn) armWrite(t time.Time) {
	c.writeDeadline = t
	c.sock.SetWriteDeadline(t)
}
