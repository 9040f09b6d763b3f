package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/config"
)

// askOn sends one request on a connection, and gives the answer's status and body.
func askOn(t *testing.T, nc net.Conn, r *bufio.Reader, user string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, "https://mail.example.test/api/v1/account/list", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(user, "secret")
	if err := request.Write(nc); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(r, request)
	if err != nil {
		t.Fatal(err)
	}
	status, text := read(t, answer)
	return fmt.Sprint(status, " ", text)
}

// secured connects with TLS, behind a header of a proxy.
func secured(t *testing.T, s *Server, header string) (*tls.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", s.Address(config.HTTPS).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(nc, header); err != nil {
		t.Fatal(err)
	}
	c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	return c, bufio.NewReader(c)
}

// TestWeb: accounts come in by HTTP through the same door as by all other protocols, also
// behind a proxy; a reload and the end do not cut a request.
func TestWeb(t *testing.T) {
	c := testConfig(t, config.HTTPS, config.HTTP)
	c.Listeners[0].ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s, log := start(t, c)
	alice, d := addr.Address{Local: "alice", Domain: "example.test"}, s.data.Directory
	_, err := d.AddDomain(t.Context(), alice.Domain)
	if err == nil {
		_, err = d.AddAccount(t.Context(), alice, "secret")
	}
	if err == nil {
		err = d.AddAdmin(t.Context(), alice.Domain, alice)
	}
	if err != nil {
		t.Fatal(err)
	}
	const header = "PROXY TCP4 198.51.100.7 192.0.2.1 40000 443\r\n"
	nc, r := secured(t, s, header)
	for range 2 { // on one connection
		if got := askOn(t, nc, r, "alice@example.test"); !strings.HasPrefix(got, "200 ") || !strings.Contains(got, "alice@example.test") {
			t.Errorf("alice: %s", got)
		}
	}
	if got := askOn(t, nc, r, "nobody@example.test"); !strings.HasPrefix(got, "401 ") || !strings.Contains(log.String(), "remote=198.51.100.7") {
		t.Errorf("nobody: %s\n%s", got, log)
	}
	clear, err := net.Dial("tcp", s.Address(config.HTTP).String())
	if err != nil {
		t.Fatal(err)
	}
	defer clear.Close()
	if got := askOn(t, clear, bufio.NewReader(clear), "alice@example.test"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("in clear on this machine: %s", got)
	}

	again := *c
	again.Limits.MaxConnsPerIP = 7
	if err := s.Reload(t.Context(), &again); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("a connection of before the reload, with nothing to do: %v", err)
	}
	nc, r = secured(t, s, header)
	if got := askOn(t, nc, r, "alice@example.test"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("after the reload: %s", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown with a connection that has nothing to do: %v", err)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}
