package directory

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

const (
	provenSize = 1 << 16   // how many proofs are kept
	provenTime = time.Hour // how long since they were last of use
)

// proof stands for "this password matches this credential of this account". It
// is keyed with a secret of this process, so that what lies in memory neither
// contains a password nor can be compared with a list of them from outside.
type proof [sha256.Size]byte

// provenSet remembers proofs.
type provenSet struct {
	key   []byte
	clock func() time.Time

	mu    sync.Mutex
	until map[proof]time.Time
}

func newProvenSet(clock func() time.Time) *provenSet {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return &provenSet{key: key, clock: clock, until: make(map[proof]time.Time)}
}

func (s *provenSet) digest(id AccountID, credential, password string) proof {
	mac := hmac.New(sha256.New, s.key)
	var head [16]byte
	binary.BigEndian.PutUint64(head[:8], uint64(id))
	binary.BigEndian.PutUint64(head[8:], uint64(len(credential)))
	mac.Write(head[:])
	mac.Write([]byte(credential))
	mac.Write([]byte(password))
	var p proof
	mac.Sum(p[:0])
	return p
}

// extend is has, and remembers the proof for longer.
func (s *provenSet) extend(p proof) bool {
	now := s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[p]
	if !ok || now.After(until) {
		return false
	}
	s.until[p] = now.Add(provenTime)
	return true
}

// has says whether a proof is remembered.
func (s *provenSet) has(p proof) bool {
	now := s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[p]
	return ok && !now.After(until)
}

func (s *provenSet) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.until)
}

func (s *provenSet) add(p proof, lasts time.Duration) {
	now := s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.until) >= provenSize {
		s.makeRoom(now)
	}
	s.until[p] = now.Add(lasts)
}

// makeRoom drops what is over, and if that is not enough, some others.
func (s *provenSet) makeRoom(now time.Time) {
	for p, until := range s.until {
		if now.After(until) {
			delete(s.until, p)
		}
	}
	for p := range s.until {
		if len(s.until) <= provenSize*7/8 {
			return
		}
		delete(s.until, p)
	}
}
