package wire_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

func TestLongLines(t *testing.T) {
	bubble(t, wire.Options{}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.expect("hello")
		longest := strings.Repeat("x", 99)
		p.send(longest + "\n" + longest + "x\nshort\n")
		p.expect(longest, "too long", "short")
		// In pieces, and longer than the buffer.
		p.send(strings.Repeat("y", 50_000))
		synctest.Wait()
		p.send("y\nshort\n")
		p.expect("too long", "short")
	})
}

func TestLineWithoutEnd(t *testing.T) {
	var l logs
	bubble(t, wire.Options{Logger: l.logger()}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.expect("hello")
		go io.CopyN(p, zeros{}, 100<<20)
		p.expectEnd()
		synctest.Wait()
		l.expect(t, "a line without end")
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Lines may be longer than the buffer, if the session says so.
func TestLinesLongerThanTheBuffer(t *testing.T) {
	const max = 100_000
	serve := func(_ context.Context, c *wire.Conn) {
		for {
			line, err := c.ReadLine(max)
			if err != nil {
				return
			}
			c.WriteString(strconv.Itoa(len(line)) + string(line[len(line)-3:]))
		}
	}
	bubble(t, wire.Options{Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		for _, n := range []int{3, 16383, 16384, 16385, max, 5, 40_000} {
			go p.send(strings.Repeat("x", n-3) + "ab\n")
			p.expect(strconv.Itoa(n) + "ab")
		}
	})
}

// A partial line at the end of the input is not a line.
func TestHalfALine(t *testing.T) {
	var got error
	serve := func(_ context.Context, c *wire.Conn) { _, got = c.ReadLine(100) }
	bubble(t, wire.Options{Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.send("half a l")
		p.Close()
		synctest.Wait()
		if got == nil {
			t.Error("half a line was accepted")
		}
	})
}

func TestTimeouts(t *testing.T) {
	o := wire.Options{PreAuthTimeout: time.Minute, IdleTimeout: time.Hour}
	bubble(t, o, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.expect("hello")
		time.Sleep(59 * time.Second)
		p.send("x\n")
		p.expect("x")
		start := time.Now()
		p.expect("too slow")
		if d := time.Since(start); d != time.Minute {
			t.Errorf("closed after %v, want a minute", d)
		}

		p = newPeer(t, s.Dial())
		p.send("login\n")
		p.expect("hello", "welcome")
		time.Sleep(59 * time.Minute)
		p.send("x\n")
		p.expect("x")
		start = time.Now()
		p.expect("too slow")
		if d := time.Since(start); d != time.Hour {
			t.Errorf("closed after %v, want an hour", d)
		}
	})
}

// A byte a second does not hold a connection, neither by an endless line nor by
// many commands that lead nowhere.
func TestDrippingClients(t *testing.T) {
	o := wire.Options{PreAuthTimeout: time.Minute, PreAuthTotal: 10 * time.Minute}
	drip := func(text string) time.Duration {
		var lasted time.Duration
		bubble(t, o, func(t *testing.T, s *wiretest.Server) {
			p := newPeer(t, s.Dial())
			start := time.Now()
			for i := 0; s.Stats().Open > 0 || i == 0; i++ {
				p.Write([]byte{text[i%len(text)]})
				time.Sleep(time.Second)
			}
			lasted = time.Since(start)
		})
		return lasted
	}
	if d := drip("x"); d < 59*time.Second || d > 65*time.Second {
		t.Errorf("an endless line lasted %v", d)
	}
	if d := drip("xy\n"); d < 9*time.Minute || d > 11*time.Minute {
		t.Errorf("idle talk lasted %v", d)
	}
}

// A client that sends steadily, if slowly, may take as long as it needs.
func TestSlowButSteady(t *testing.T) {
	const size = 1 << 20
	var got int64
	serve := func(_ context.Context, c *wire.Conn) {
		c.ReadLine(100)
		got, _ = io.CopyN(io.Discard, c, size)
	}
	bubble(t, wire.Options{PreAuthTimeout: time.Minute, Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.send("DATA\n")
		for sent := 0; sent < size; sent += 1024 {
			time.Sleep(time.Second)
			p.send(strings.Repeat("x", 1024))
		}
		synctest.Wait()
		if got != size {
			t.Errorf("%d bytes arrived", got)
		}
	})
}

func TestFillAndDiscard(t *testing.T) {
	var got []byte
	serve := func(_ context.Context, c *wire.Conn) {
		c.ReadLine(100)
		for c.Fill() == nil {
			got = append(got, c.Buffered()...)
			c.Discard(len(c.Buffered()))
		}
		if err := c.Fill(); !errors.Is(err, io.EOF) {
			t.Errorf("Fill after the end: %v", err)
		}
	}
	bubble(t, wire.Options{Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		text := strings.Repeat("0123456789\r\n.", 10_000)
		p.send("go\n")
		synctest.Wait()
		p.send(text)
		p.Close()
		synctest.Wait()
		if string(got) != text {
			t.Errorf("got %d bytes of %d", len(got), len(text))
		}
	})
}

// Read, ReadLine and Fill share one buffer, whatever the sizes.
func TestReadsMix(t *testing.T) {
	const literal = 70_000
	var got strings.Builder
	serve := func(_ context.Context, c *wire.Conn) {
		for {
			line, err := c.ReadLine(100)
			if err != nil {
				return
			}
			got.Write(line)
			big := make([]byte, 40_000)
			for left := literal; left > 0; {
				n, err := c.Read(big[:min(left, len(big))])
				if err != nil {
					return
				}
				got.Write(big[:n])
				left -= n
			}
			more, err := c.ReadMore(100)
			if err != nil {
				return
			}
			got.Write(more)
		}
	}
	bubble(t, wire.Options{Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		text := strings.Repeat("a append\n"+strings.Repeat("x", literal)+" more\n", 3)
		p.send(text)
		p.Close()
		synctest.Wait()
		if got.String() != text {
			t.Errorf("got %d bytes of %d", got.Len(), len(text))
		}
	})
}

// Connections that say nothing give their buffers back, and go on as before.
func TestSleep(t *testing.T) {
	o := wire.Options{IdleTimeout: time.Hour}
	bubble(t, o, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.send("login\n")
		p.expect("hello", "welcome")
		for range 3 {
			time.Sleep(time.Minute)
			if n := s.Stats().Asleep; n != 1 {
				t.Fatalf("%d connections sleep, want 1", n)
			}
			p.send("first\nsecond\n")
			p.expect("first", "second")
			synctest.Wait()
			if n := s.Stats().Asleep; n != 0 {
				t.Fatalf("%d connections sleep, want 0", n)
			}
		}
		// Half a line stays where it is.
		p.send("ha")
		time.Sleep(time.Minute)
		if n := s.Stats().Asleep; n != 0 {
			t.Fatalf("%d connections sleep with half a line", n)
		}
		p.send("lf\n")
		p.expect("half")
		// Who is known to be going idle does not wait for that.
		p.send("idle\n")
		p.expect("idling")
		time.Sleep(2 * time.Millisecond)
		if n := s.Stats().Asleep; n != 1 {
			t.Fatalf("%d connections sleep, want 1", n)
		}
		p.send("first\n")
		p.expect("first")
	})
}
