package wire

import (
	"net/netip"
	"strings"
	"sync"
)

// Sessions are the connections on which somebody has logged in, over all servers that
// share it. All methods may be called from any goroutine; a nil Sessions has none.
type Sessions struct {
	mu   sync.Mutex
	of   map[netip.Addr]int // by limitKey
	user map[string]int     // by userKey
}

// NewSessions makes an empty one.
func NewSessions() *Sessions { return &Sessions{of: map[netip.Addr]int{}, user: map[string]int{}} }

// Live says whether somebody is logged in from the network of an address: an IPv4
// address, or an IPv6 /64.
func (s *Sessions) Live(a netip.Addr) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[limitKey(a)] > 0
}

// Of is how many a user has by a protocol, with or without implicit TLS.
func (s *Sessions) Of(protocol, user string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user[userKey(protocol, user)]
}

func userKey(protocol, user string) string { return strings.TrimSuffix(protocol, "s") + " " + user }

// begin counts the session of c, once.
func (s *Sessions) begin(c *Conn) {
	if s == nil || c.session.IsValid() || !c.remote.IsValid() {
		return
	}
	c.session, c.sessionOf = limitKey(c.remote.Addr()), userKey(c.srv.o.Protocol, c.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[c.session]++
	s.user[c.sessionOf]++
}

// end takes back what begin did.
func (s *Sessions) end(c *Conn) {
	if s == nil || !c.session.IsValid() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[c.session]--; s.of[c.session] == 0 {
		delete(s.of, c.session)
	}
	if s.user[c.sessionOf]--; s.user[c.sessionOf] == 0 {
		delete(s.user, c.sessionOf)
	}
	c.session, c.sessionOf = netip.Addr{}, ""
}
