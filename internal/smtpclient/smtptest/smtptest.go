// Package smtptest is a remote server for tests, which takes mail, remembers all
// that it was told, and goes wrong wherever it is told to.
//
// It is made of rules, one a line:
//
//	offers: PIPELINING, 8BITMIME, SIZE 1000   what EHLO lists; this replaces the default
//	RCPT bob: 550 5.1.1 Nobody of that name    a reply; "|" begins its next line
//	RCPT #3: 452 4.5.3 Too many                to the third RCPT of a connection
//	greeting: hang                             says nothing and waits for ever
//
// What a rule is for is "greeting", a verb, "end" for the end of a message (once
// for each recipient with LMTP), "response" for an answer to AUTH, or "handshake". A
// word after that is a text which the command must contain; for "end" it is looked for
// in the recipient. The last rule that fits counts. Instead of a reply there may be
//
//	hang       says nothing, but listens
//	stall      does not even listen
//	close      hangs up
//	garbage    says what is no reply
//	endless    says a reply of ten million bytes
//
// and after a reply "!close". A rule for "content" is carried out after the first
// bytes of a message, and has no reply of its own.
package smtptest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"posthorn/internal/wire/wiretest"
)

// Server is the remote server. It ends with its test.
type Server struct {
	t       testing.TB
	conns   sync.WaitGroup
	done    chan struct{}
	tls     *tls.Config
	trusted *tls.Config

	mu       sync.Mutex
	rules    []rule
	offers   []string
	said     []string
	messages []Message
	opened   int
	open     map[io.Closer]struct{}
	closed   bool
}

// Message is a message that the server has taken.
type Message struct {
	Mail string   // the arguments of MAIL
	Rcpt []string // those of each RCPT that was accepted
	Data string
	TLS  bool
}

// rule says what to do at some point.
type rule struct {
	point    string
	contains string
	nth      int // 0: always
	action   string
}

// New makes a server that goes by the rules.
func New(t testing.TB, rules string) *Server {
	t.Helper()
	s := &Server{t: t, done: make(chan struct{}), open: map[io.Closer]struct{}{}}
	s.tls, s.trusted = wiretest.TLS(t)
	s.Set(rules)
	t.Cleanup(s.close)
	return s
}

// Set exchanges the rules.
func (s *Server) Set(text string) {
	s.t.Helper()
	var rules []rule
	offers := []string{"PIPELINING", "8BITMIME", "SIZE", "ENHANCEDSTATUSCODES"}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		when, action, ok := strings.Cut(line, ": ")
		if !ok && !strings.HasSuffix(line, ":") {
			s.t.Fatalf("smtptest: not a rule: %q", line)
		}
		if when == "offers" || line == "offers:" {
			offers = nil
			for offer := range strings.SplitSeq(action, ",") {
				if offer = strings.TrimSpace(offer); offer != "" {
					offers = append(offers, offer)
				}
			}
			continue
		}
		rules = append(rules, parseRule(when, action))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.offers = rules, offers
}

func parseRule(when, action string) rule {
	r := rule{action: strings.TrimSpace(action)}
	r.point, r.contains, _ = strings.Cut(when, " ")
	if n, err := strconv.Atoi(strings.TrimPrefix(r.contains, "#")); err == nil && r.contains != "" {
		r.nth, r.contains = n, ""
	}
	return r
}

// find gives the action for a point, or the usual one.
func (s *Server) find(point, words string, count int, usual string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.rules) - 1; i >= 0; i-- {
		r := s.rules[i]
		if r.point == point && (r.nth == 0 || r.nth == count) && strings.Contains(words, r.contains) {
			return r.action
		}
	}
	return usual
}

// Said is every command so far, on all connections, in the order in which they came.
func (s *Server) Said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.said...)
}

// Messages are those that the server has taken, in their order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// Connections is how many there were.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// TLS is for clients that trust the server as mail.example.test.
func (s *Server) TLS() *tls.Config { return s.trusted }

// Identify gives the server another certificate.
func (s *Server) Identify(certificate tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}}
}

// Dial opens a connection in memory, whatever the address is.
func (s *Server) Dial(context.Context, string, string) (net.Conn, error) {
	client, server := wiretest.Pair()
	if !s.start(server) {
		return nil, net.ErrClosed
	}
	return client, nil
}

// Listen takes connections on an address of the loopback, "127.0.0.1:0" or the like.
func (s *Server) Listen(address string) netip.AddrPort {
	s.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.open[l] = struct{}{}
	s.mu.Unlock()
	s.conns.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil || !s.start(nc) {
				return
			}
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// start runs a connection in a goroutine of its own.
func (s *Server) start(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		nc.Close()
		return false
	}
	s.opened++
	s.open[nc] = struct{}{}
	s.conns.Go(func() {
		defer s.forget(nc)
		(&session{server: s, nc: nc, counts: map[string]int{}}).run()
	})
	return true
}

func (s *Server) forget(nc net.Conn) {
	nc.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, nc)
}

func (s *Server) close() {
	close(s.done)
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.conns.Wait()
}

// Describe spells a message on one line, for comparisons.
func (m Message) Describe() string {
	return fmt.Sprintf("%s -> %s: %q", m.Mail, strings.Join(m.Rcpt, " "), m.Data)
}
