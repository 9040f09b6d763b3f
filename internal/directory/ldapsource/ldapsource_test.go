package ldapsource

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/certs"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/wire/wiretest"
)

const settings = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile DIR/cert.pem
TLSCertificateKeyFile DIR/key.pem
database mdb
maxsize 10485760
suffix dc=test
directory DIR/db
access to attrs=userPassword by dn.exact="cn=reader,dc=test" read by anonymous auth by * none
access to * by dn.exact="cn=reader,dc=test" read by * auth
`

// content has people, two of one address, and a referral that leads to itself.
const content = `dn: dc=test
objectClass: organization
objectClass: dcObject
o: test

dn: cn=reader,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: library

dn: ou=people,dc=test
objectClass: organizationalUnit

dn: uid=bob,ou=people,dc=test
objectClass: inetOrgPerson
cn: Bob
sn: Bob
mail: bob@example.test
userPassword: builder

dn: cn=O*Neil\, (Jr.) \\ #1,ou=people,dc=test
objectClass: inetOrgPerson
sn: ONeil
mail: "o*n(e)il\\"@example.test
userPassword: {SSHA}kept

dn: uid=one,ou=people,dc=test
objectClass: inetOrgPerson
cn: one
sn: one
mail: twin@example.test

dn: uid=two,ou=people,dc=test
objectClass: inetOrgPerson
cn: two
sn: two
mail: twin@example.test

dn: ou=away,dc=test
objectClass: referral
objectClass: extensibleObject
ref: ldap://ADDRESS/ou=away,dc=test
`

// slapd is a server of the test's own.
type slapd struct {
	plain, secure string // addresses
	socket        string
	roots         *tls.Config
}

func startSlapd(t *testing.T) *slapd {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "slapdtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &slapd{plain: wiretest.Lonely(t), secure: wiretest.Lonely(t), socket: filepath.Join(dir, "s")}
	plainHost, _, _ := strings.Cut(s.plain, ":")
	secureHost, _, _ := strings.Cut(s.secure, ":")
	cert, key, err := certs.SelfSign(time.Now(), plainHost, secureHost)
	if err != nil {
		t.Fatal(err)
	}
	s.roots = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	s.roots.RootCAs.AppendCertsFromPEM(cert)
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ = strconv.Atoi(nobody.Uid)
		gid, _ = strconv.Atoi(nobody.Gid)
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	in := strings.NewReplacer("DIR", dir, "ADDRESS", s.plain)
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"cert.pem": string(cert), "key.pem": string(key), "conf": in.Replace(settings), "ldif": in.Replace(content)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"", "db", "cert.pem", "key.pem", "conf", "ldif"} {
		if err := os.Chown(filepath.Join(dir, name), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		c, out := exec.Command("/usr/sbin/slapd", args...), &bytes.Buffer{}
		c.Stdout, c.Stderr, c.SysProcAttr, c.Dir = out, out, as, dir
		return c, out
	}
	load, out := run("-T", "add", "-f", filepath.Join(dir, "conf"), "-l", filepath.Join(dir, "ldif"))
	if err := load.Run(); err != nil {
		t.Fatalf("slapadd (run `make deps`): %v\n%s", err, out)
	}
	urls := fmt.Sprintf("ldap://%s ldaps://%s ldapi://%s", s.plain, s.secure, strings.ReplaceAll(s.socket, "/", "%2F"))
	server, out := run("-d", "0", "-f", filepath.Join(dir, "conf"), "-h", urls)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { server.Wait(); close(ended) }()
	t.Cleanup(func() { server.Process.Kill(); <-ended })
	for range 300 {
		if c, err := net.Dial("tcp", s.secure); err == nil {
			c.Close()
			return s
		}
		select {
		case <-ended:
			t.Fatalf("slapd has ended:\n%s", out)
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatalf("slapd does not listen:\n%s", out)
	return nil
}

func (s *slapd) options() Options {
	return Options{
		Servers: []string{"ldaps://" + s.secure}, TLS: s.roots,
		BindDN: "cn=reader,dc=test", Password: "library", Base: "dc=test", Filter: "(&(objectClass=inetOrgPerson)(mail=%u))", Connections: 2,
	}
}

func source(t *testing.T, o Options) *Source {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

const patience = 20 * time.Second

// lookup gives what it is called there, and its hash, or the kind of error.
func lookup(t *testing.T, s *Source, local string, patience time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	found, err := s.Lookup(ctx, addr.Address{Local: local, Domain: "example.test"})
	if err != nil {
		return fault.KindOf(err).String()
	}
	return strings.TrimSpace(found.Entry + " " + found.Hash)
}

func verify(t *testing.T, s *Source, entry, password string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Verify(ctx, directory.Found{Entry: entry}, password); err != nil {
		return fault.KindOf(err).String()
	}
	return "right"
}

const (
	entryOfBob = "uid=bob,ou=people,dc=test"
	down       = "unavailable"
	nobody     = "not found"
	wrongOne   = "not authenticated"
)

func TestOpenLDAP(t *testing.T) {
	server := startSlapd(t)
	o := server.options()
	s := source(t, o)
	odd := lookup(t, s, `o*n(e)il\`, patience)
	if !strings.HasSuffix(odd, ",ou=people,dc=test") || strings.Contains(odd, "bob") {
		t.Errorf("an odd name is %q", odd)
	}
	for local, want := range map[string]string{
		"bob": entryOfBob, "nobody": nobody, "twin": down, "*": nobody, "b*": nobody, "bob)(uid=*": nobody, "*)(|(mail=*": nobody,
		`bob\2a`: nobody, `\2a`: nobody, "bob\x00": nobody, "b(ob": nobody, "%u": nobody, "bob,dc=test": nobody, "ünï": nobody,
	} {
		if got := lookup(t, s, local, patience); got != want {
			t.Errorf("%q: %q, want %q", local, got, want)
		}
	}
	for _, tc := range []struct{ entry, password, want string }{
		{entryOfBob, "builder", "right"},
		{entryOfBob, "wrong", wrongOne},
		{entryOfBob, "", wrongOne},
		{"", "builder", wrongOne},
		{"", "", wrongOne},
		{"uid=one,ou=people,dc=test", "x", wrongOne},
		{"uid=gone,ou=people,dc=test", "x", wrongOne},
		{entryOfBob, "builder", "right"},
	} {
		if got := verify(t, s, tc.entry, tc.password); got != tc.want {
			t.Errorf("%q with %q: %s, want %s", tc.entry, tc.password, got, tc.want)
		}
	}
	if got := lookup(t, s, "bob", patience); got != entryOfBob {
		t.Errorf("passwords were tried on the connection that searches: %q", got)
	}

	named := startBetween(t, server.secure) // with another name than the certificate's
	for what, tc := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"hashes":              {func(o *Options) { o.PasswordAttribute = "userpassword" }, entryOfBob + " builder"},
		"StartTLS":            {func(o *Options) { o.Servers, o.StartTLS = server.url("ldap"), true }, entryOfBob},
		"in clear":            {func(o *Options) { o.Servers, o.TLS = server.url("ldap"), nil }, entryOfBob},
		"socket":              {func(o *Options) { o.Servers, o.StartTLS = []string{"ldapi://" + server.socket}, true }, entryOfBob},
		"local part":          {func(o *Options) { o.Filter = "(uid=%n)" }, entryOfBob},
		"unknown CA":          {func(o *Options) { o.TLS = nil }, down},
		"unknown CA, later":   {func(o *Options) { o.Servers, o.StartTLS, o.TLS = server.url("ldap"), true, nil }, down},
		"another name":        {func(o *Options) { o.Servers = []string{"ldaps://" + named.Addr().String()} }, down},
		"wrong password":      {func(o *Options) { o.Password = "wrong" }, down},
		"nobody searches":     {func(o *Options) { o.BindDN, o.Password = "", "" }, down},
		"no such base":        {func(o *Options) { o.Base = "dc=other" }, down},
		"referral to itself":  {func(o *Options) { o.Base = "ou=away,dc=test" }, down},
		"the first is down":   {func(o *Options) { o.Servers = append([]string{"ldap://127.0.0.1:1"}, o.Servers...) }, entryOfBob},
		"a name without DNS":  {func(o *Options) { o.Servers = []string{"ldaps://ldap.invalid"} }, down},
		"TLS with plain LDAP": {func(o *Options) { o.Servers = []string{"ldaps://" + server.plain} }, down},
	} {
		o := server.options()
		tc.change(&o)
		if got := lookup(t, source(t, o), "bob", patience); got != tc.want {
			t.Errorf("%s: %q, want %q", what, got, tc.want)
		}
	}
}

func (s *slapd) url(scheme string) []string {
	return []string{scheme + "://" + s.plain}
}

// Connections that the server, or something between, has closed are made anew.
func TestConnectionsThatBreak(t *testing.T) {
	server := startSlapd(t)
	between := startBetween(t, server.plain)
	o := server.options()
	o.Servers = []string{"ldap://" + between.Addr().String()}
	s := source(t, o)
	for range 3 {
		if got := lookup(t, s, "bob", patience); got != entryOfBob {
			t.Errorf("bob is %q", got)
		}
		if got := verify(t, s, entryOfBob, "builder"); got != "right" {
			t.Errorf("his password is %s", got)
		}
		between.cut()
	}
	if n := between.count(); n != 6 {
		t.Errorf("%d connections, want one for each search and each bind", n)
	}
}

// between passes bytes on until it is cut.
type between struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func startBetween(t *testing.T, to string) *between {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &between{Listener: l}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); b.cut(); all.Wait() })
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			b.mu.Lock()
			b.conns = append(b.conns, in, out)
			b.mu.Unlock()
			all.Go(func() { io.Copy(in, out); in.Close() })
			all.Go(func() { io.Copy(out, in); out.Close() })
		}
	})
	return b
}

func (b *between) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.Close()
	}
}

func (b *between) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns) / 2
}

// Whatever else a server says is a failure for now, and soon.
func TestServersThatMisbehave(t *testing.T) {
	for what, say := range map[string]func(net.Conn){
		"hangs":            func(c net.Conn) { io.Copy(io.Discard, c) },
		"closes":           func(net.Conn) {},
		"talks HTTP":       func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); io.Copy(io.Discard, c) },
		"noise":            func(c net.Conn) { c.Write(bytes.Repeat([]byte{0xff, 0x30, 0x00, 0x84}, 1000)); io.Copy(io.Discard, c) },
		"a packet of 2 GB": func(c net.Conn) { c.Write([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xf0}); flood(c) },
		"without end":      func(c net.Conn) { c.Write([]byte{0x30, 0x80}); flood(c) },
		"deep":             func(c net.Conn) { c.Write(bytes.Repeat([]byte{0x30, 0x80}, 1<<17)); io.Copy(io.Discard, c) },
		"the wrong answer": func(c net.Conn) { c.Write([]byte{0x30, 5, 2, 1, 1, 0x42, 0}); io.Copy(io.Discard, c) },
		"somebody else's": func(c net.Conn) {
			c.Write([]byte{0x30, 12, 2, 1, 99, 0x65, 7, 10, 1, 0, 4, 0, 4, 0})
			io.Copy(io.Discard, c)
		},
		"a result cut":        func(c net.Conn) { c.Write([]byte{0x30, 12, 2, 1, 1, 0x65, 7, 10, 1}) },
		"a result of nothing": func(c net.Conn) { c.Write([]byte{0x30, 5, 2, 1, 1, 0x65, 0}); io.Copy(io.Discard, c) },
		"a referral": func(c net.Conn) {
			c.Write([]byte{0x30, 12, 2, 1, 1, 0x65, 7, 10, 1, 10, 4, 0, 4, 0})
			io.Copy(io.Discard, c)
		},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				all.Go(func() { defer c.Close(); c.Read(make([]byte, 1)); say(c) })
			}
		})
		for _, startTLS := range []bool{false, true} {
			s := source(t, Options{Servers: []string{"ldap://" + l.Addr().String()}, StartTLS: startTLS, Base: "dc=test", Filter: "(mail=%u)"})
			if got := lookup(t, s, "bob", 300*time.Millisecond); got != down {
				t.Errorf("%s: %q", what, got)
			}
			if got := verify1(t, s, 300*time.Millisecond); got != down {
				t.Errorf("%s, password: %q", what, got)
			}
			s.Close()
		}
		l.Close()
		all.Wait()
	}
}

func verify1(t *testing.T, s *Source, patience time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return fault.KindOf(s.Verify(ctx, directory.Found{Entry: entryOfBob}, "x")).String()
}

func flood(c net.Conn) {
	chunk := make([]byte, 1<<16)
	for {
		if _, err := c.Write(chunk); err != nil {
			return
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Base: "dc=test", Filter: "(mail=*)"}, {Base: "dc=test", Filter: "(mail=%u"}, {Base: "dc=test", Filter: "mail=%u)"}, {Base: "test", Filter: "(mail=%u)"},
	} {
		if _, err := Open(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func FuzzFill(f *testing.F) {
	f.Add("bob", "example.test")
	f.Add("*)(uid=*", "%n")
	f.Fuzz(func(t *testing.T, local, domain string) {
		filled := fill("(&(mail=%u)(uid=%n)(o=%d))", addr.Address{Local: local, Domain: domain})
		if strings.Count(filled, "(") != 4 || strings.Count(filled, ")") != 4 || strings.Contains(filled, "*") {
			t.Errorf("%q", filled)
		}
	})
}
