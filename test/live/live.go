// Package live runs the real posthorn for the tests that need one: it builds the
// binary, makes an installation with free ports on the loopback, adds accounts
// through the command line, starts the server, ends it gently or by SIGKILL, and asks
// `posthorn verify` what it thinks.
//
// It knows the server only as an operator does, by its commands, its configuration
// file and its log. It ends only processes that it started.
package live

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/internal/config"
)

const (
	// Domain is the one that installations serve.
	Domain = "example.test"
	// Password is that of all accounts.
	Password = "correct horse battery staple"

	patience = 60 * time.Second // for what normally takes moments, on a busy machine
)

// Build compiles the binary into dir and gives its path.
func Build(dir string) (string, error) {
	binary := filepath.Join(dir, "posthorn")
	build := exec.Command("go", "build", "-o", binary, "posthorn/cmd/posthorn")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// Options says what an installation is like.
type Options struct {
	Binary string
	DSN    string   // of a PostgreSQL database; empty: the embedded engine
	Users  []string // local parts of the accounts
	Change func(*config.Config)

	Domain string   // default: Domain
	Bind   string   // an address whose usual ports are listened on; default: free ports of the loopback
	Within []string // a command line that runs the server's where that address is
}

// Server is an installation and the process that serves it, if there is one now.
type Server struct {
	Dir    string
	Config string // path of the configuration file
	binary string
	within []string
	host   string // where it listens
	ports  map[config.Protocol]int
	log    *logFile
	run    *process
}

// Install makes an installation in a folder of the test's own. The server is not
// started.
func Install(t testing.TB, o Options) *Server {
	t.Helper()
	dir := t.TempDir()
	domain := cmp.Or(o.Domain, Domain)
	s := &Server{
		Dir: dir, Config: filepath.Join(dir, "posthorn.toml"), binary: o.Binary, within: o.Within,
		host: cmp.Or(o.Bind, "127.0.0.1"), ports: map[config.Protocol]int{},
	}
	s.log = &logFile{name: filepath.Join(dir, "server.log")}
	if out, err := s.Command("init", "--dir", dir, "--domain", domain, "--hostname", "mail."+domain, "--ports", "high"); err != nil {
		t.Fatalf("posthorn init: %v\n%s", err, out)
	}
	s.configure(t, o)
	if o.DSN != "" { // the directory that init has filled is in the embedded engine
		if out, err := s.Command("domain", "add", domain, "--config", s.Config); err != nil {
			t.Fatalf("posthorn domain add: %v\n%s", err, out)
		}
	}
	for _, user := range o.Users {
		s.AddAccount(t, user+"@"+domain)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the end of the server's log:\n%s", s.log.tail(40))
		}
	})
	return s
}

// configure moves the installation to where it is to listen and, where that is asked
// for, to PostgreSQL.
func (s *Server) configure(t testing.TB, o Options) {
	t.Helper()
	c, err := config.Load(s.Config)
	if err != nil {
		t.Fatalf("the file that posthorn init wrote: %v", err)
	}
	for _, p := range config.Protocols() {
		if !slices.ContainsFunc(c.Listeners, func(l config.Listener) bool { return l.Protocol == p }) {
			c.Listeners = append(c.Listeners, config.Listener{Protocol: p})
		}
	}
	for i, port := range s.choosePorts(t, c.Listeners, o.Bind != "") {
		l := &c.Listeners[i]
		s.ports[l.Protocol] = port
		l.Address = s.Addr(l.Protocol)
	}
	if o.DSN != "" {
		c.Store = config.Store{Engine: config.Postgres, DSN: o.DSN}
	}
	if o.Change != nil {
		o.Change(c)
	}
	var text bytes.Buffer
	if err := config.Write(&text, *c); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Config, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// choosePorts gives each listener its port.
func (s *Server) choosePorts(t testing.TB, listeners []config.Listener, usual bool) (ports []int) {
	if !usual {
		return freePorts(t, len(listeners))
	}
	for _, l := range listeners {
		ports = append(ports, l.Protocol.Port())
	}
	return ports
}

// block is how many ports are claimed together, the first of them by listening on it.
const block = 20

// freePorts finds ports that nobody listens on, below those that the system gives
// to clients: such a one could be taken before the server begins to listen. They are the
// test's own until it ends, also while the server is down: who wants others of the block
// finds the first one taken.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range 1000 {
		first := 10_000 + block*rand.IntN(20_000/block)
		claim, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first))
		if err != nil {
			continue // somebody has it
		}
		for ports = nil; len(ports) < n; ports = append(ports, first+1+len(ports)) {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+1+len(ports)))
			if err != nil {
				break
			}
			l.Close()
		}
		if len(ports) == n && n < block {
			t.Cleanup(func() { claim.Close() })
			return ports
		}
		claim.Close()
	}
	t.Fatalf("there are no %d free ports", n)
	return nil
}

// Addr is where a protocol is spoken.
func (s *Server) Addr(p config.Protocol) string { return fmt.Sprintf("%s:%d", s.host, s.ports[p]) }

// Port is the port of Addr.
func (s *Server) Port(p config.Protocol) int { return s.ports[p] }

// Command runs a subcommand and gives all that it printed.
func (s *Server) Command(args ...string) ([]byte, error) { return s.commandWithInput("", args...) }

func (s *Server) commandWithInput(input string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, s.binary, args...)
	c.Stdin = strings.NewReader(input)
	return c.CombinedOutput()
}

// AddAccount adds an account with the Password.
func (s *Server) AddAccount(t testing.TB, address string) {
	t.Helper()
	out, err := s.commandWithInput(Password+"\n", "account", "add", address, "--password-file", "-", "--config", s.Config)
	if err != nil {
		t.Fatalf("posthorn account add %s: %v\n%s", address, err, out)
	}
}

// Verify runs `posthorn verify`, on the running server or on the stopped store,
// and fails the test if anything is wrong.
func (s *Server) Verify(t testing.TB) {
	t.Helper()
	if out, err := s.Command("verify", "--config", s.Config); err != nil {
		t.Errorf("posthorn verify: %v\n%s", err, out)
	}
}
