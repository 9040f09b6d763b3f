// Package dnstest is a name server for tests, with a zone written down as text and
// all the ways in which real servers go wrong.
//
// A zone is lines as in a zone file, names being complete with or without a dot at
// their end, and TTLs 300 if none are given:
//
//	example.test           MX    10 mx1.example.test.
//	mx1.example.test       60 A  127.0.0.2
//	mail.example.test      CNAME mx1.example.test.
//
// and lines that say how a server behaves when asked for a name, or for a name and a
// type:
//
//	dead.test     !timeout        says nothing
//	sick.test     !servfail       so do !refused, !formerr and !notimp
//	sick.test     !servfail AAAA  for this type only
//	odd.test      !lie            answers what was not asked
//	odd.test      !stranger       answers with another query's number
//	odd.test      !garbage        answers with no DNS message at all
//	odd.test      !empty          answers with nothing, not even the zone's SOA
//	old.test      !noedns         does not know EDNS
//	big.test      !truncate       wants to be asked by TCP
//	big.test      !cut            cuts its datagrams off in the middle
//	big.test      !notcp          hangs up when asked by TCP
//	lazy.test     !lazy           does not follow aliases
//	signed.test   !authentic      is signed, and so is all below it
//
// With TakeUpdates it lets a zone be changed (RFC 2136). The server follows aliases as recursive servers do, and truncates what does not
// fit into a datagram. It works over the loopback (Listen) and, inside a
// testing/synctest bubble, too, in memory (Dial, Resolver).
package dnstest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	miekg "github.com/miekg/dns"

	"posthorn/internal/dns"
)

// Server is the name server. It ends with its test.
type Server struct {
	t     testing.TB
	conns sync.WaitGroup

	mu      sync.Mutex
	zone    *zone
	updates *updatable     // nil: none are taken
	asked   map[string]int // queries, by "TYPE name"
	open    map[io.Closer]struct{}
	closed  bool
}

// New makes a server of a zone.
func New(t testing.TB, text string) *Server {
	t.Helper()
	s := &Server{t: t, asked: map[string]int{}, open: map[io.Closer]struct{}{}}
	s.Set(text)
	t.Cleanup(s.close)
	return s
}

// Set exchanges the zone.
func (s *Server) Set(text string) {
	s.t.Helper()
	z, err := parseZone(text)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone = z
}

// Asked is how many queries there were for a type ("MX") of a name.
func (s *Server) Asked(qtype, name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[qtype+" "+fqdn(name)]
}

// Resolver makes a resolver that asks this server, in memory, and trusts it.
func (s *Server) Resolver() *dns.Resolver {
	return dns.New(dns.Options{TrustAD: true, Dial: s.Dial})
}

// Dial is for dns.Options: whatever the address is, it leads to this server.
func (s *Server) Dial(_ context.Context, network, _ string) (net.Conn, error) {
	client, server := net.Pipe() // which keeps the borders between writes, as UDP does
	if !s.track(server) {
		return nil, net.ErrClosed
	}
	s.conns.Go(func() {
		defer s.untrack(server)
		if network == "tcp" {
			s.serveStream(server)
		} else {
			s.serveDatagrams(server)
		}
	})
	return client, nil
}

// Listen serves UDP and TCP on one port of the loopback.
func (s *Server) Listen() netip.AddrPort {
	s.t.Helper()
	for range 20 { // until a port is free for both
		if at, ok := s.listen("127.0.0.1:0"); ok {
			return at
		}
	}
	s.t.Fatal("dnstest: no port is free for both UDP and TCP")
	return netip.AddrPort{}
}

// ListenOn serves UDP and TCP on an address with its port.
func (s *Server) ListenOn(address string) {
	s.t.Helper()
	if _, ok := s.listen(address); !ok {
		s.t.Fatalf("dnstest: %s is taken", address)
	}
}

// listen says false if only one of UDP and TCP is free there.
func (s *Server) listen(address string) (netip.AddrPort, bool) {
	s.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		l.Close()
		return netip.AddrPort{}, false
	}
	s.track(l)
	s.track(pc)
	s.conns.Go(func() { s.accept(l) })
	s.conns.Go(func() { s.servePackets(pc) })
	return l.Addr().(*net.TCPAddr).AddrPort(), true
}

func (s *Server) accept(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil || !s.track(nc) {
			return
		}
		s.conns.Go(func() {
			defer s.untrack(nc)
			s.serveStream(nc)
		})
	}
}

func (s *Server) servePackets(pc net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply := s.answer(buf[:n], false); reply != nil {
			_, _ = pc.WriteTo(reply, from) // it may have given up
		}
	}
}

func (s *Server) serveDatagrams(nc net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		if reply := s.answer(buf[:n], false); reply != nil {
			_, _ = nc.Write(reply)
		}
	}
}

func (s *Server) serveStream(nc net.Conn) {
	for {
		var length [2]byte
		if _, err := io.ReadFull(nc, length[:]); err != nil {
			return
		}
		buf := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(nc, buf); err != nil {
			return
		}
		reply := s.answer(buf, true)
		switch {
		case reply == nil:
			continue
		case len(reply) == 0:
			return
		}
		if _, err := nc.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

func (s *Server) count(q miekg.Question) *zone {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[miekg.TypeToString[q.Qtype]+" "+strings.ToLower(q.Name)]++
	return s.zone
}

// track has close close c, and says whether it is not too late for that.
func (s *Server) track(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return false
	}
	s.open[c] = struct{}{}
	return true
}

func (s *Server) untrack(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	c.Close()
}

func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	var err error
	for c := range s.open {
		err = errors.Join(err, c.Close())
	}
	s.mu.Unlock()
	s.conns.Wait()
	if err != nil {
		s.t.Error(err)
	}
}
