package wire

import (
	"net/netip"
	"sync"
	"time"
)

// limits counts connections. Exempt peers are neither counted nor refused.
type limits struct {
	o *Options

	mu      sync.Mutex
	total   int
	perIP   map[netip.Addr]int
	refused int       // since the last line in the log
	logged  time.Time // that line
}

// logEvery is how often refused connections are logged.
const logEvery = 10 * time.Second

func (l *limits) init(o *Options) {
	l.o = o
	l.perIP = make(map[netip.Addr]int)
}

// enter gives c its place, or turns the peer away.
func (c *Conn) enter() bool {
	reply, entered := c.srv.place(c)
	if !entered {
		c.srv.stats.refused.Add(1)
		c.refuse(reply)
	}
	return entered
}

// place gives c its place; or says what the peer is told, if there is none.
func (s *Server) place(c *Conn) (reply string, entered bool) {
	l := &s.limits
	addr := c.remote.Addr()
	if contains(l.o.Exempt, addr) {
		return "", true
	}
	key, limit, busy := limitKey(addr), "", l.o.Busy
	if l.o.Refuse != nil {
		if reply, why := l.o.Refuse(addr); why != "" {
			limit, busy = why, reply
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case limit != "":
	case l.o.MaxConns > 0 && l.total >= l.o.MaxConns:
		limit = "connections in all"
	case l.o.MaxConnsPerIP > 0 && addr.IsValid() && l.perIP[key] >= l.o.MaxConnsPerIP:
		limit = "connections of this peer"
	default:
		l.total++
		l.perIP[key]++
		c.counted, c.limitKey = true, key
		return "", true
	}
	l.refused++
	if now := time.Now(); now.Sub(l.logged) >= logEvery {
		s.log.Warn("connection refused", "limit", limit, "remote", addr, "refused", l.refused)
		l.logged, l.refused = now, 0
	}
	return busy, false
}

// leave gives c's place back.
func (l *limits) leave(c *Conn) {
	if !c.counted {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.counted = false
	l.total--
	if l.perIP[c.limitKey]--; l.perIP[c.limitKey] == 0 {
		delete(l.perIP, c.limitKey)
	}
}

// refuse tells the peer why there is no place for it. It does not wait: the line
// fits the empty send buffer of a connection just accepted, or is not sent.
func (c *Conn) refuse(reply string) {
	if !c.srv.o.ImplicitTLS && reply != "" {
		c.sock.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		c.sock.Write([]byte(reply))
	}
	c.sock.Close()
}

// limitKey is what connections are counted by: an IPv4 address or an IPv6 /64,
// which is what one customer has.
func limitKey(a netip.Addr) netip.Addr {
	if a.Is6() && !a.Is4In6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a.Unmap()
}

func contains(nets []netip.Prefix, a netip.Addr) bool {
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
