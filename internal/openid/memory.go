package openid

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"
)

const (
	rememberFor = 5 * time.Minute // that a token was good, though it may be revoked meanwhile
	remembered  = 1 << 13         // so many of them
)

// memory is what is known of provider and tokens.
type memory struct {
	clock func() time.Time
	site  atomic.Pointer[site] // nil: the provider was not reached yet

	mu   sync.Mutex
	good map[[sha256.Size]byte]good // by the digest of the token
}

type good struct {
	address string
	until   time.Time
}

func (m *memory) get(digest [sha256.Size]byte) (address string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.good[digest]
	if ok && !m.clock().Before(g.until) {
		delete(m.good, digest)
		return "", false
	}
	return g.address, ok
}

// put remembers a token for a while, but not longer than it is good.
func (m *memory) put(digest [sha256.Size]byte, address string, expiry time.Time) {
	until := m.clock().Add(rememberFor)
	if !expiry.IsZero() && expiry.Before(until) {
		until = expiry
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.good == nil || len(m.good) >= remembered {
		m.good = map[[sha256.Size]byte]good{} // the others are soon known again
	}
	m.good[digest] = good{address, until}
}
