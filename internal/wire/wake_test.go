package wire_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

func TestWake(t *testing.T) {
	conns := make(chan *wire.Conn, 1)
	serve := func(ctx context.Context, c *wire.Conn) {
		conns <- c
		c.Authenticated(wire.Login{User: "alice"})
		echo(ctx, c)
	}
	bubble(t, wire.Options{Serve: serve, IdleTimeout: time.Hour}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		c := <-conns
		p.expect("hello")
		synctest.Wait()
		c.Wake()
		p.expect("woken")
		time.Sleep(time.Minute) // hibernating
		c.Wake()
		p.expect("woken")
		synctest.Wait()
		if n := s.Stats().Asleep; n != 1 {
			t.Errorf("a connection that was woken only takes a buffer again")
		}
		// Never inside a line; after it, once.
		p.send("in t")
		synctest.Wait()
		c.Wake()
		c.Wake()
		time.Sleep(10 * time.Second)
		p.send("ime\n")
		p.expect("in time", "woken")
		p.send("x\n")
		p.expect("x")
		// Being woken does not make an idle client less idle.
		start := time.Now()
		for range 59 {
			time.Sleep(time.Minute)
			c.Wake()
			p.expect("woken")
		}
		p.expect("too slow")
		if d := time.Since(start); d != time.Hour {
			t.Errorf("closed after %v", d)
		}
	})
}

// Neither literals nor the lines of a command under way are interrupted.
func TestWakeWaitsForTheCommand(t *testing.T) {
	conns := make(chan *wire.Conn, 1)
	serve := func(_ context.Context, c *wire.Conn) {
		conns <- c
		buf := make([]byte, 100)
		_, err1 := c.Read(buf)
		_, err2 := c.ReadMore(100)
		err3 := c.Fill()
		c.Discard(len(c.Buffered()))
		_, err4 := c.ReadLine(100)
		fmt.Fprintf(c, "%v %v %v %v\n", err1, err2, err3, errors.Is(err4, wire.ErrWoken))
	}
	bubble(t, wire.Options{Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		c := <-conns
		for _, text := range []string{"x", "line\n", "y"} {
			c.Wake()
			synctest.Wait()
			p.send(text)
			synctest.Wait()
		}
		p.expect("<nil> <nil> <nil> true")
	})
}

// Over real sockets, with wakers that never rest: every line arrives, in order,
// and every last wake-up is heard.
func TestWakeRaces(t *testing.T) {
	const clients, lines = 4, 500
	var heard, news [clients]atomic.Int64
	var next atomic.Int64
	stop := make(chan struct{})
	var wakers sync.WaitGroup
	serve := func(_ context.Context, c *wire.Conn) {
		k := next.Add(1) - 1
		for range 2 {
			wakers.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Microsecond):
						news[k].Add(1)
						c.Wake()
					}
				}
			})
		}
		for {
			line, err := c.ReadLine(100)
			switch {
			case errors.Is(err, wire.ErrWoken):
				heard[k].Store(news[k].Load())
			case err != nil:
				return
			default:
				fmt.Fprintf(c, "%d %s", k, line)
			}
		}
	}
	s := wire.NewServer(wire.Options{Serve: serve, IdleTimeout: time.Minute})
	l, err := wire.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(l) }()

	conns := make([]net.Conn, clients)
	var talks sync.WaitGroup
	for i := range conns {
		conns[i], err = net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		talks.Go(func() { talk(t, conns[i], lines) })
	}
	talks.Wait()
	close(stop)
	wakers.Wait()
	for k := range clients {
		for deadline := time.Now().Add(5 * time.Second); heard[k].Load() != news[k].Load(); {
			if time.Now().After(deadline) {
				t.Fatalf("connection %d slept through the last of %d wake-ups", k, news[k].Load())
			}
			time.Sleep(time.Millisecond)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func talk(t *testing.T, nc net.Conn, lines int) {
	r := bufio.NewReader(nc)
	for i := range lines {
		fmt.Fprintf(nc, "line ")
		fmt.Fprintf(nc, "%d\n", i)
		var k, n int
		line, err := r.ReadString('\n')
		if _, serr := fmt.Sscanf(line, "%d line %d", &k, &n); serr != nil || err != nil || n != i {
			t.Errorf("got %q, %v; want line %d", line, err, i)
			return
		}
	}
}
