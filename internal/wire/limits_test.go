package wire_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// from is a connection as if it came from another address.
type from struct {
	net.Conn
	addr string
}

func (f from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(f.addr), 40000))
}

func dialFrom(t *testing.T, s *wiretest.Server, addr string) *peer {
	client, server := wiretest.Pair()
	go s.ServeConn(from{server, addr})
	return newPeer(t, client)
}

func TestLimits(t *testing.T) {
	var l logs
	o := wire.Options{
		MaxConns: 4, MaxConnsPerIP: 2, Busy: "busy\n", Logger: l.logger(),
		Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}
	bubble(t, o, func(t *testing.T, s *wiretest.Server) {
		refused := func(addr string) {
			t.Helper()
			p := dialFrom(t, s, addr)
			p.expect("busy")
			p.expectEnd()
		}
		admitted := func(addr string) *peer {
			t.Helper()
			p := dialFrom(t, s, addr)
			p.expect("hello")
			return p
		}
		a := admitted("192.0.2.1")
		admitted("::ffff:192.0.2.1") // the same
		refused("192.0.2.1")
		admitted("2001:db8:0:1::1")
		admitted("2001:db8:0:1:ffff::2")
		refused("2001:db8:0:1::3") // of the same /64
		refused("192.0.2.9")       // the fifth
		for range 5 {
			admitted("10.1.2.3")
		}
		a.send("quit\n")
		a.expect("bye")
		a.expectEnd()
		synctest.Wait()
		admitted("192.0.2.9")
		refused("192.0.2.9")

		if n := s.Stats().Refused; n != 4 {
			t.Errorf("%d refused, want 4", n)
		}
		l.expect(t, "connection refused", "connections of this peer")
		if n := strings.Count(l.String(), "connection refused"); n != 1 {
			t.Errorf("%d lines in the log at once", n)
		}
		time.Sleep(time.Minute)
	})
}

// A refused peer that does not read does not hold up the others.
func TestRefusalDoesNotWait(t *testing.T) {
	o := wire.Options{MaxConns: 1, Busy: strings.Repeat("busy", 100_000)}
	bubble(t, o, func(t *testing.T, s *wiretest.Server) {
		newPeer(t, s.Dial()).expect("hello")
		start := time.Now()
		for i := range 10 {
			_, server := wiretest.Pair()
			s.ServeConn(from{server, fmt.Sprintf("192.0.2.%d", i)})
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("ten refusals took %v", d)
		}
	})
}
