package certs

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/wire/wiretest"
)

// folder has certificates as files.
type folder struct {
	t   *testing.T
	dir string
	ca  *wiretest.CA
}

func newFolder(t *testing.T) *folder { return &folder{t, t.TempDir(), wiretest.NewCA(t)} }

// write makes a certificate for names and puts it into files called name.
func (f *folder) write(name string, change func(*x509.Certificate), names ...string) File {
	f.t.Helper()
	cert := f.ca.Issue(change, names...)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		f.t.Fatal(err)
	}
	var chain []byte
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	files := File{filepath.Join(f.dir, name+".pem"), filepath.Join(f.dir, name+".key")}
	f.put(files.Certificate, chain)
	f.put(files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	return files
}

func (f *folder) put(file string, content []byte) {
	f.t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) read(o Options) *Loaded {
	f.t.Helper()
	l, err := Read(o, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

// record is a log to be looked at.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

// take gives what was logged since the last time.
func (r *record) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.b.Reset()
	return r.b.String()
}

func (r *record) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r, nil)) }

// shown is the first name of the certificate that a client gets who asks for a name.
func shown(t *testing.T, s *Set, name string) string {
	t.Helper()
	state, err := shake(s.Config(Listener{}), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatalf("%q: %v", name, err)
	}
	return state.PeerCertificates[0].DNSNames[0]
}

// shake lets a server and a client shake hands, and gives the client's view.
func shake(server, client *tls.Config) (tls.ConnectionState, error) {
	a, b := net.Pipe()
	defer a.Close()
	done := make(chan error, 1)
	go func() {
		defer a.Close()
		s := tls.Server(a, server)
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte("x"))
		}
		done <- err
	}()
	c := tls.Client(b, client)
	_, err := c.Read(make([]byte, 1)) // TLS 1.3 tells only then whether the server liked us
	b.Close()
	if served := <-done; err == nil {
		err = served
	}
	return c.ConnectionState(), err
}

func TestChoice(t *testing.T) {
	f := newFolder(t)
	set := New(time.Now, slog.New(slog.DiscardHandler))
	if _, err := set.get(&tls.ClientHelloInfo{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without certificates: %v", err)
	}
	set.Use(f.read(Options{
		Hostname: "mail.example.test",
		Default:  f.write("default", nil, "mail.example.test", "imap.example.test"),
		Files: []File{
			f.write("other", nil, "mail.example.org", "imap.example.test"),
			f.write("wild", nil, "*.example.org"),
		},
	}))
	for asked, want := range map[string]string{
		"":                       "mail.example.test",
		"mail.example.test":      "mail.example.test",
		"MAIL.Example.Test.":     "mail.example.test",
		"imap.example.test":      "mail.example.org", // a table of its own beats the default
		"mail.example.org":       "mail.example.org", // just this name beats a wildcard
		"pop.example.org":        "*.example.org",
		"example.org":            "mail.example.test",
		"a.pop.example.org":      "mail.example.test",
		"something.else.example": "mail.example.test",
	} {
		if asked == "MAIL.Example.Test." { // Go's client would not send the dot
			if got := set.table.Load().find(asked)[0].Leaf.DNSNames[0]; got != want {
				t.Errorf("%q is shown %q, want %q", asked, got, want)
			}
			continue
		}
		if got := shown(t, set, asked); got != want {
			t.Errorf("%q is shown %q, want %q", asked, got, want)
		}
	}
	issued := f.ca.Issue(nil, "mail.example.test")
	set.setIssued(map[string]Certificate{"mail.example.test": {&issued, Issued, ""}})
	for _, asked := range []string{"", "mail.example.test"} {
		c := set.table.Load().find(asked)[0]
		if asked == "" {
			c = set.table.Load().fallback[0]
		}
		if c.Source != Issued {
			t.Errorf("%q is shown the one of %s, want the issued one before the default", asked, c.Source)
		}
	}
	if got := set.Chain("mail.example.test"); len(got) != 2 {
		t.Errorf("a chain of %d, want 2", len(got))
	}
}

// TestKinds: a client that cannot check one kind of key gets the other.
func TestKinds(t *testing.T) {
	f := newFolder(t)
	first, second := f.ca.Issue(nil, "mail.example.test"), f.ca.Issue(nil, "mail.example.test")
	set := New(time.Now, slog.New(slog.DiscardHandler))
	set.setIssued(map[string]Certificate{"a": {&first, Issued, ""}, "b": {&second, Issued, ""}})
	hello := &tls.ClientHelloInfo{
		ServerName: "mail.example.test", SupportedVersions: []uint16{tls.VersionTLS13}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
	}
	if first.Leaf.PublicKeyAlgorithm != x509.ECDSA || elliptic.P256() == nil {
		t.Fatal("not the keys that this test is about")
	}
	if c, err := set.get(hello); err != nil || hello.SupportsCertificate(c) != nil {
		t.Errorf("got %v, %v", c, err)
	}
	hello.SignatureSchemes = []tls.SignatureScheme{tls.Ed25519}
	if c, err := set.get(hello); err != nil || c == nil { // crypto/tls will say why it cannot be
		t.Errorf("got %v, %v", c, err)
	}
}

func TestBadFiles(t *testing.T) {
	f := newFolder(t)
	good, other := f.write("good", nil, "a.test"), f.write("other", nil, "b.test")
	f.put(filepath.Join(f.dir, "junk.pem"), []byte("junk"))
	for _, tc := range []struct {
		file File
		says string
	}{
		{File{filepath.Join(f.dir, "no.pem"), good.Key}, "no.pem: no such file"},
		{File{good.Certificate, other.Key}, "does not match"},
		{File{filepath.Join(f.dir, "junk.pem"), good.Key}, "junk.pem"},
	} {
		for _, o := range []Options{{Default: tc.file}, {Default: good, Files: []File{tc.file}}} {
			if _, err := Read(o, time.Now()); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%+v: %v, want %q", tc.file, err, tc.says)
			}
		}
	}
	if _, err := Authorities(filepath.Join(f.dir, "junk.pem")); !fault.Is(err, fault.Invalid) {
		t.Errorf("junk as authorities: %v", err)
	}
}

// TestWatch: files that change are read again; what cannot be used is not, and is told
// once, if it stays so.
func TestWatch(t *testing.T) {
	f := newFolder(t)
	o := Options{Hostname: "one.test", Default: f.write("c", nil, "one.test")}
	loaded := f.read(o)
	synctest.Test(t, func(t *testing.T) {
		var log record
		set := New(time.Now, log.logger())
		set.Use(loaded)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); set.Watch(ctx) }()
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		is := func(want string) {
			t.Helper()
			if got := set.table.Load().find("")[0].Names(); !slices.Contains(got, want) {
				t.Errorf("shown %v, want %s", got, want)
			}
		}
		log.take()
		pass(time.Minute)
		if said := log.take(); said != "" {
			t.Errorf("nothing has changed: %s", said)
		}
		old, err := os.ReadFile(o.Default.Key)
		if err != nil {
			t.Fatal(err)
		}
		f.write("c", nil, "one.test", "two.test")
		newKey, err := os.ReadFile(o.Default.Key)
		if err != nil {
			t.Fatal(err)
		}
		f.put(o.Default.Key, old)
		pass(watchEvery)
		is("one.test")
		f.put(o.Default.Key, newKey)
		pass(watchEvery)
		is("two.test")
		if said := log.take(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "has changed, and is shown") {
			t.Errorf("after an exchange in two moments: %s", said)
		}
		f.put(o.Default.Key, []byte("junk"))
		pass(time.Minute)
		is("two.test")
		if said := log.take(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "the old one stays") {
			t.Errorf("after junk: %s", said)
		}
		if err := os.Remove(o.Default.Key); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		is("two.test")
		if said := log.take(); strings.Count(said, "\n") != 1 {
			t.Errorf("without a key: %s", said)
		}
		f.put(o.Default.Key, newKey)
		pass(watchEvery)
		if said := log.take(); !strings.Contains(said, "has changed, and is shown") {
			t.Errorf("when it is mended: %s", said)
		}
		cancel()
		<-done
	})
}

func TestAlarms(t *testing.T) {
	f := newFolder(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	lives := func(d time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now, now.Add(d) }
	}
	day := 24 * time.Hour
	for _, tc := range []struct {
		lives, after time.Duration
		name, says   string
	}{
		{90 * day, 70 * day, "mail.test", ""},
		{90 * day, 77 * day, "mail.test", "it ends 2026-04-01 00:00 UTC"},
		{90 * day, 91 * day, "mail.test", "it has ended"},
		{90 * day, -3 * day, "mail.test", "not valid before"},
		{6 * day, 4 * day, "mail.test", ""},
		{6 * day, 5*day + time.Hour, "mail.test", "it ends"},
		{90 * day, day, "other.test", "it is not for mail.test, but for other.test"},
	} {
		var log record
		clock := now.Add(tc.after)
		set := New(func() time.Time { return clock }, log.logger())
		set.Use(f.read(Options{Hostname: "mail.test", Default: f.write("c", lives(tc.lives), tc.name)}))
		all, said := set.Troubles(), log.take()
		if tc.says == "" && (len(all) > 0 || said != "") || tc.says != "" && (len(all) != 1 || !strings.Contains(all[0].String(), tc.says) || !strings.Contains(said, tc.says)) {
			t.Errorf("%+v: %v; logged %s", tc, all, said)
		}
		set.warn()
		if said := log.take(); said != "" {
			t.Errorf("said again at once: %s", said)
		}
		clock = clock.Add(alarmEvery)
		set.warn()
		if said := log.take(); tc.says != "" && said == "" {
			t.Errorf("%+v: not said again the next day", tc)
		}
	}
}

func TestSelfSigned(t *testing.T) {
	set := New(time.Now, slog.New(slog.DiscardHandler))
	set.Use(newFolder(t).read(Options{Hostname: "mail.test", SelfSign: true}))
	if got := shown(t, set, "mail.test"); got != "mail.test" {
		t.Errorf("shown %s", got)
	}
	if all := set.Troubles(); len(all) != 1 || !strings.Contains(all[0].String(), "signs itself") {
		t.Errorf("said %v", all)
	}
}

// TestClients: certificates of clients are asked for where the listener says so, and
// only those of its authorities come in.
func TestClients(t *testing.T) {
	f := newFolder(t)
	set := New(time.Now, slog.New(slog.DiscardHandler))
	set.Use(f.read(Options{Default: f.write("c", nil, "mail.test")}))
	f.put(filepath.Join(f.dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.ca.Certificate.Raw}))
	ca, err := Authorities(filepath.Join(f.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	forClients := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
	ours := f.ca.Issue(forClients, "alice")
	strange := wiretest.NewCA(t).Issue(forClients, "alice")
	server := f.ca.Issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "alice")
	ended := f.ca.Issue(func(c *x509.Certificate) { forClients(c); c.NotAfter = time.Now().Add(-time.Hour) }, "alice")
	asking, needing := Listener{Tickets: true, ClientCAs: ca}, Listener{Tickets: true, ClientCAs: ca, Required: true}
	for _, tc := range []struct {
		name     string
		listener Listener
		shows    *tls.Certificate
		in       bool
		proven   bool
	}{
		{"nobody asks", Listener{Tickets: true}, &ours, true, false},
		{"none to show", asking, nil, true, false},
		{"a good one", asking, &ours, true, true},
		{"of a stranger", asking, &strange, false, false},
		{"for servers", asking, &server, false, false},
		{"that has ended", asking, &ended, false, false},
		{"none where one is needed", needing, nil, false, false},
		{"a good one where one is needed", needing, &ours, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := set.Config(tc.listener)
			proven := false
			config.VerifyConnection = func(state tls.ConnectionState) error {
				proven = len(state.VerifiedChains) > 0
				if state.DidResume {
					t.Error("a session was resumed on a listener that asks for certificates")
				}
				return nil
			}
			client := &tls.Config{InsecureSkipVerify: true}
			if tc.listener.ClientCAs != "" {
				client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				client.ServerName = "mail.test"
			}
			if tc.shows != nil {
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return tc.shows, nil }
			}
			for range 2 {
				if _, err := shake(config, client); (err == nil) != tc.in {
					t.Errorf("let in: %v (%v), want %v", err == nil, err, tc.in)
				}
				if proven != tc.proven {
					t.Errorf("proven: %v, want %v", proven, tc.proven)
				}
			}
		})
	}
}

// TestOldVersions: RFC 8996.
func TestOldVersions(t *testing.T) {
	set := New(time.Now, slog.New(slog.DiscardHandler))
	set.Use(newFolder(t).read(Options{Hostname: "mail.test", SelfSign: true}))
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		_, err := shake(set.Config(Listener{}), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}
