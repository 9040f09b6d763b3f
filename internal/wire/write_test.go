package wire_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// Whatever the sizes of the writes, the peer gets their bytes in order.
func TestWrites(t *testing.T) {
	var want strings.Builder
	serve := func(_ context.Context, c *wire.Conn) {
		x := 0
		text := func(n int) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte('a' + x%26)
				x++
			}
			want.Write(b)
			return string(b)
		}
		for _, n := range []int{0, 1, 10_000, 16_383, 16_384, 16_385, 1, 500_000, 3, 32_768} {
			c.WriteString(text(n))
			c.Write([]byte(text(n)))
			c.Write(append(c.AvailableBuffer(), text(n)...))
		}
		c.Flush()
		c.WriteString(text(7))
	}
	bubble(t, wire.Options{Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		got, err := io.ReadAll(p)
		if err != nil || string(got) != want.String() {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, want.Len())
		}
	})
}

// What was said is sent before the session waits, and not earlier: pipelined
// commands share their packets.
func TestFlushBeforeWaiting(t *testing.T) {
	bubble(t, wire.Options{}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.send(strings.Repeat("x\n", 100))
		synctest.Wait()
		buf := make([]byte, 1000)
		n, err := p.Read(buf)
		if want := "hello\n" + strings.Repeat("x\n", 100); string(buf[:n]) != want {
			t.Errorf("one read gives %q, %v", buf[:n], err)
		}
	})
}

// A client that never reads is gone when the timeout is over; a slow one is not.
func TestNeverReadingClient(t *testing.T) {
	var l logs
	var finished chan error
	serve := func(_ context.Context, c *wire.Conn) {
		var err error
		for range 100 {
			if _, err = c.WriteString(strings.Repeat("x", 100_000)); err != nil {
				break
			}
		}
		finished <- err
	}
	o := wire.Options{Serve: serve, WriteTimeout: time.Minute, Logger: l.logger()}
	bubble(t, o, func(t *testing.T, s *wiretest.Server) {
		finished = make(chan error, 1)
		newPeer(t, s.Dial())
		start := time.Now()
		if err := <-finished; err == nil {
			t.Error("10 MB were written to nobody")
		}
		if d := time.Since(start); d > 2*time.Minute {
			t.Errorf("it took %v to give up", d)
		}
		synctest.Wait()
		l.expect(t, "level=INFO", "does not read")

		p := newPeer(t, s.Dial())
		for {
			time.Sleep(time.Second)
			if _, err := io.CopyN(io.Discard, p, 5000); err != nil {
				break
			}
		}
		if err := <-finished; err != nil {
			t.Errorf("a slow client was cut off: %v", err)
		}
	})
}
