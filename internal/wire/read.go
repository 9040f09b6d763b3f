package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
)

const (
	bufferSize = 16 << 10 // one TLS record
	maxDropped = 1 << 20  // of an over-long line, before we hang up
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func getBuffer() []byte { return buffers.Get().(*[bufferSize]byte)[:] }

func putBuffer(b []byte) {
	if cap(b) == bufferSize {
		buffers.Put((*[bufferSize]byte)(b[:bufferSize]))
	}
}

// ReadLine waits for a command and returns its line, including the LF that ends
// it, at most max bytes. The line is valid until the next read. Pending output is
// flushed before waiting.
//
// As long as nothing of the line has arrived, Wake interrupts it with ErrWoken,
// and a drain with ErrDraining. A session that is to end gets no further line, but
// ErrEnded. After ErrLineTooLong the line has been dropped
// whole and the session can go on.
func (c *Conn) ReadLine(max int) ([]byte, error) { return c.readLine(max, true) }

// ReadMore is ReadLine for a line that belongs to the command under way, like the
// answer to an AUTH challenge: neither Wake nor a drain interrupts it.
func (c *Conn) ReadMore(max int) ([]byte, error) { return c.readLine(max, false) }

func (c *Conn) readLine(max int, interruptible bool) ([]byte, error) {
	if errors.Is(c.readErr, ErrTooManyErrors) {
		return nil, c.readErr // also when the buffer is full of more of them
	}
	if interruptible && c.signals.Load()&sigEnded != 0 {
		return nil, ErrEnded // likewise
	}
	if !c.inLine {
		c.inLine, c.budget = true, c.idle
	}
	scanned := 0
	for {
		b := c.in[c.r:c.w]
		if i := bytes.IndexByte(b[scanned:], '\n'); i >= 0 {
			n := scanned + i + 1
			c.inLine = false
			if interruptible {
				c.seen = c.srv.o.Sessions.count()
			}
			if n > max {
				c.r += n
				return nil, ErrLineTooLong
			}
			c.consume(n)
			return b[:n], nil
		}
		if scanned = len(b); scanned >= max {
			return nil, c.dropLine()
		}
		if err := c.receive(interruptible && scanned == 0); err != nil {
			if err == io.EOF && scanned > 0 {
				c.readErr = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// dropLine consumes the rest of a line that is too long.
func (c *Conn) dropLine() error {
	dropped := 0
	for {
		b := c.in[c.r:c.w]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			c.r += i + 1
			c.inLine = false
			return ErrLineTooLong
		}
		c.r = c.w
		if dropped += len(b); dropped > maxDropped {
			c.readErr = errEndlessLine
			return errEndlessLine
		}
		if err := c.receive(false); err != nil {
			return err
		}
	}
}

// Fill waits until more bytes have arrived than Buffered has. Neither Wake nor a
// drain interrupts it. The buffer takes at least 16 KiB: fill it, use it, Discard.
func (c *Conn) Fill() error {
	if c.w-c.r >= bufferSize {
		return bufio.ErrBufferFull
	}
	return c.receive(false)
}

// Buffered is what has arrived and not been consumed; valid until the next read.
func (c *Conn) Buffered() []byte { return c.in[c.r:c.w] }

// Discard consumes n bytes of Buffered.
func (c *Conn) Discard(n int) {
	if n < 0 || n > c.w-c.r {
		panic("wire: Discard of more than is buffered")
	}
	c.consume(n)
}

// Read is io.Reader. Neither Wake nor a drain interrupts it.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.r == c.w {
		if len(p) >= bufferSize {
			return c.readDirectly(p)
		}
		if err := c.receive(false); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.in[c.r:c.w])
	c.consume(n)
	return n, nil
}

// consume hands n buffered bytes to the session.
func (c *Conn) consume(n int) {
	if c.transcript != nil {
		c.transcript.heard(c.in[c.r : c.r+n])
	}
	c.r += n
}

// readDirectly spares large reads the buffer.
func (c *Conn) readDirectly(p []byte) (int, error) {
	n, err := c.receiveInto(p)
	if n > 0 && c.transcript != nil {
		c.transcript.heard(p[:n])
	}
	return n, err
}

// makeRoom provides a buffer with room for more.
func (c *Conn) makeRoom() {
	if c.r == c.w {
		c.r, c.w = 0, 0
		if len(c.in) != bufferSize {
			c.in = getBuffer() // none, or one that grew for a long line
		}
		return
	}
	const enough = bufferSize / 4
	if len(c.in)-c.w >= enough {
		return
	}
	into := c.in
	if len(c.in)-(c.w-c.r) < enough {
		into = make([]byte, 2*len(c.in))
	}
	n := copy(into, c.in[c.r:c.w])
	if len(into) != len(c.in) {
		putBuffer(c.in)
	}
	c.in, c.r, c.w = into, 0, n
}

// releaseInput gives the input buffer back, with all that is in it.
func (c *Conn) releaseInput() {
	putBuffer(c.in)
	c.in, c.r, c.w = nil, 0, 0
}
