package wire_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// working is a small protocol in which one logs in, and works.
func working(ctx context.Context, c *wire.Conn) {
	c.WriteString("hello\n")
	for {
		line, err := c.ReadLine(100)
		command, name, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		switch {
		case errors.Is(err, wire.ErrEnded):
			c.WriteString("signed out\n")
			return
		case err != nil:
			return
		case command == "login":
			c.Authenticated(wire.Login{User: name, Mechanism: "PLAIN", Client: "a phone"})
		case command == "slowly":
			time.Sleep(5 * time.Second)
			c.Authenticated(wire.Login{User: name})
		case command == "until":
			c.Authenticated(wire.Login{User: name, Until: time.Now().Add(time.Hour)})
		case command == "work":
			time.Sleep(5 * time.Second)
		case command == "flood":
			c.WriteString(strings.Repeat("x", 1<<20))
		case command == "drip":
			io.ReadFull(c, make([]byte, 1000))
		}
		c.WriteString(command + "\n")
	}
}

func names(sessions []wire.Session) (all []string) {
	for _, s := range sessions {
		all = append(all, s.Protocol+" "+s.User)
	}
	slices.Sort(all)
	return all
}

// Who is signed out is told so at once if he waits, awake or asleep, and after his command
// if he does not; what he has sent behind it is not looked at. Nobody else notices.
func TestEndOfSessions(t *testing.T) {
	sessions := wire.NewSessions()
	bubble(t, wire.Options{Serve: working, Sessions: sessions, Protocol: "imaps"}, func(t *testing.T, s *wiretest.Server) {
		enter := func(commands ...string) *peer {
			p := newPeer(t, s.Dial())
			p.expect("hello")
			for _, c := range commands {
				p.send(c + "\n")
				word, _, _ := strings.Cut(c, " ")
				p.expect(word)
			}
			return p
		}
		stranger, asleep, bob := enter(), enter("login alice"), enter("login bob")
		time.Sleep(10 * time.Second)
		if s.Stats().Asleep != 3 {
			t.Errorf("%d are asleep", s.Stats().Asleep)
		}
		awake, busy := enter("login alice"), enter("login alice")
		busy.send("work\nnever\n")
		synctest.Wait()
		want := []string{"imaps alice", "imaps alice", "imaps alice", "imaps bob"}
		if got := names(sessions.List("")); !slices.Equal(got, want) {
			t.Errorf("there are %q", got)
		}
		hers := sessions.List("alice")
		if len(hers) != 3 || hers[0].Client != "a phone" || hers[0].Mechanism != "PLAIN" || hers[0].TLS != "" || hers[0].ID == "" ||
			hers[0].Remote.Addr().String() != "192.0.2.1" || !hers[0].Since.Before(hers[1].Since) {
			t.Errorf("hers are %+v", hers)
		}
		start := time.Now()
		if n := sessions.End(wire.Ending{User: "alice"}); n != 3 {
			t.Errorf("%d were ended", n)
		}
		if n := sessions.End(wire.Ending{User: "alice"}); n != 0 {
			t.Errorf("%d were ended twice", n)
		}
		for _, p := range []*peer{awake, asleep} {
			p.expect("signed out")
			p.expectEnd()
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("those who waited were told after %v", d)
		}
		busy.expect("work", "signed out")
		busy.expectEnd()
		for _, p := range []*peer{stranger, bob} {
			p.send("still\n")
			p.expect("still")
		}
		stranger.send("login alice\n")
		stranger.expect("login")
		synctest.Wait()
		if got := names(sessions.List("")); !slices.Equal(got, []string{"imaps alice", "imaps bob"}) {
			t.Errorf("left are %q", got)
		}
		id := sessions.List("bob")[0].ID
		if n := sessions.End(wire.Ending{ID: id}); n != 1 {
			t.Errorf("%d are called %s", n, id)
		}
		bob.expect("signed out")
	})
}

// A client that does not read, or drips, cannot keep its session.
func TestEndOfSessionsOfTheDeaf(t *testing.T) {
	sessions := wire.NewSessions()
	bubble(t, wire.Options{Serve: working, Sessions: sessions}, func(t *testing.T, s *wiretest.Server) {
		for _, command := range []string{"flood", "drip"} {
			p := newPeer(t, s.Dial())
			p.send("login alice\n" + command + "\n")
			synctest.Wait()
			if n := sessions.End(wire.Ending{User: "alice"}); n != 1 {
				t.Errorf("%s: %d were ended", command, n)
			}
			time.Sleep(9 * time.Second)
			synctest.Wait()
			if len(sessions.List("")) != 1 {
				t.Errorf("%s: it had no time at all", command)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if left := sessions.List(""); len(left) != 0 || s.Stats().Open != 0 {
				t.Errorf("%s: it is still there: %+v", command, left)
			}
		}
	})
}

// A login that is under way when the end comes was proven with what is not good any more;
// one that begins later was not.
func TestEndOfSessionsDuringLogin(t *testing.T) {
	sessions := wire.NewSessions()
	bubble(t, wire.Options{Serve: working, Sessions: sessions}, func(t *testing.T, s *wiretest.Server) {
		alice, bob := newPeer(t, s.Dial()), newPeer(t, s.Dial())
		alice.send("slowly alice\n")
		bob.send("slowly bob\n")
		time.Sleep(time.Second)
		sessions.End(wire.Ending{User: "alice"})
		alice.expect("hello", "slowly", "signed out")
		alice.expectEnd()
		bob.expect("hello", "slowly")
		bob.send("still\n")
		bob.expect("still")

		again, many := newPeer(t, s.Dial()), newPeer(t, s.Dial())
		again.send("slowly alice\n")
		again.expect("hello", "slowly")
		again.send("still\n")
		again.expect("still")

		// Of those that were too many to remember it is not known whether they were meant.
		many.send("slowly carol\n")
		time.Sleep(time.Second)
		for range 1000 {
			sessions.End(wire.Ending{User: "dave"})
		}
		many.expect("hello", "slowly", "signed out")
		many.expectEnd()
	})
}

// What is proven for a time ends with it.
func TestEndOfTheProof(t *testing.T) {
	sessions := wire.NewSessions()
	bubble(t, wire.Options{Serve: working, Sessions: sessions, IdleTimeout: 2 * time.Hour}, func(t *testing.T, s *wiretest.Server) {
		first, bob := newPeer(t, s.Dial()), newPeer(t, s.Dial())
		first.send("until alice\n")
		bob.send("login bob\n")
		time.Sleep(time.Minute)
		second := newPeer(t, s.Dial())
		second.send("until alice\n")
		synctest.Wait()
		if n := sessions.EndOver(time.Now()); n != 0 {
			t.Errorf("%d were over too soon", n)
		}
		time.Sleep(59 * time.Minute)
		if n := sessions.EndOver(time.Now()); n != 1 {
			t.Errorf("%d are over after an hour", n)
		}
		first.expect("hello", "until", "signed out")
		time.Sleep(time.Minute)
		if n := sessions.EndOver(time.Now()); n != 1 {
			t.Errorf("%d are over at last", n)
		}
		second.expect("hello", "until", "signed out")
		synctest.Wait()
		if got := names(sessions.List("")); !slices.Equal(got, []string{" bob"}) {
			t.Errorf("left are %q", got)
		}
	})
}
