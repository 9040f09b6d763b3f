package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

// A peer has a budget of time in which it may keep us waiting. It is renewed for
// each line, a wait uses it up, and each byte that arrives earns a little of it
// back. So a client may think for as long as the timeout allows, and send a
// large message over a slow line, but one that drips a byte a second to hold a
// connection is gone when the timeout is over.
const byteEarns = 2 * time.Millisecond // 500 bytes a second

const (
	bufferSize     = 16 << 10    // one TLS record
	hibernateAfter = time.Second // of silence: then the input buffer is given back
	maxDropped     = 1 << 20     // of an over-long line, before we hang up
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
// and a drain with ErrDraining. After ErrLineTooLong the line has been dropped
// whole and the session can go on.
func (c *Conn) ReadLine(max int) ([]byte, error) { return c.readLine(max, true) }

// ReadMore is ReadLine for a line that belongs to the command under way, like the
// answer to an AUTH challenge: neither Wake nor a drain interrupts it.
func (c *Conn) ReadMore(max int) ([]byte, error) { return c.readLine(max, false) }

func (c *Conn) readLine(max int, interruptible bool) ([]byte, error) {
	if errors.Is(c.readErr, ErrTooManyErrors) {
		return nil, c.readErr // also when the buffer is full of more of them
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
	if err := c.beforeWait(); err != nil {
		return 0, err
	}
	start := time.Now()
	n, err := c.readBefore(c.waitLimit(start), p, false)
	if n > 0 && c.transcript != nil {
		c.transcript.heard(p[:n])
	}
	return n, c.waited(n, start, err)
}

// receive waits until more has arrived in the buffer. After a while of silence
// the buffer is given back, and the wait goes on with room for a single byte.
func (c *Conn) receive(interruptible bool) error {
	if err := c.beforeWait(); err != nil {
		return err
	}
	start := time.Now()
	limit := c.waitLimit(start)
	var n int
	err := errDeadline
	if !c.silent || c.w > c.r {
		c.makeRoom()
		n, err = c.readBefore(earlier(start.Add(hibernateAfter), limit), c.in[c.w:], interruptible)
		c.w += n
	}
	if err == errDeadline {
		if c.w > c.r {
			n, err = c.readBefore(limit, c.in[c.w:], interruptible)
			c.w += n
		} else {
			n, err = c.hibernate(limit, interruptible)
		}
	}
	return c.waited(n, start, err)
}

// hibernate waits without buffers.
func (c *Conn) hibernate(limit time.Time, interruptible bool) (int, error) {
	c.releaseInput()
	if c.tls != nil {
		// TLS may have to answer a key update while it reads. A write deadline
		// that passed long ago would end the connection then.
		c.armWrite(limit.Add(c.srv.o.WriteTimeout))
	}
	c.srv.stats.hibernated.Add(1)
	n, err := c.readBefore(limit, c.one[:], interruptible)
	c.srv.stats.hibernated.Add(-1)
	// Woken without input, we do not expect any soon: the next wait starts here.
	c.silent = n == 0
	if n > 0 {
		c.in = getBuffer()
		c.w = copy(c.in, c.one[:n])
	}
	return n, err
}

// beforeWait refuses to read on after the end, and tells the peer what it may be
// waiting for.
func (c *Conn) beforeWait() error {
	if c.readErr != nil {
		return c.readErr
	}
	return c.Flush()
}

// waitLimit is when a wait that starts now has lasted too long.
func (c *Conn) waitLimit(start time.Time) time.Time {
	limit := start.Add(c.budget)
	if !c.preAuth.IsZero() {
		limit = earlier(limit, c.preAuth)
	}
	return limit
}

// waited does the accounts of a wait. The end of the input is remembered.
func (c *Conn) waited(n int, start time.Time, err error) error {
	c.received += int64(n)
	c.budget = min(c.budget-time.Since(start)+time.Duration(n)*byteEarns, c.idle)
	switch err {
	case nil, ErrWoken, ErrDraining:
	case errDeadline:
		err = ErrIdleTimeout
		fallthrough
	default:
		c.readErr = err
	}
	return err
}

// readBefore reads what there is into p, and waits for it until the deadline.
//
// The order of steps makes Wake safe: first the deadline is set, then the session
// says that it may be interrupted, then it looks whether it has been. A Wake
// before the look is seen by it; one after it finds sigWaiting and moves the
// deadline into the past. That move may also come late, when the session waits
// for something else already: then the read ends early, and is repeated.
func (c *Conn) readBefore(deadline time.Time, p []byte, interruptible bool) (int, error) {
	for {
		c.setReadDeadline(deadline)
		if interruptible {
			c.signals.Or(sigWaiting)
			if err := c.signaled(); err != nil {
				return 0, err
			}
		}
		n, err := c.rw.Read(p)
		if interruptible {
			c.signals.And(^sigWaiting)
		}
		if n > 0 || !isTimeout(err) {
			return n, err
		}
		c.deadline = time.Time{}
		if interruptible {
			if err := c.signaled(); err != nil {
				return 0, err
			}
		}
		if !time.Now().Before(deadline) {
			return 0, errDeadline
		}
	}
}

// signaled is the error that a signal asks for, if there is one.
func (c *Conn) signaled() error {
	switch s := c.signals.Load(); {
	case s&sigDraining != 0:
		c.signals.And(^sigWaiting)
		return ErrDraining
	case s&sigWoken != 0:
		c.signals.And(^(sigWaiting | sigWoken))
		return ErrWoken
	}
	return nil
}

// Wake may be called from any goroutine: the ReadLine that waits for a command
// now, or the next one that has to wait, returns ErrWoken.
func (c *Conn) Wake() { c.signal(sigWoken) }

func (c *Conn) signal(s signal) {
	if old := c.signals.Or(s); old&s == 0 && old&sigWaiting != 0 {
		c.sock.SetReadDeadline(longAgo)
	}
}

// setReadDeadline moves the transport's deadline, unless it is near enough: one
// that is up to half a second early only makes readBefore ask again.
func (c *Conn) setReadDeadline(t time.Time) {
	if early := t.Sub(c.deadline); early >= 0 && early < hibernateAfter/2 {
		return
	}
	c.deadline = t
	c.sock.SetReadDeadline(t)
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

// errDeadline is readBefore's own: its deadline has passed.
var errDeadline = errors.New("wire: deadline")

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
