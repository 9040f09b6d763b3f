package outbound

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"posthorn/internal/smtpclient"
)

// pool keeps connections that have done their work, for the next message to the
// same host, and says goodbye where none comes in time.
type pool struct {
	idle time.Duration

	mu       sync.Mutex
	closed   bool
	size     int
	doors    map[door][]*session
	goodbyes sync.WaitGroup
}

// door is a way into a host: connections through the same one are as good as each
// other.
type door struct {
	host     string // or the path of a socket
	port     uint16
	hostname string // what we called ourselves
	user     string
	v4, v6   netip.Addr // our end
	tls      smtpclient.TLSPolicy
	proof    string // by which it has proven who it is, if tls says that it has
	implicit bool
	lmtp     bool
}

// session is a connection that is ready for messages.
type session struct {
	door   door
	ip     netip.Addr
	remote string // "mx.example.test [192.0.2.1]"
	tls    string // "TLS 1.3, DANE"; "": in clear
	client *smtpclient.Client
	reused bool
	timer  *time.Timer // in the pool: it ends the wait
}

// How many connections wait at most, to one host and in all; and how many messages
// a connection may carry: who keeps one for ever never notices that a host has moved.
const (
	maxIdlePerDoor = 5
	maxIdle        = 1000
	maxMessages    = 100
)

func newPool(idle time.Duration) *pool { return &pool{idle: idle, doors: map[door][]*session{}} }

// take gives a connection through a door if one is waiting: the one that has waited
// least, for it is the most likely to be alive.
func (p *pool) take(d door) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.doors[d]); n > 0; n = len(p.doors[d]) {
		s := p.doors[d][n-1]
		p.remove(s)
		if s.timer.Stop() {
			s.reused = true
			p.goodbyes.Done()
			return s
		}
	}
	return nil
}

// put keeps a connection, or says goodbye to it, for which nobody has to wait.
func (p *pool) put(s *session) {
	if !p.accept(s) {
		s.quit()
	}
}

// accept takes care of a connection, unless the pool is closed.
func (p *pool) accept(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return false
	case !s.client.Reusable(), s.client.Messages() >= maxMessages, p.size >= maxIdle, len(p.doors[s.door]) >= maxIdlePerDoor:
		p.goodbyes.Go(s.quit)
		return true
	}
	s.client.Rest()
	p.size++
	p.doors[s.door] = append(p.doors[s.door], s)
	p.goodbyes.Add(1)
	s.timer = time.AfterFunc(p.idle, func() {
		defer p.goodbyes.Done()
		p.mu.Lock()
		p.remove(s)
		p.mu.Unlock()
		s.quit()
	})
	return true
}

// remove takes a connection out of the list, if it is still there.
func (p *pool) remove(s *session) {
	all := p.doors[s.door]
	for i := range all {
		if all[i] == s {
			p.size--
			all = append(all[:i], all[i+1:]...)
			break
		}
	}
	if p.doors[s.door] = all; len(all) == 0 {
		delete(p.doors, s.door)
	}
}

func (s *session) quit() { s.client.Quit(context.Background()) }

// close says goodbye to all, and waits until that is done.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, all := range p.doors {
		for _, s := range all {
			if s.timer.Stop() {
				p.goodbyes.Done()
				p.goodbyes.Go(s.quit)
			}
		}
	}
	clear(p.doors)
	p.size = 0
	p.mu.Unlock()
	p.goodbyes.Wait()
}
