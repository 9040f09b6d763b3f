package certs

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"posthorn/internal/fault"
)

const (
	alarmEvery = 24 * time.Hour      // how often the same is said again
	alarmAhead = 14 * 24 * time.Hour // before the end of one that lives long
)

// Trouble is what is wrong with a certificate for a server; nil: nothing that clients
// would mind. It tells before one ends: two weeks, or a sixth of its life if that is
// less. Kind: Invalid.
func (c Certificate) Trouble(hostname string, now time.Time) error {
	leaf := c.Leaf
	switch {
	case now.After(leaf.NotAfter):
		return fault.New(fault.Invalid, "it has ended %s", day(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fault.New(fault.Invalid, "it is not valid before %s", day(leaf.NotBefore))
	case now.After(alarmTime(leaf)):
		return fault.New(fault.Invalid, "it ends %s", day(leaf.NotAfter))
	case c.Source == SelfSigned:
		return fault.New(fault.Invalid, "it signs itself, until the authority has issued one")
	case hostname != "" && leaf.VerifyHostname(hostname) != nil:
		return fault.New(fault.Invalid, "it is not for %s, but for %s", hostname, strings.Join(c.Names(), ", "))
	}
	return nil
}

// alarmTime is when something should have been done about a certificate.
func alarmTime(leaf *x509.Certificate) time.Time {
	return leaf.NotAfter.Add(-min(alarmAhead, leaf.NotAfter.Sub(leaf.NotBefore)/6))
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Troubles are what is wrong with those that are shown, by certificate.
func (s *Set) Troubles() []Trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.troubles()
}

// Trouble is what is wrong with one certificate.
type Trouble struct {
	Certificate Certificate
	Err         error
}

func (t Trouble) String() string {
	what := t.Certificate.File
	if what == "" {
		what = "for " + strings.Join(t.Certificate.Names(), ", ")
	}
	return "certificate " + what + ": " + t.Err.Error()
}

func (s *Set) troubles() []Trouble {
	var all []Trouble
	t := s.table.Load()
	for i, c := range t.all {
		if i < len(s.loaded.fallback) && t.replaced(c) {
			continue // nobody is shown it
		}
		hostname := ""
		if i < len(s.loaded.fallback) && len(s.loaded.named) == 0 && len(s.issued) == 0 {
			hostname = s.loaded.options.Hostname
		}
		if err := c.Trouble(hostname, s.clock()); err != nil {
			all = append(all, Trouble{c, err})
		}
	}
	return all
}

// replaced says that others are shown for all the names of a certificate.
func (t *table) replaced(c Certificate) bool {
	shown := func(of []Certificate) bool { return len(of) > 0 && of[0].Certificate == c.Certificate }
	return !shown(t.fallback) && !slices.ContainsFunc(c.Names(), func(name string) bool { return shown(t.names[strings.ToLower(name)]) })
}

// warn says what is wrong, of each certificate once a day.
func (s *Set) warn() {
	now := s.clock()
	for _, t := range s.troubles() {
		what := t.Err.Error() + t.Certificate.File + strings.Join(t.Certificate.Names(), " ")
		if last, ok := s.told[what]; ok && now.Sub(last) < alarmEvery {
			continue
		}
		s.told[what] = now
		args := []any{"names", t.Certificate.Names(), "source", string(t.Certificate.Source), "until", t.Certificate.Leaf.NotAfter, "problem", t.Err.Error()}
		if t.Certificate.File != "" {
			args = append(args, "file", t.Certificate.File)
		}
		s.log.Warn("something is wrong with a certificate", args...)
	}
}
