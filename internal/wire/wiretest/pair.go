// Package wiretest is for tests of protocols that run over wire: connections in
// memory, and a server with nothing around it. Everything in it works inside a
// testing/synctest bubble, but for Lonely, which is for real sockets.
package wiretest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// window is how much one side may say before the other has read it.
const window = 64 << 10

// Pair is a connection in memory, as its two ends. Unlike net.Pipe it buffers 64
// KiB each way, so that a write does not have to wait for its reader, and the
// ends can be closed for writing alone (CloseWrite).
func Pair() (client, server net.Conn) {
	up, down := newStream(), newStream()
	client = &end{in: down, out: up, local: clientAddr, remote: serverAddr}
	server = &end{in: up, out: down, local: serverAddr, remote: clientAddr}
	return client, server
}

// The addresses that a Pair has.
var (
	clientAddr = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 40000}
	serverAddr = &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1).To4(), Port: 25}
)

// end is one end of a Pair.
type end struct {
	in, out       *stream
	local, remote net.Addr
}

func (e *end) Read(p []byte) (int, error)         { return e.in.read(p) }
func (e *end) Write(p []byte) (int, error)        { return e.out.write(p) }
func (e *end) LocalAddr() net.Addr                { return e.local }
func (e *end) RemoteAddr() net.Addr               { return e.remote }
func (e *end) SetReadDeadline(t time.Time) error  { e.in.reading.set(e.in, t); return nil }
func (e *end) SetWriteDeadline(t time.Time) error { e.out.writing.set(e.out, t); return nil }

func (e *end) SetDeadline(t time.Time) error {
	e.SetReadDeadline(t)
	e.SetWriteDeadline(t)
	return nil
}

// Arrived says whether a read would not wait, as MSG_PEEK does of a socket.
func (e *end) Arrived() bool {
	e.in.mu.Lock()
	defer e.in.mu.Unlock()
	return len(e.in.buf) > 0 || e.in.eof || e.in.reading.closed
}

// CloseWrite says that nothing more will be written.
func (e *end) CloseWrite() error {
	e.out.shut(func(s *stream) { s.eof = true })
	return nil
}

// Close ends both directions. What was written can still be read.
func (e *end) Close() error {
	e.out.shut(func(s *stream) { s.eof, s.writing.closed = true, true })
	e.in.shut(func(s *stream) { s.broken, s.reading.closed = true, true })
	return nil
}

// stream is one direction of a Pair.
type stream struct {
	mu      sync.Mutex
	changed sync.Cond
	buf     []byte
	eof     bool // no more will be written
	broken  bool // no more will be read
	reading side
	writing side
}

// side is the state of the reader or of the writer of a stream.
type side struct {
	deadline time.Time
	timer    *time.Timer
	closed   bool
}

func newStream() *stream {
	s := new(stream)
	s.changed.L = &s.mu
	return s
}

func (d *side) set(s *stream, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.deadline = t
	if wait := time.Until(t); !t.IsZero() && wait > 0 && !d.closed {
		d.timer = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed.Broadcast()
		})
	}
	s.changed.Broadcast()
}

// err is why the side cannot go on, if it cannot.
func (d *side) err() error {
	switch {
	case d.closed:
		return net.ErrClosed
	case !d.deadline.IsZero() && !time.Now().Before(d.deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := s.reading.err(); err != nil {
			return 0, err
		}
		if len(s.buf) > 0 {
			n := copy(p, s.buf)
			s.buf = s.buf[n:]
			s.changed.Broadcast()
			return n, nil
		}
		if s.eof {
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > 0 {
		if err := s.writing.err(); err != nil {
			return n, err
		}
		if s.broken || s.eof {
			return n, io.ErrClosedPipe
		}
		if room := min(len(p), window-len(s.buf)); room > 0 {
			s.buf = append(s.buf, p[:room]...)
			n, p = n+room, p[room:]
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
	return n, nil
}

func (s *stream) shut(fn func(*stream)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(s)
	for _, d := range []*side{&s.reading, &s.writing} {
		if d.closed && d.timer != nil {
			d.timer.Stop()
			d.timer = nil
		}
	}
	s.changed.Broadcast()
}
