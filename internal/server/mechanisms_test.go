package server

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"hash"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/directory"
	"posthorn/internal/openid/openidtest"
	"posthorn/internal/sasl"
)

// This is every mechanism over every protocol, with and without an initial response, with
// a credential that is right and with one that is wrong.

// dialect is how a protocol carries an exchange.
type dialect struct {
	startTLS  string // the command; "": TLS from the first byte
	hello     string // what is said under TLS before it begins; "": nothing
	auth      func(mechanism, initial string) string
	challenge string // begins a challenge
	in, out   string // begin the last line
	bye       string // ends the session
}

func smtpDialect(startTLS bool) dialect {
	d := dialect{bye: "QUIT", hello: "EHLO client.test", challenge: "334 ", in: "235 ", out: "535 5.7.8", auth: func(m, i string) string { return strings.TrimSpace("AUTH " + m + " " + i) }}
	if startTLS {
		d.startTLS = "STARTTLS"
	}
	return d
}

func imapDialect(startTLS bool) dialect {
	d := dialect{bye: "z LOGOUT", challenge: "+ ", in: "a OK", out: "a NO [AUTHENTICATIONFAILED]", auth: func(m, i string) string { return strings.TrimSpace("a AUTHENTICATE " + m + " " + i) }}
	if startTLS {
		d.startTLS = "s STARTTLS"
	}
	return d
}

func popDialect(startTLS bool) dialect {
	d := dialect{bye: "QUIT", challenge: "+ ", in: "+OK", out: "-ERR [AUTH]", auth: func(m, i string) string { return strings.TrimSpace("AUTH " + m + " " + i) }}
	if startTLS {
		d.startTLS = "STLS"
	}
	return d
}

func dialects() map[config.Protocol]dialect {
	return map[config.Protocol]dialect{
		config.Submission: smtpDialect(true), config.Submissions: smtpDialect(false),
		config.IMAP: imapDialect(true), config.IMAPS: imapDialect(false),
		config.POP3: popDialect(true), config.POP3S: popDialect(false),
	}
}

// talker is a client's connection.
type talker struct {
	t *testing.T
	net.Conn
	r   *bufio.Reader
	tls *tls.Conn
}

func (c *talker) line() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%q, %v", line, err)
	}
	return strings.TrimRight(line, "\r\n")
}

func (c *talker) send(line string) {
	if _, err := c.Write([]byte(line + "\r\n")); err != nil {
		c.t.Fatal(err)
	}
}

// open connects, and goes over to TLS. It gives the greeting, too.
func (d dialect) open(t *testing.T, address net.Addr, conf *tls.Config) (*talker, string) {
	t.Helper()
	nc, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc = patient{nc}
	c := &talker{t, nc, bufio.NewReader(nc), nil}
	greeting := ""
	if d.startTLS != "" {
		greeting = c.line()
		c.send(d.startTLS)
		c.line()
	}
	c.tls = tls.Client(nc, conf)
	c.Conn, c.r = c.tls, bufio.NewReader(c.tls)
	if d.startTLS == "" {
		greeting = c.line()
	}
	if d.hello != "" {
		c.send(d.hello)
		for line := c.line(); len(line) > 3 && line[3] == '-'; {
			line = c.line()
		}
	}
	if err := c.tls.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c, greeting
}

// leave says goodbye, and waits until the server has understood.
func (c *talker) leave(d dialect) {
	c.send(d.bye)
	for {
		if _, err := c.r.ReadString('\n'); err != nil {
			c.Close()
			return
		}
	}
}

// authenticate runs an exchange, and gives the last line.
func (c *talker) authenticate(d dialect, mechanism string, initial bool, m *saslClient) string {
	first := m.start()
	encode := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	if first != nil && initial {
		text := encode(first)
		if text == "" {
			text = "="
		}
		c.send(d.auth(mechanism, text))
	} else {
		c.send(d.auth(mechanism, ""))
	}
	for i := 0; ; i++ {
		line := c.line()
		text, more := strings.CutPrefix(line+" ", d.challenge)
		if strings.HasPrefix(line, d.in) || !more {
			return line
		}
		asked, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			c.t.Fatalf("%s: challenge %q", mechanism, line)
		}
		answer := first
		if i > 0 || first == nil || initial {
			answer = m.next(asked)
		}
		c.send(encode(answer))
	}
}

// saslClient is the client's side of a mechanism. start gives nil if the server speaks first.
type saslClient struct {
	start func() []byte
	next  func(challenge []byte) []byte
}

func says(first string, more ...string) *saslClient {
	return &saslClient{func() []byte { return []byte(first) }, func([]byte) (answer []byte) {
		if len(more) > 0 {
			answer, more = []byte(more[0]), more[1:]
		}
		return answer
	}}
}

// waysIn make clients for a mechanism: of somebody who may come in, and of one who may not.
type wayIn func(c *talker, right bool) *saslClient

func choose(right bool, a, b string) string {
	if right {
		return a
	}
	return b
}

func scramWay(h func() hash.Hash, binding string) wayIn {
	return func(c *talker, right bool) *saslClient {
		s := &sasl.ScramClient{Hash: h, User: "alice@example.test", Password: choose(right, "secret", "Secret"), Binding: binding}
		state := c.tls.ConnectionState()
		switch binding {
		case "tls-exporter":
			s.BindingData, _ = state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		case "tls-server-end-point":
			sum := sha256.Sum256(state.PeerCertificates[0].Raw)
			s.BindingData = sum[:]
		}
		return &saslClient{s.Start, func(challenge []byte) []byte {
			answer, err := s.Next(challenge)
			if err != nil {
				c.t.Error(err)
			}
			return answer
		}}
	}
}

func ways(p *openidtest.Provider) map[string]wayIn {
	token := func(right bool) string {
		return p.Token(map[string]any{
			"iss": p.Issuer(), "aud": choose(right, "mail", "web"), "email": "alice@example.test", "exp": time.Now().Add(time.Hour).Unix(),
			"padding": strings.Repeat("x", 3000), // as large as some providers make them
		})
	}
	return map[string]wayIn{
		"PLAIN": func(_ *talker, right bool) *saslClient {
			return says("\x00alice@example.test\x00" + choose(right, "secret", "wrong"))
		},
		"LOGIN": func(c *talker, right bool) *saslClient {
			return &saslClient{func() []byte { return nil }, func(challenge []byte) []byte {
				switch string(challenge) {
				case "Username:":
					return []byte("alice@example.test")
				case "Password:":
					return []byte(choose(right, "secret", "wrong"))
				}
				c.t.Errorf("LOGIN asks for %q", challenge)
				return nil
			}}
		},
		"SCRAM-SHA-1":                 scramWay(sha1.New, ""),
		"SCRAM-SHA-256":               scramWay(sha256.New, ""),
		"SCRAM-SHA-1-PLUS exporter":   scramWay(sha1.New, "tls-exporter"),
		"SCRAM-SHA-256-PLUS exporter": scramWay(sha256.New, "tls-exporter"),
		"SCRAM-SHA-256-PLUS endpoint": scramWay(sha256.New, "tls-server-end-point"),
		"OAUTHBEARER": func(_ *talker, right bool) *saslClient {
			return says("n,a=alice@example.test,\x01host=mail\x01auth=Bearer "+token(right)+"\x01\x01", "\x01")
		},
		"XOAUTH2": func(_ *talker, right bool) *saslClient {
			return says("user=alice@example.test\x01auth=Bearer "+token(right)+"\x01\x01", "")
		},
		"EXTERNAL": func(_ *talker, right bool) *saslClient { return says(choose(right, "", "bob@example.test")) },
		"CRAM-MD5": func(_ *talker, right bool) *saslClient {
			return &saslClient{func() []byte { return nil }, func(challenge []byte) []byte {
				mac := hmac.New(md5.New, []byte("secret"))
				mac.Write(challenge)
				// Alice has not opted in.
				return []byte(choose(right, "bob", "alice") + "@example.test " + hex.EncodeToString(mac.Sum(nil)))
			}}
		},
	}
}

// clientCertificate makes an authority, whose certificate it writes to a file, and a
// certificate for an address.
func clientCertificate(t *testing.T, file, address string) tls.Certificate {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	make := func(c *x509.Certificate, parent *x509.Certificate, signer *ecdsa.PrivateKey) (tls.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
		must(err)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, key
	}
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	authority, key := make(ca, ca, nil)
	must(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate[0]}), 0o600))
	leaf, _ := make(&x509.Certificate{Subject: pkix.Name{CommonName: "client"}, EmailAddresses: []string{address}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, ca, key)
	return leaf
}

// crossConfig has every protocol, with every mechanism.
func crossConfig(t *testing.T, p *openidtest.Provider) (*config.Config, *tls.Config) {
	t.Helper()
	c := testConfig(t, config.Submission, config.Submissions, config.IMAP, config.IMAPS, config.POP3, config.POP3S)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	leaf := clientCertificate(t, ca, "alice@example.test")
	for i := range c.Listeners {
		l := &c.Listeners[i]
		l.PlaintextAuth, l.ClientCertificates, l.Mechanisms = false, ca, config.Mechanisms()
	}
	c.Limits.Tarpit = 0
	c.OpenID = config.OpenID{Issuer: p.Issuer(), Audience: "mail", CA: filepath.Join(t.TempDir(), "id.pem")}
	if err := os.WriteFile(c.OpenID.CA, p.Certificate(), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := os.ReadFile(c.TLS.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(server)
	return c, &tls.Config{RootCAs: roots, ServerName: "mail.example.test", Certificates: []tls.Certificate{leaf}}
}

func inhabit(t *testing.T, d *directory.Directory) {
	t.Helper()
	_, err := d.AddDomain(t.Context(), "example.test")
	for _, name := range []string{"alice", "bob"} {
		if err == nil {
			_, err = d.AddAccount(t.Context(), addr.Address{Local: name, Domain: "example.test"}, "secret")
		}
	}
	if err == nil {
		err = d.ShareSecret(t.Context(), addr.Address{Local: "bob", Domain: "example.test"}, "secret")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryMechanismOverEveryProtocol(t *testing.T) {
	provider := openidtest.New(t)
	c, conf := crossConfig(t, provider)
	s, log := start(t, c)
	inhabit(t, s.data.Directory)
	for protocol, d := range dialects() {
		for name, way := range ways(provider) {
			mechanism, _, _ := strings.Cut(name, " ")
			for i := range 4 {
				initial, right := i&1 == 0, i&2 == 0
				conn, _ := d.open(t, s.Address(protocol), conf)
				got := conn.authenticate(d, mechanism, initial, way(conn, right))
				want := d.out
				if right {
					want = d.in
				}
				ok := strings.HasPrefix(got, want) || !right && mechanism == "EXTERNAL" && strings.HasPrefix(got, "a NO [")
				if !ok {
					t.Errorf("%s %s, initial %v, right %v: %s", protocol, name, initial, right, got)
				}
				conn.leave(d)
			}
		}
	}
	if text := log.String(); strings.Contains(text, "secret") || strings.Contains(text, "eyJ") {
		t.Error("the log has a secret in it")
	}
}

// POP3 has one way more, and ANONYMOUS is none.
func TestAPOPAndAnonymous(t *testing.T) {
	provider := openidtest.New(t)
	c, conf := crossConfig(t, provider)
	s, _ := start(t, c)
	inhabit(t, s.data.Directory)
	d := popDialect(false)
	for user, want := range map[string]string{"bob": "+OK", "alice": "-ERR [AUTH]", "nobody": "-ERR [AUTH]"} {
		conn, greeting := d.open(t, s.Address(config.POP3S), conf)
		sum := md5.Sum([]byte(greeting[strings.LastIndexByte(greeting, '<'):] + "secret"))
		conn.send(fmt.Sprintf("APOP %s@example.test %x", user, sum))
		if got := conn.line(); !strings.HasPrefix(got, want) {
			t.Errorf("APOP of %s: %s", user, got)
		}
	}
	// In clear it is not offered, nor anything else.
	plain := connect(t, s.Address(config.POP3))
	plain.expect("+OK mail.example.test POP3 ready\r\n")
	plain.say("APOP bob@example.test 0123", "-ERR")
	plain.say("AUTH SCRAM-SHA-256", "-ERR Encrypt")
	for protocol, d := range dialects() {
		conn, _ := d.open(t, s.Address(protocol), conf)
		got := conn.authenticate(d, "ANONYMOUS", true, says("me"))
		if strings.HasPrefix(got, d.in) {
			t.Errorf("%s: ANONYMOUS: %s", protocol, got)
		}
	}
}

// TestBrokenExchanges: whatever breaks off, is repeated or is too long, the next client
// gets in.
func TestBrokenExchanges(t *testing.T) {
	provider := openidtest.New(t)
	c, conf := crossConfig(t, provider)
	s, _ := start(t, c)
	inhabit(t, s.data.Directory)
	for protocol, d := range dialects() {
		for _, name := range config.Mechanisms() {
			if name == "APOP" {
				continue
			}
			for _, answer := range []string{"*", "!!!", "AA=A", "AA\rAA", strings.Repeat("A", 11_000), base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00"))} {
				conn, _ := d.open(t, s.Address(protocol), conf)
				conn.send(d.auth(name, ""))
				if line := conn.line(); !strings.HasPrefix(line+" ", d.challenge) {
					t.Fatalf("%s %s: %s", protocol, name, line)
				}
				conn.send(answer)
				for range 2 { // a refusal of a token is said before the end
					line := conn.line()
					if strings.HasPrefix(line, d.in) {
						t.Errorf("%s %s: %.20q lets in: %s", protocol, name, answer, line)
					}
					if !strings.HasPrefix(line, d.challenge) {
						break
					}
					conn.send("")
				}
				conn.Close()
			}
			conn, _ := d.open(t, s.Address(protocol), conf)
			conn.send(d.auth(name, ""))
			conn.Close() // cut
		}
		conn, _ := d.open(t, s.Address(protocol), conf)
		if got := conn.authenticate(d, "PLAIN", true, says("\x00alice@example.test\x00secret")); !strings.HasPrefix(got, d.in) {
			t.Errorf("%s: in the end %s", protocol, got)
		}
		conn.leave(d)
	}
}
