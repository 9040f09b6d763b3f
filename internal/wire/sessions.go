package wire

import (
	"crypto/tls"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Login is who has logged in on a connection, and by what.
type Login struct {
	User       string
	Mechanism  string    // as SASL calls it; "": it is not known
	Credential string    // the app password, by its name in the directory; "": another proof
	Client     string    // what the program calls itself; "": not known
	Until      time.Time // when the proof is over; zero: never
}

// Session is a connection on which somebody is logged in.
type Session struct {
	Login
	ID       string // of the connection, as the log calls it
	Protocol string
	Remote   netip.AddrPort
	TLS      string    // its version; "": in clear
	Since    time.Time // of the connection
}

// endGrace is how long a session that is to end may take for the command that it is at, or
// for a client that does not read.
const endGrace = 10 * time.Second

// Sessions are the connections on which somebody has logged in, over all servers that
// share it. All methods may be called from any goroutine; a nil Sessions has none.
//
// An End catches those, too, who are just proving themselves by what is not good any more:
// a connection notes how many there were when it got its command (seen), and what came
// after that is held against it when it has logged in.
type Sessions struct {
	ends atomic.Uint32 // how many there were

	mu        sync.Mutex
	of        map[netip.Addr]int  // by limitKey
	users     map[userKey]userSet // who is logged in
	protocols []string            // that are in them
	latest    []Ending            // the last of ends
	soonest   time.Time           // when the first of them is over, at the earliest; zero: none will be
}

type userKey struct{ protocol, user string }

type userSet struct {
	n     int
	first *session
}

// session is a member of the register.
type session struct {
	conn       *Conn
	login      Login
	tls        uint16
	cut        *time.Timer // nil unless it is to end
	prev, next *session    // of the same userSet
}

// Ending says which sessions are to end: those to which all applies that it says.
type Ending struct {
	User       string
	ID         string
	Protocols  []string // one of these
	Mechanisms []string // likewise
	Credential string   // this app password
	Own        bool     // none
}

// maxLatest is how many endings are remembered for those who are logging in meanwhile.
const maxLatest = 256

// NewSessions makes an empty one.
func NewSessions() *Sessions {
	return &Sessions{of: map[netip.Addr]int{}, users: map[userKey]userSet{}}
}

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
	return s.users[keyOf(protocol, user)].n
}

func keyOf(protocol, user string) userKey { return userKey{strings.TrimSuffix(protocol, "s"), user} }

// List gives the sessions of a user, or all of them for "", in the order of their beginning.
func (s *Sessions) List(user string) (all []Session) {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	s.each(user, func(m *session) { all = append(all, m.public()) })
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b Session) int { return a.Since.Compare(b.Since) })
	return all
}

// Users are those who are logged in, in no order.
func (s *Sessions) Users() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]struct{}{}
	for key := range s.users {
		all[key.user] = struct{}{}
	}
	return slices.Collect(maps.Keys(all))
}

// End has sessions say goodbye as soon as they are not at a command, and closed then, or after
// a short time in any case. It does not wait for that, and tells how many there were.
func (s *Sessions) End(e Ending) (ended int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends.Add(1)
	if s.latest = append(s.latest, e); len(s.latest) > maxLatest {
		s.latest = slices.Clone(s.latest[maxLatest/2:])
	}
	s.each(e.User, func(m *session) {
		if m.cut == nil && e.meets(m) {
			m.end()
			ended++
		}
	})
	return ended
}

// EndOver ends those whose proof is over.
func (s *Sessions) EndOver(now time.Time) (ended int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.soonest.IsZero() || now.Before(s.soonest) {
		return 0
	}
	s.soonest = time.Time{}
	s.each("", func(m *session) {
		switch until := m.login.Until; {
		case until.IsZero() || m.cut != nil:
		case now.Before(until):
			s.over(until)
		default:
			m.end()
			ended++
		}
	})
	return ended
}

// over notes that a session is over at a time.
func (s *Sessions) over(at time.Time) {
	if !at.IsZero() && (s.soonest.IsZero() || at.Before(s.soonest)) {
		s.soonest = at
	}
}

// each calls fn for the sessions of a user, or all of them for "".
func (s *Sessions) each(user string, fn func(*session)) {
	all := func(set userSet) {
		for m := set.first; m != nil; m = m.next {
			fn(m)
		}
	}
	if user != "" {
		for _, p := range s.protocols {
			all(s.users[userKey{p, user}])
		}
		return
	}
	for _, set := range s.users {
		all(set)
	}
}

// count is how many endings there were.
func (s *Sessions) count() uint32 {
	if s == nil {
		return 0
	}
	return s.ends.Load()
}

// begin adds the session of c.
func (s *Sessions) begin(c *Conn, l Login) {
	if s == nil || !c.remote.IsValid() {
		return
	}
	m := &session{conn: c, login: l}
	if t := c.TLS(); t != nil {
		m.tls = t.Version
	}
	c.session = m
	key := keyOf(c.srv.o.Protocol, l.User)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[limitKey(c.remote.Addr())]++
	if !slices.Contains(s.protocols, key.protocol) {
		s.protocols = append(s.protocols, key.protocol)
	}
	set := s.users[key]
	if m.next = set.first; m.next != nil {
		m.next.prev = m
	}
	s.users[key] = userSet{set.n + 1, m}
	s.over(l.Until)
	if s.missed(m, c.seen) {
		m.end()
	}
}

// missed says whether a session was to end by what came after so many endings. If that
// cannot be told any more, it was.
func (s *Sessions) missed(m *session, seen uint32) bool {
	since := s.ends.Load() - seen
	if since > uint32(len(s.latest)) {
		return true
	}
	return slices.ContainsFunc(s.latest[uint32(len(s.latest))-since:], func(e Ending) bool { return e.meets(m) })
}

// end takes back what begin did.
func (s *Sessions) end(c *Conn) {
	if s == nil || c.session == nil {
		return
	}
	m, of, key := c.session, limitKey(c.remote.Addr()), keyOf(c.srv.o.Protocol, c.session.login.User)
	c.session = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[of]--; s.of[of] == 0 {
		delete(s.of, of)
	}
	set := s.users[key]
	if set.n--; set.first == m {
		set.first = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next != nil {
		m.next.prev = m.prev
	}
	if s.users[key] = set; set.n == 0 {
		delete(s.users, key)
	}
	if m.cut != nil {
		m.cut.Stop()
	}
}

// rename notes what the program of c calls itself.
func (s *Sessions) rename(c *Conn, client string) {
	if s == nil || c.session == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.session.login.Client = client
}

func (e *Ending) meets(m *session) bool {
	switch l := &m.login; {
	case e.User != "" && e.User != l.User,
		e.ID != "" && e.ID != m.conn.id,
		len(e.Protocols) > 0 && !slices.Contains(e.Protocols, m.conn.srv.o.Protocol),
		len(e.Mechanisms) > 0 && !slices.Contains(e.Mechanisms, l.Mechanism),
		e.Credential != "" && e.Credential != l.Credential,
		e.Own && l.Credential != "":
		return false
	}
	return true
}

// end has the session end. The caller holds the lock.
func (m *session) end() {
	m.conn.signal(sigEnded)
	m.cut = time.AfterFunc(endGrace, func() { m.conn.sock.Close() })
}

func (m *session) public() Session {
	c := m.conn
	p := Session{Login: m.login, ID: c.id, Protocol: c.srv.o.Protocol, Remote: c.remote, Since: c.opened}
	if m.tls != 0 {
		p.TLS = tls.VersionName(m.tls)
	}
	return p
}
