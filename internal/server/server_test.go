package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/certs"
	"posthorn/internal/config"
	"posthorn/internal/fault"
	"posthorn/internal/wire/wiretest"
)

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// testConfig is a configuration in a folder of its own, with a certificate.
func testConfig(t *testing.T, protocols ...config.Protocol) *config.Config {
	t.Helper()
	dir := t.TempDir()
	c := config.Default()
	c.Hostname = "mail.example.test"
	c.DataDir = filepath.Join(dir, "data")
	c.TLS = config.TLS{Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	writeCertificate(t, c.TLS, "mail.example.test")
	for _, p := range protocols {
		c.Listeners = append(c.Listeners, config.Listener{Protocol: p, Address: "127.0.0.1:0", PlaintextAuth: true})
	}
	return &c
}

func writeCertificate(t *testing.T, files config.TLS, host string) {
	t.Helper()
	cert, key, err := certs.SelfSign(time.Now(), host)
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{files.Certificate: cert, files.Key: key} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// start runs a server until the end of the test.
func start(t *testing.T, c *config.Config) (*Server, *syncBuffer) {
	t.Helper()
	log := &syncBuffer{}
	s, err := Start(t.Context(), c, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return s, log
}

// longEnough is how long a test waits for what is bound to come.
const longEnough = 30 * time.Second

// await asks again and again whether something has come; if it does not, the test ends and
// says what there is instead.
func await(t *testing.T, otherwise string, come func() (there any, ok bool)) {
	t.Helper()
	for deadline := time.Now().Add(longEnough); ; time.Sleep(2 * time.Millisecond) {
		there, ok := come()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %+v", otherwise, there)
		}
	}
}

// patient is a connection on which nothing is waited for without end.
type patient struct{ net.Conn }

func (c patient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(longEnough)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// client is a plain connection to a server.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func connect(t *testing.T, address net.Addr) *client {
	t.Helper()
	nc, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &client{t, nc, bufio.NewReader(patient{nc})}
}

// expect reads a line.
func (c *client) expect(prefix string) {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, prefix) {
		c.t.Fatalf("got %q, %v; want %q", line, err, prefix)
	}
}

func (c *client) say(line, prefix string) {
	c.t.Helper()
	if _, err := c.Write([]byte(line + "\r\n")); err != nil {
		c.t.Fatal(err)
	}
	c.expect(prefix)
}

func TestStartAndShutdown(t *testing.T) {
	c := testConfig(t, config.SMTP, config.LMTP)
	s, log := start(t, c)
	smtp := connect(t, s.Address(config.SMTP))
	smtp.expect("220 mail.example.test")
	smtp.say("NOOP", "250")
	connect(t, s.Address(config.LMTP)).expect("220 mail.example.test")
	if !strings.Contains(log.String(), "msg=ready") {
		t.Errorf("not ready: %s", log)
	}
	if s.Address(config.IMAP) != nil {
		t.Error("IMAP has an address")
	}
	_, err := OpenData(t.Context(), c, slog.New(slog.DiscardHandler))
	if !fault.Is(err, fault.InUse) {
		t.Errorf("opening the data of a running server: %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	smtp.expect("421")
	if _, err := net.Dial("tcp", s.Address(config.SMTP).String()); err == nil {
		t.Error("a server that was shut down accepts")
	}
	start(t, c) // nothing is in the way of another one
}

func TestShutdownIsBounded(t *testing.T) {
	s, _ := start(t, testConfig(t, config.SMTP))
	smtp := connect(t, s.Address(config.SMTP))
	smtp.expect("220")
	smtp.say("EHLO client.test", "250-")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown without patience: %v", err)
	}
	if err := s.Shutdown(ctx); !fault.Is(err, fault.Invalid) {
		t.Errorf("second Shutdown: %v", err)
	}
}

func TestStartIsAllOrNothing(t *testing.T) {
	taken, err := net.Listen("tcp", wiretest.Lonely(t))
	if err != nil {
		t.Fatal(err)
	}
	free := wiretest.Lonely(t)
	c := testConfig(t, config.SMTP, config.LMTP, config.Submission)
	c.Listeners[0].Address = free
	c.Listeners[1].Address = taken.Addr().String()
	c.Listeners[2].Address = taken.Addr().String()
	log := &syncBuffer{}
	_, err = Start(t.Context(), c, slog.New(slog.NewTextHandler(log, nil)))
	want := "listener lmtp: cannot listen on " + taken.Addr().String() + ": address already in use\n" +
		"listener submission: cannot listen on " + taken.Addr().String() + ": address already in use"
	var socket *SocketError
	if err == nil || err.Error() != want || !errors.As(err, &socket) || socket.Listener.Protocol != config.LMTP {
		t.Errorf("Start = %v, want %s", err, want)
	}
	if strings.Contains(log.String(), "ready") {
		t.Errorf("logged ready: %s", log)
	}
	if nc, err := net.Dial("tcp", free); err == nil {
		nc.Close()
		t.Error("one listener accepts although another could not be opened")
	}
	taken.Close()
	c.Listeners = c.Listeners[:2]
	s, _ := start(t, c) // the store was closed again
	connect(t, s.Address(config.LMTP)).expect("220")
}

func TestStartWithoutCertificate(t *testing.T) {
	c := testConfig(t, config.SMTP)
	if err := os.WriteFile(c.TLS.Key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), c, slog.New(slog.DiscardHandler))
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.TLS.Key) {
		t.Errorf("Start = %v", err)
	}
	if _, err := os.Stat(c.DataDir); !os.IsNotExist(err) {
		t.Errorf("the store was made: %v", err)
	}
}

func TestControlSocket(t *testing.T) {
	c := testConfig(t, config.SMTP)
	start(t, c)
	client, err := admin.Dial(t.Context(), c.ControlSocket())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := admin.AddDomain.Call(t.Context(), client, admin.Name{Name: "example.test"}); err != nil {
		t.Error(err)
	}
}

// certificateName is whom a server says it is.
func certificateName(t *testing.T, address net.Addr) string {
	t.Helper()
	smtp := connect(t, address)
	smtp.expect("220")
	smtp.say("STARTTLS", "220")
	secure := tls.Client(smtp.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	if v := secure.ConnectionState().Version; v < tls.VersionTLS12 {
		t.Errorf("TLS version %x", v)
	}
	leaf := secure.ConnectionState().PeerCertificates[0]
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: leaf.DNSNames[0]}); err != nil {
		t.Errorf("the certificate is not its own authority: %v", err)
	}
	return leaf.DNSNames[0]
}

func TestReloadCertificate(t *testing.T) {
	c := testConfig(t, config.SMTP)
	s, log := start(t, c)
	if name := certificateName(t, s.Address(config.SMTP)); name != "mail.example.test" {
		t.Errorf("certificate of %s", name)
	}
	writeCertificate(t, c.TLS, "new.example.test")
	again := *c
	if err := s.Reload(t.Context(), &again); err != nil {
		t.Fatal(err)
	}
	if name := certificateName(t, s.Address(config.SMTP)); name != "new.example.test" {
		t.Errorf("certificate of %s", name)
	}
	if !strings.Contains(log.String(), "it is not for mail.example.test, but for new.example.test") {
		t.Errorf("no warning: %s", log)
	}
}

func TestReloadListeners(t *testing.T) {
	c := testConfig(t, config.SMTP, config.LMTP)
	s, log := start(t, c)
	for i, p := range []config.Protocol{config.SMTP, config.LMTP} { // addresses are what listeners are told apart by
		c.Listeners[i].Address = s.Address(p).String()
		s.doors[i].settings.Listener.Address = c.Listeners[i].Address
	}
	before := connect(t, s.Address(config.SMTP))
	before.expect("220")
	leaving := connect(t, s.Address(config.LMTP))
	leaving.expect("220")

	next := *c
	next.Hostname = "other.example.test"
	next.DataDir = "/elsewhere"
	next.Listeners = []config.Listener{c.Listeners[0], {Protocol: config.Submission, Address: "127.0.0.1:0"}}
	gone := s.Address(config.LMTP)
	if err := s.Reload(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	connect(t, s.Address(config.SMTP)).expect("220 other.example.test")
	connect(t, s.Address(config.Submission)).expect("220 other.example.test")
	before.say("NOOP", "250")
	leaving.say("NOOP", "250")
	if nc, err := net.Dial("tcp", gone.String()); err == nil {
		nc.Close()
		t.Error("a listener that was removed accepts")
	}
	if text := log.String(); !strings.Contains(text, "restart only") || !strings.Contains(text, "key=data_dir") {
		t.Errorf("no warning about data_dir: %s", text)
	}

	for range 3 { // the same again changes nothing; other limits do
		again := next
		again.Limits.MaxRecipients++
		next = again
		if err := s.Reload(t.Context(), &again); err != nil {
			t.Fatal(err)
		}
		connect(t, s.Address(config.SMTP)).expect("220 other.example.test")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	before.expect("421")
	leaving.expect("421")
}

func TestReloadThatFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := testConfig(t, config.SMTP)
	s, _ := start(t, c)
	s.doors[0].settings.Listener.Address = s.Address(config.SMTP).String()
	next := *c
	next.Hostname = "other.example.test"
	next.Listeners = []config.Listener{
		{Protocol: config.LMTP, Address: "127.0.0.1:0"},
		{Protocol: config.Submission, Address: taken.Addr().String()},
	}
	var socket *SocketError
	if err := s.Reload(t.Context(), &next); !errors.As(err, &socket) {
		t.Errorf("Reload = %v", err)
	}
	connect(t, s.Address(config.SMTP)).expect("220 mail.example.test")
	next.TLS.Certificate = "/no/such/file"
	if err := s.Reload(t.Context(), &next); !fault.Is(err, fault.Invalid) {
		t.Errorf("Reload = %v", err)
	}
	if s.Address(config.LMTP) != nil {
		t.Error("a failed reload opened a listener")
	}
}
