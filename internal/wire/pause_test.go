package wire_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// watcher greets who is silent for two seconds, and answers nobody before one has passed.
func watcher(_ context.Context, c *wire.Conn) {
	start := time.Now()
	fmt.Fprintf(c, "%v after %v\n", c.SpeaksWithin(2*time.Second), time.Since(start))
	for {
		line, err := c.ReadLine(30_000)
		if err != nil {
			fmt.Fprintf(c, "%v\n", err)
			return
		}
		text := string(line)
		start = time.Now()
		c.Pause(time.Second)
		fmt.Fprintf(c, "%v %s", time.Since(start), text)
	}
}

func TestSpeaksWithin(t *testing.T) {
	bubble(t, wire.Options{Serve: watcher, PreAuthTimeout: time.Minute}, func(t *testing.T, s *wiretest.Server) {
		silent := newPeer(t, s.Dial())
		silent.expect("false after 2s")
		time.Sleep(time.Minute - time.Millisecond) // the wait was none of its budget
		silent.send("hello\n")
		silent.expect("1s hello")

		eager := newPeer(t, s.Dial())
		eager.send("hello\n")
		eager.expect("true after 0s", "1s hello")

		late := newPeer(t, s.Dial())
		time.Sleep(time.Second)
		late.send("hel")
		late.expect("true after 1s")
		late.send("lo\n")
		late.expect("1s hello")

		gone := newPeer(t, s.Dial())
		gone.Close()
		synctest.Wait()
		if n := s.Stats().Open; n != 3 {
			t.Errorf("%d connections open, want 3", n)
		}

		going := newPeer(t, s.Dial())
		synctest.Wait()
		go s.Shutdown(context.Background())
		going.expect("false after 0s", wire.ErrDraining.Error())
		going.expectEnd()
	})
}

// What came before and during a pause is there after it, however much it is.
func TestPauseLosesNothing(t *testing.T) {
	bubble(t, wire.Options{Serve: watcher}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.expect("false after 2s")
		long := strings.Repeat("x", 25_000)
		p.send("one\ntwo\n" + long + "\nfour\n")
		p.expect("1s one")
		p.send("five\n")
		p.expect("1s two", "1s "+long, "1s four", "1s five")
	})
}

// A drain does not wait for it.
func TestPauseEndsWithTheServer(t *testing.T) {
	bubble(t, wire.Options{Serve: watcher}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.expect("false after 2s")
		p.send("one\n")
		time.Sleep(300 * time.Millisecond)
		go s.Shutdown(context.Background())
		p.expect("300ms one", wire.ErrDraining.Error())
		p.expectEnd()
	})
}
