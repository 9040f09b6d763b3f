package wire_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

const header = "PROXY TCP4 203.0.113.7 198.51.100.1 56324 25\r\n"

// proxied are options under which every wiretest connection comes from a proxy.
func proxied() wire.Options {
	return wire.Options{
		ProxyFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		Serve: func(ctx context.Context, c *wire.Conn) {
			fmt.Fprintf(c, "%v to %v\n", c.RemoteAddr(), c.LocalAddr())
			echo(ctx, c)
		},
	}
}

func TestProxied(t *testing.T) {
	bubble(t, proxied(), func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.send(header + "early\n")
		p.expect("203.0.113.7:56324 to 198.51.100.1:25", "hello", "early")

		direct := dialFrom(t, s, "203.0.113.8")
		direct.send(header)
		direct.expect("203.0.113.8:40000 to 198.51.100.1:25", "hello", header[:len(header)-1])
	})
}

// The TLS of a client may arrive in one packet with the header of its proxy.
func TestProxiedTLS(t *testing.T) {
	serverTLS, clientTLS := wiretest.TLS(t)
	o := proxied()
	o.TLS, o.ImplicitTLS = serverTLS, true
	bubble(t, o, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, tls.Client(&headed{Conn: s.Dial(), header: header}, clientTLS))
		p.send("x\n")
		p.expect("203.0.113.7:56324 to 198.51.100.1:25", "hello", "x")
	})
}

// headed puts a header before the first bytes.
type headed struct {
	net.Conn
	header string
}

func (h *headed) Write(p []byte) (int, error) {
	if h.header == "" {
		return h.Conn.Write(p)
	}
	_, err := io.WriteString(h.Conn, h.header+string(p))
	h.header = ""
	return len(p), err
}

func TestProxyWithoutHeader(t *testing.T) {
	for _, say := range []string{"EHLO x\r\n", "", "PROX", header[:20] + "\x00\r\n"} {
		o := proxied()
		o.TLSTimeout = 5 * time.Second
		o.Serve = func(context.Context, *wire.Conn) { t.Errorf("%q began a session", say) }
		bubble(t, o, func(t *testing.T, s *wiretest.Server) {
			p := newPeer(t, s.Dial())
			p.send(say)
			start := time.Now()
			p.expectEnd()
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("%q was given %v", say, d)
			}
		})
	}
}

// Behind a proxy it is the client that is counted.
func TestProxiedLimits(t *testing.T) {
	o := proxied()
	o.MaxConnsPerIP, o.Busy = 1, "busy\n"
	bubble(t, o, func(t *testing.T, s *wiretest.Server) {
		for i := range 3 {
			p := newPeer(t, s.Dial())
			p.send(fmt.Sprintf("PROXY TCP4 203.0.113.%d 198.51.100.1 56324 25\r\n", i))
			p.expect(fmt.Sprintf("203.0.113.%d:56324 to 198.51.100.1:25", i), "hello")
		}
		p := newPeer(t, s.Dial())
		p.send("PROXY TCP4 203.0.113.1 198.51.100.1 56325 25\r\n")
		p.expect("busy")
		p.expectEnd()
		synctest.Wait()
		if st := s.Stats(); st.Open != 3 || st.Refused != 1 {
			t.Errorf("stats: %+v", st)
		}
	})
}
