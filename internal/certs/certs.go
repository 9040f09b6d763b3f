// Package certs owns the certificates that listeners show: where they come from, which
// one a client gets, when they are exchanged, and who is told that one ends.
//
// It knows nothing of protocols, and never sends mail or decides who may log in: a
// client's certificate is checked against the authorities of its listener and handed
// up by crypto/tls.
//
// Invariants: where TLS is offered there always is a certificate, if need be one that
// signs itself; what cannot be used never replaces what can; handshakes under way are
// not disturbed; a key leaves this package only inside a tls.Certificate.
//
// The flow: Read takes the files of a configuration (files.go) -> Set.Use shows them,
// with those that an authority has issued -> a handshake asks for the one that fits its
// name (choose.go, config.go) -> Watch takes changed files over (watch.go), and alarms
// before one ends (alarm.go).
package certs

import (
	"crypto/tls"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Source is where a certificate comes from.
type Source string

// The sources.
const (
	FromFile   Source = "file"        // the operator's
	Issued     Source = "acme"        // an authority's, by Keeper
	SelfSigned Source = "self-signed" // our own, until there is a better one
)

// Certificate is one that may be shown.
type Certificate struct {
	*tls.Certificate // with its Leaf
	Source           Source
	File             string // of FromFile
}

// Set are the certificates of a server.
type Set struct {
	log   *slog.Logger
	clock func() time.Time
	table atomic.Pointer[table] // what handshakes read
	past  atomic.Pointer[table] // what they read before

	mu     sync.Mutex // guards what follows
	loaded *Loaded
	issued map[string]Certificate // by name
	told   map[string]time.Time   // when an alarm was last raised, by what it was about
}

// New makes a Set without certificates.
func New(clock func() time.Time, log *slog.Logger) *Set {
	s := &Set{log: log, clock: clock, issued: map[string]Certificate{}, told: map[string]time.Time{}, loaded: &Loaded{}}
	s.table.Store(newTable(s.loaded, nil))
	return s
}

// Use goes over to other files.
func (s *Set) Use(l *Loaded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = l
	s.rebuild()
	s.warn()
}

// setIssued takes over what an authority has issued; names that are not in it any more
// are forgotten.
func (s *Set) setIssued(issued map[string]Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued = maps.Clone(issued)
	s.rebuild()
}

func (s *Set) rebuild() {
	s.past.Store(s.table.Load())
	s.table.Store(newTable(s.loaded, slices.Collect(maps.Values(s.issued))))
}

// All gives every certificate that a client may be shown, the default one first.
func (s *Set) All() []Certificate { return s.table.Load().all }
