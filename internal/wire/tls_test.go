package wire_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// upgrading is echo with STARTTLS.
func upgrading(ctx context.Context, c *wire.Conn) {
	c.WriteString("ready\n")
	if _, err := c.ReadLine(100); err != nil {
		return
	}
	c.WriteString("go ahead\n")
	if err := c.StartTLS(); err != nil {
		return
	}
	fmt.Fprintf(c, "secure %v %v\n", c.Secure(), c.TLS().ServerName)
	echo(ctx, c)
}

func TestStartTLS(t *testing.T) {
	serverTLS, clientTLS := wiretest.TLS(t)
	bubble(t, wire.Options{TLS: serverTLS, Serve: upgrading}, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.expect("ready")
		p.send("starttls\n")
		p.expect("go ahead")
		p = newPeer(t, tls.Client(p.Conn, clientTLS))
		p.send("a\nb\nquit\n")
		p.expect("secure true mail.example.test", "hello", "a", "b", "bye")
		p.expectEnd()
	})
}

// CVE-2011-0411: what is sent in clear behind STARTTLS must not be taken for part
// of the encrypted conversation.
func TestStartTLSInjection(t *testing.T) {
	var l logs
	serverTLS, clientTLS := wiretest.TLS(t)
	o := wire.Options{TLS: serverTLS, Serve: upgrading, Logger: l.logger()}
	bubble(t, o, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, s.Dial())
		p.expect("ready")
		p.send("starttls\ninjected\n")
		p.expect("go ahead")
		p = newPeer(t, tls.Client(p.Conn, clientTLS))
		p.send("mine\n")
		p.expect("secure true mail.example.test", "hello", "mine")
		l.expect(t, "dropped", "bytes=9")
	})
}

func TestImplicitTLS(t *testing.T) {
	serverTLS, clientTLS := wiretest.TLS(t)
	o := wire.Options{TLS: serverTLS, ImplicitTLS: true, PreAuthTimeout: 10 * time.Hour}
	bubble(t, o, func(t *testing.T, s *wiretest.Server) {
		p := newPeer(t, tls.Client(s.Dial(), clientTLS))
		p.expect("hello")
		big := strings.Repeat("x", 90)
		for range 3 {
			p.send(big + "\n")
			p.expect(big)
			time.Sleep(time.Hour)
			if s.Stats().Asleep != 1 {
				t.Error("a connection under TLS does not sleep")
			}
		}
	})
}

// A peer that connects and says nothing, half a hello, or no hello at all.
func TestFailedHandshakes(t *testing.T) {
	serverTLS, _ := wiretest.TLS(t)
	for _, hello := range []string{"", "\x16\x03\x01\x02\x00\x01", "GET / HTTP/1.0\r\n\r\n"} {
		o := wire.Options{TLS: serverTLS, ImplicitTLS: true, TLSTimeout: 10 * time.Second}
		o.Serve = func(context.Context, *wire.Conn) { t.Error("a session began without a handshake") }
		bubble(t, o, func(t *testing.T, s *wiretest.Server) {
			p := newPeer(t, s.Dial())
			p.send(hello)
			start := time.Now()
			io.Copy(io.Discard, p)
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("%q: cut off after %v", hello, d)
			}
			synctest.Wait()
			if st := s.Stats(); st.HandshakesFailed != 1 || st.Open != 0 {
				t.Errorf("%q: stats %+v", hello, st)
			}
		})
	}
}

func TestStartTLSNotOffered(t *testing.T) {
	serve := func(_ context.Context, c *wire.Conn) {
		fmt.Fprintf(c, "%v %v\n", c.OffersTLS(), c.StartTLS() != nil)
	}
	bubble(t, wire.Options{Serve: serve}, func(t *testing.T, s *wiretest.Server) {
		newPeer(t, s.Dial()).expect("false true")
	})
}
