package wire_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// Idle connections say goodbye at once, busy ones when they are done, and new
// ones are not let in.
func TestDrain(t *testing.T) {
	serve := func(ctx context.Context, c *wire.Conn) {
		if line, err := c.ReadLine(100); err == nil && string(line) == "work\n" {
			time.Sleep(5 * time.Second)
			c.WriteString("done\n")
		}
		echo(ctx, c)
	}
	bubble(t, wire.Options{Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		idle, asleep, busy := newPeer(t, s.Dial()), newPeer(t, s.Dial()), newPeer(t, s.Dial())
		asleep.send("x\n")
		time.Sleep(10 * time.Second)
		idle.send("x\n")
		busy.send("work\n")
		synctest.Wait()
		start := time.Now()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("the drain took %v", d)
		}
		idle.expect("hello", "shutting down")
		asleep.expect("hello", "shutting down")
		busy.expect("done", "hello", "shutting down")
		newPeer(t, s.Dial()).expectEnd()
		if n := s.Stats().Open; n != 0 {
			t.Errorf("%d connections are open", n)
		}
	})
}

// A session that does not end in time is canceled and cut off.
func TestDrainImpatient(t *testing.T) {
	serve := func(ctx context.Context, c *wire.Conn) {
		for c.Fill() == nil { // neither woken nor drained
			c.Discard(len(c.Buffered()))
		}
		<-ctx.Done()
	}
	bubble(t, wire.Options{Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("the drain took %v", d)
		}
		p.expectEnd()
	})
}

// Serve returns nil when the server is shut down, and an error when somebody else
// closes its listener.
func TestServeReturns(t *testing.T) {
	start := func(s *wire.Server) (net.Listener, chan error) {
		l, err := wire.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		return l, served
	}
	s := wire.NewServer(wire.Options{Serve: echo})
	l1, served1 := start(s)
	l2, served2 := start(s)
	nc, err := net.Dial("tcp", l1.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	newPeer(t, nc).expect("hello")
	l2.Close()
	if err := <-served2; err == nil {
		t.Error("a closed listener is no error")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served1; err != nil {
		t.Error(err)
	}
	l3, served3 := start(s)
	if err := <-served3; err != nil {
		t.Error(err)
	}
	if _, err := l3.Accept(); err == nil {
		t.Error("Serve after Shutdown left its listener open")
	}
}
