package wire_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// echo is a small protocol: it answers each line with itself, and speaks up when
// it is woken, drained, or displeased.
func echo(_ context.Context, c *wire.Conn) {
	c.WriteString("hello\n")
	for {
		line, err := c.ReadLine(100)
		switch {
		case errors.Is(err, wire.ErrWoken):
			c.WriteString("woken\n")
		case errors.Is(err, wire.ErrLineTooLong):
			c.WriteString("too long\n")
		case errors.Is(err, wire.ErrDraining):
			c.WriteString("shutting down\n")
			return
		case errors.Is(err, wire.ErrEnded):
			c.WriteString("signed out\n")
			return
		case errors.Is(err, wire.ErrIdleTimeout):
			c.WriteString("too slow\n")
			return
		case errors.Is(err, wire.ErrTooManyErrors):
			c.WriteString("too many errors\n")
			return
		case err != nil:
			return
		case string(line) == "quit\n":
			c.WriteString("bye\n")
			return
		case string(line) == "wrong\n":
			c.ProtocolError()
			c.WriteString("wrong\n")
		case string(line) == "panic\n":
			panic("as asked")
		case string(line) == "idle\n":
			c.WriteString("idling\n")
			c.ExpectSilence()
		case string(line) == "login\n":
			c.Authenticated(wire.Login{User: "alice"})
			c.WriteString("welcome\n")
		default:
			fmt.Fprintf(c, "%s", line)
		}
	}
}

// peer is the client's end of a connection.
type peer struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func newPeer(t *testing.T, nc net.Conn) *peer {
	t.Cleanup(func() { nc.Close() })
	return &peer{nc, t, bufio.NewReader(nc)}
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Errorf("sending %.40q: %v", text, err) // also from other goroutines than the test's
	}
}

// expect reads lines and compares them.
func (p *peer) expect(lines ...string) {
	p.t.Helper()
	for _, want := range lines {
		got, err := p.r.ReadString('\n')
		if err != nil || got != want+"\n" {
			p.t.Fatalf("got %.80q, %v; want %q", got, err, want)
		}
	}
}

// expectEnd waits until the server has closed the connection, and wants nothing
// to come before.
func (p *peer) expectEnd() {
	p.t.Helper()
	if rest, _ := io.ReadAll(p.r); len(rest) > 0 {
		p.t.Fatalf("got %.80q, want the end", rest)
	}
}

// logs is a log that tests can look into.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logs) expect(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(l.String(), w) {
			t.Errorf("the log does not say %q:\n%s", w, l)
		}
	}
}

// bubble runs a test with a server in a synctest bubble.
func bubble(t *testing.T, o wire.Options, fn func(t *testing.T, s *wiretest.Server)) {
	synctest.Test(t, func(t *testing.T) {
		if o.Serve == nil {
			o.Serve = echo
		}
		fn(t, wiretest.Start(t, o))
	})
}

func TestConversation(t *testing.T) {
	bubble(t, wire.Options{Protocol: "echo"}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.expect("hello")
		p.send("one\ntwo\r\nthr")
		p.expect("one", "two\r")
		p.send("ee\nquit\n")
		p.expect("three", "bye")
		p.expectEnd()
		synctest.Wait()
		if st := s.Stats(); st.Open != 0 || st.Accepted != 1 {
			t.Errorf("stats: %+v", st)
		}
	})
}

func TestPanicEndsOneConnection(t *testing.T) {
	var l logs
	bubble(t, wire.Options{Logger: l.logger()}, func(t *testing.T, s *wiretest.Server) {
		a, b := newPeer(t, s.Dial()), newPeer(t, s.Dial())
		a.expect("hello")
		b.expect("hello")
		a.send("panic\n")
		a.expectEnd()
		b.send("still here?\n")
		b.expect("still here?")
		synctest.Wait()
		l.expect(t, "panic in session", "as asked", "wire_test.go")
		if st := s.Stats(); st.Panics != 1 || st.Open != 1 {
			t.Errorf("stats: %+v", st)
		}
	})
}

func TestErrorBudget(t *testing.T) {
	var l logs
	bubble(t, wire.Options{MaxErrors: 3, Logger: l.logger()}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		go p.Write([]byte(strings.Repeat("wrong\n", 10_000)))
		p.expect("hello", "wrong", "wrong", "wrong", "too many errors")
		p.expectEnd()
		time.Sleep(2 * time.Second) // our last words are given time to be read
		l.expect(t, "level=INFO msg=\"connection closed\"", "too many protocol errors")
	})
}

func TestLogsNameTheConnection(t *testing.T) {
	var l logs
	serve := func(_ context.Context, c *wire.Conn) {
		c.Log().Info("before")
		c.Authenticated(wire.Login{User: "alice"})
		c.Log().Info("after")
		if len(c.ID()) != 8 || c.RemoteAddr().String() != "192.0.2.1:40000" {
			t.Errorf("id %q, remote %s", c.ID(), c.RemoteAddr())
		}
	}
	bubble(t, wire.Options{Protocol: "echo", Logger: l.logger(), Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		newPeer(t, s.Dial()).expectEnd()
		l.expect(t, "msg=before protocol=echo conn=", "remote=192.0.2.1:40000\n", "remote=192.0.2.1:40000 user=alice\n")
	})
}

// The accept loop survives errors, and asks again more and more slowly.
func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := wire.NewServer(wire.Options{Serve: echo})
		l := &failingListener{closed: make(chan struct{})}
		served := make(chan error)
		go func() { served <- s.Serve(l) }()
		time.Sleep(10 * time.Second)
		if n := l.calls.count(); n < 10 || n > 20 {
			t.Errorf("%d calls of Accept in 10 seconds", n)
		}
		s.Shutdown(t.Context())
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

type failingListener struct {
	calls  counter
	closed chan struct{}
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add()       { c.mu.Lock(); c.n++; c.mu.Unlock() }
func (c *counter) count() int { c.mu.Lock(); defer c.mu.Unlock(); return c.n }

func (l *failingListener) Accept() (net.Conn, error) {
	l.calls.add()
	return nil, errors.New("accept: too many open files")
}
func (l *failingListener) Close() error   { return nil }
func (l *failingListener) Addr() net.Addr { return nil }
