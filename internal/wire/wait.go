package wire

import (
	"errors"
	"os"
	"syscall"
	"time"

	"posthorn/internal/socket"
)

// A peer has a budget of time in which it may keep us waiting. It is renewed for
// each line, a wait uses it up, and each byte that arrives earns a little of it
// back. So a client may think for as long as the timeout allows, and send a
// large message over a slow line, but one that drips a byte a second to hold a
// connection is gone when the timeout is over.
const byteEarns = 2 * time.Millisecond // 500 bytes a second

// After so much silence a connection falls asleep: it gives its input buffer
// back, and waits without one. The stack counts too there: the garbage collector
// halves one of 8 KiB only while less than a quarter of it is in use. So the state
// of a wait lives in the Conn and the calls are few; they leave the session some
// 500 bytes for its own frames above ReadLine.
const sleepAfter = 250 * time.Millisecond

// receive waits until more has arrived in the buffer.
func (c *Conn) receive(interruptible bool) error {
	if err := c.beforeWait(); err != nil {
		return err
	}
	for {
		if err := c.arm(interruptible); err != nil {
			return c.waited(0, err)
		}
		var n int
		var err error
		if c.asleep {
			n, err = c.sleep()
		} else {
			n, err = c.rw.Read(c.in[c.w:])
			c.w += n
		}
		if interruptible {
			c.signals.And(^sigWaiting)
		}
		if done, err := c.judge(n, err); done {
			return err
		}
	}
}

// receiveInto waits for what fits into p, which is not the buffer.
func (c *Conn) receiveInto(p []byte) (int, error) {
	if err := c.beforeWait(); err != nil {
		return 0, err
	}
	for {
		c.setReadDeadline(c.waitLimit)
		n, err := c.rw.Read(p)
		if done, err := c.judge(n, err); done {
			return n, err
		}
	}
}

// beforeWait refuses to read on after the end, tells the peer what it may be
// waiting for, and starts the clock.
func (c *Conn) beforeWait() error {
	if c.readErr != nil {
		return c.readErr
	}
	if err := c.Flush(); err != nil {
		return err
	}
	c.waitStart = time.Now()
	c.waitLimit = c.waitStart.Add(c.budget)
	if !c.preAuth.IsZero() && c.preAuth.Before(c.waitLimit) {
		c.waitLimit = c.preAuth
	}
	return nil
}

// arm prepares for the next read.
//
// The order of steps makes Wake safe: first the deadline is set, then the session
// says that it may be interrupted, then it looks whether it has been. A Wake
// before the look is seen by it; one after it finds sigWaiting and moves the
// deadline into the past. That move may also come late, when the session waits
// for something else already: then the read ends early, and is repeated.
func (c *Conn) arm(interruptible bool) error {
	c.asleep = c.asleep && c.w == c.r
	deadline := c.waitLimit
	if !c.asleep {
		c.makeRoom()
		if c.w == c.r && !c.stirred {
			deadline = earlier(deadline, c.waitStart.Add(c.patience()))
		}
	}
	c.setReadDeadline(deadline)
	if interruptible {
		c.signals.Or(sigWaiting)
		return c.signaled()
	}
	return nil
}

// patience is how long the next wait keeps its buffer.
func (c *Conn) patience() time.Duration {
	if c.quiet {
		return time.Millisecond
	}
	return sleepAfter
}

// judge decides whether a wait is over after a read.
func (c *Conn) judge(n int, err error) (done bool, _ error) {
	switch {
	case n > 0:
		return true, c.waited(n, nil)
	case err == nil: // awake again
		c.asleep, c.stirred = false, true
		return false, nil
	case !isTimeout(err):
		return true, c.waited(0, err)
	}
	// The deadline passed, or somebody moved it.
	c.deadline = time.Time{}
	switch now := time.Now(); {
	case !now.Before(c.waitLimit):
		return true, c.waited(0, ErrIdleTimeout)
	case c.w == c.r && now.Sub(c.waitStart) >= c.patience():
		c.fallAsleep()
	}
	return false, nil
}

// waited does the accounts of a wait. The end of the input is remembered.
func (c *Conn) waited(n int, err error) error {
	c.received += int64(n)
	c.budget = min(c.budget-time.Since(c.waitStart)+time.Duration(n)*byteEarns, c.idle)
	c.stirred = false
	switch err {
	case nil:
		c.asleep, c.quiet = false, false
	case ErrWoken, ErrDraining, ErrEnded: // still as asleep as before
	default:
		c.readErr = err
	}
	return err
}

// ExpectSilence says that the peer is not expected to speak soon, as in IMAP's
// IDLE: the next wait gives its buffers back at once.
func (c *Conn) ExpectSilence() { c.quiet = true }

// fallAsleep gives the buffer back.
func (c *Conn) fallAsleep() {
	c.releaseInput()
	c.asleep = true
	if c.tls != nil {
		// TLS may have to answer a key update while it reads. A write deadline
		// that passed long ago would end the connection then.
		c.armWrite(c.waitLimit.Add(c.srv.o.WriteTimeout))
	}
}

// sleep waits for input without a buffer. Of a socket it waits until something
// can be read, and then returns 0 and no error. This holds for TLS as well: we
// are here because a read of TLS found nothing, so that only more from the
// socket can bring it on. Of other transports it reads a single byte.
func (c *Conn) sleep() (n int, err error) {
	c.srv.stats.asleep.Add(1)
	if raw := c.rawConn(); raw != nil {
		err = raw.Read(socket.Readable)
	} else {
		n, err = c.readByte()
	}
	c.srv.stats.asleep.Add(-1)
	return n, err
}

func (c *Conn) rawConn() syscall.RawConn {
	s, ok := c.sock.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

func (c *Conn) readByte() (int, error) {
	n, err := c.rw.Read(c.one[:])
	if n > 0 {
		c.in = getBuffer()
		c.w = copy(c.in, c.one[:n])
	}
	return n, err
}

// setReadDeadline moves the transport's deadline, unless it is near enough: one
// that is a little early only makes us ask again.
func (c *Conn) setReadDeadline(t time.Time) {
	if early := t.Sub(c.deadline); early >= 0 && early < sleepAfter/2 {
		return
	}
	c.deadline = t
	c.sock.SetReadDeadline(t)
}

// signaled is the error that a signal asks for, if there is one.
func (c *Conn) signaled() error {
	switch s := c.signals.Load(); {
	case s&sigEnded != 0:
		c.signals.And(^sigWaiting)
		return ErrEnded
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

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
