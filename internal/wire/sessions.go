package wire

import (
	"net/netip"
	"sync"
)

// Sessions are the connections on which somebody has logged in, over all servers that
// share it. All methods may be called from any goroutine; a nil Sessions has none.
type Sessions struct {
	mu sync.Mutex
	of map[netip.Addr]int // by limitKey
}

// NewSessions makes an empty one.
func NewSessions() *Sessions { return &Sessions{of: map[netip.Addr]int{}} }

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

// begin counts the session of c, once.
func (s *Sessions) begin(c *Conn) {
	if s == nil || c.session.IsValid() || !c.remote.IsValid() {
		return
	}
	c.session = limitKey(c.remote.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[c.session]++
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
	c.session = netip.Addr{}
}
