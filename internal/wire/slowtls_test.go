package wire_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// slowly is a connection on which each byte takes a second.
type slowly struct{ net.Conn }

func (s slowly) Write(p []byte) (int, error) {
	for i := range p {
		time.Sleep(time.Second)
		if _, err := s.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// A handshake, a byte a second, is cut off when its time is over, however alive it
// looks; neither does it help to send a record that never ends.
func TestSlowHandshake(t *testing.T) {
	serverTLS, clientTLS := wiretest.TLS(t)
	for name, talk := range map[string]func(net.Conn){
		"a handshake": func(nc net.Conn) { tls.Client(slowly{nc}, clientTLS).Handshake() },
		"an endless one": func(nc net.Conn) {
			io.Copy(slowly{nc}, io.MultiReader(strings.NewReader("\x16\x03\x01\x40\x00\x01"), zeroes{}))
		},
	} {
		o := wire.Options{TLS: serverTLS, ImplicitTLS: true, TLSTimeout: 30 * time.Second}
		o.Serve = func(context.Context, *wire.Conn) { t.Errorf("%s: a session began", name) }
		bubble(t, o, func(t *testing.T, s *wiretest.Server) {
			nc := s.Dial()
			start := time.Now()
			var talker sync.WaitGroup
			talker.Go(func() { talk(nc) })
			synctest.Wait()
			for s.Stats().Open > 0 {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			if d := time.Since(start); d > 31*time.Second {
				t.Errorf("%s: cut off after %v", name, d)
			}
			if st := s.Stats(); st.HandshakesFailed != 1 {
				t.Errorf("%s: stats %+v", name, st)
			}
			nc.Close()
			talker.Wait()
		})
	}
}

// zeroes never end.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Renegotiation (TLS 1.2), with which a client makes a server do as many handshakes as it
// likes, does not exist: the connection ends.
func TestNoRenegotiation(t *testing.T) {
	serverTLS, _ := wiretest.TLS(t)
	silent := func(_ context.Context, c *wire.Conn) { c.ReadLine(100) } // so that openssl has nothing to trip over
	s := wire.NewServer(wire.Options{TLS: serverTLS, ImplicitTLS: true, Serve: silent})
	l, err := wire.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	client := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", l.Addr().String(), "-tls1_2")
	client.Stdin = strings.NewReader("R\n") // openssl's word for it
	var said bytes.Buffer
	client.Stdout, client.Stderr = &said, &said
	if err := client.Run(); err == nil {
		t.Error("openssl is content")
	}
	if !strings.Contains(said.String(), "RENEGOTIATING") || !strings.Contains(said.String(), "SSL alert number") {
		t.Errorf("openssl said %s", &said)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
