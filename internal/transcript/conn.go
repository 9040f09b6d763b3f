package transcript

import (
	"bytes"
	"compress/flate"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// conn is the client's end of a connection. One goroutine reads all that comes, so
// that a server never waits for the script; close waits for it.
type conn struct {
	name string
	nc   net.Conn
	done chan struct{} // closed when the reading goroutine has ended

	mu     sync.Mutex
	gate   chan struct{} // not nil while the client does not read
	input  []byte
	closed bool
	told   bool // that it is closed
}

func open(name string, nc net.Conn) *conn {
	c := &conn{name: name, nc: nc}
	c.start()
	return c
}

func (c *conn) start() {
	c.done = make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		c.read()
	}(c.done)
}

// read stops at a timeout, which stall and startTLS bring about: for good, or until
// the client goes on.
func (c *conn) read() {
	buf := make([]byte, 4096)
	for {
		n, err := c.nc.Read(buf)
		c.mu.Lock()
		c.input = append(c.input, buf[:n]...)
		gate := c.gate
		c.closed = c.closed || err != nil && !isTimeout(err)
		c.mu.Unlock()
		if err == nil {
			continue
		}
		if gate == nil || !isTimeout(err) {
			return
		}
		<-gate
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// send does not mind a server that closes the connection meanwhile: whether it
// should is said by the expectations.
func (c *conn) send(text string) {
	c.nc.Write([]byte(text))
}

func (c *conn) hangUp() error {
	c.mu.Lock()
	c.told = true
	c.mu.Unlock()
	return c.nc.Close()
}

// take gives the lines received so far, without their line ends, and whether the
// server has closed the connection; this it says once.
func (c *conn) take() (lines []string, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.input) > 0 {
		text := strings.TrimSuffix(string(c.input), "\r\n")
		for line := range strings.SplitSeq(text, "\r\n") {
			lines = append(lines, visible(line))
		}
		c.input = nil
	}
	closed = c.closed && !c.told
	c.told = c.told || closed
	return lines, closed
}

// visible writes what cannot be shown in a text file as it would stand in a Go string.
func visible(line string) string {
	var b strings.Builder
	for i, r := range line {
		switch {
		case r == utf8.RuneError && line[i] != "\uFFFD"[0]:
			fmt.Fprintf(&b, `\x%02x`, line[i])
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' && r != '\t' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// asked reports whether the last line asks for a literal, and forgets that line.
func (c *conn) asked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := bytes.TrimSuffix(c.input, []byte("\r\n"))
	last := bytes.LastIndexByte(rest, '\n') + 1
	if !bytes.HasPrefix(rest[last:], []byte("+")) {
		return false
	}
	c.input = c.input[:last]
	return true
}

func (c *conn) stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gate == nil {
		c.gate = make(chan struct{})
		c.nc.SetReadDeadline(time.Now().Add(-time.Second))
	}
}

func (c *conn) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gate != nil {
		c.nc.SetReadDeadline(time.Time{})
		close(c.gate)
		c.gate = nil
	}
}

// startTLS ends the reading goroutine, shakes hands, and starts it again.
func (c *conn) startTLS() error {
	if err := c.nc.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		return err
	}
	<-c.done
	if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	secure := tls.Client(c.nc, &tls.Config{InsecureSkipVerify: true}) // a test's own certificate
	if err := secure.Handshake(); err != nil {
		return err
	}
	c.nc = secure
	c.start()
	return nil
}

// compress goes over to DEFLATE in both directions, once the server has.
func (c *conn) compress() error {
	if err := c.nc.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		return err
	}
	<-c.done
	if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	w, err := flate.NewWriter(c.nc, flate.DefaultCompression)
	if err != nil {
		return err
	}
	c.nc = &deflated{Conn: c.nc, r: flate.NewReader(c.nc), w: w}
	c.start()
	return nil
}

// deflated is a connection whose both directions are compressed.
type deflated struct {
	net.Conn
	r io.Reader
	w *flate.Writer
}

func (d *deflated) Read(p []byte) (int, error) { return d.r.Read(p) }

func (d *deflated) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	if err == nil {
		err = d.w.Flush()
	}
	return n, err
}

func (c *conn) close() {
	c.resume()
	c.nc.Close()
	<-c.done
}
