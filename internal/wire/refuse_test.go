package wire_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// TestRefuse: who is refused is told so at once, and does not count; sessions of those who
// are logged in do, until they end.
func TestRefuse(t *testing.T) {
	sessions := wire.NewSessions()
	bad, good := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	o := wire.Options{
		Sessions: sessions, Protocol: "imap",
		Refuse: func(a netip.Addr) (string, string) {
			if a == bad {
				return "go away: you are banned\n", "ban of 192.0.2.1"
			}
			return "", ""
		},
	}
	bubble(t, o, func(t *testing.T, s *wiretest.Server) {
		p := dialFrom(t, s, "192.0.2.1")
		p.expect("go away: you are banned")
		p.expectEnd()
		q := dialFrom(t, s, "2001:db8::2")
		q.expect("hello")
		if sessions.Live(good) {
			t.Error("a session before login")
		}
		q.send("login\n")
		q.expect("welcome")
		if n := sessions.Of("imaps", "alice"); n != 1 {
			t.Errorf("%d sessions of hers", n)
		}
		if !sessions.Live(good) || sessions.Live(bad) || sessions.Live(netip.Addr{}) {
			t.Error("the session is not known")
		}
		q.send("quit\n")
		q.expect("bye")
		q.expectEnd()
		synctest.Wait()
		if sessions.Of("imap", "alice") != 0 || sessions.Live(good) || s.Stats().Refused != 1 {
			t.Error("the session has not ended")
		}
	})
}
