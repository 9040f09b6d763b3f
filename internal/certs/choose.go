package certs

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"

	"posthorn/internal/fault"
)

// table says which certificate is shown for which name. It never changes.
type table struct {
	names    map[string][]Certificate // in lower case; "*.example.org" among them
	fallback []Certificate            // for whoever asks for another name, or for none
	all      []Certificate
}

// newTable arranges certificates. For a name, the operator's own for just that name
// come first, then those that were issued, then the default.
func newTable(l *Loaded, issued []Certificate) *table {
	t := &table{names: map[string][]Certificate{}}
	for _, group := range [][]Certificate{l.named, issued, l.fallback} {
		for _, c := range group {
			for _, name := range c.Names() {
				name = strings.ToLower(name)
				t.names[name] = append(t.names[name], c)
			}
		}
	}
	t.fallback = slices.Concat(t.names[strings.ToLower(l.options.Hostname)], l.fallback, l.named, issued)
	if len(t.fallback) > 0 {
		// The choice among them is between kinds of keys, not between names.
		first := t.fallback[0].Names()
		t.fallback = slices.DeleteFunc(t.fallback, func(c Certificate) bool { return !slices.Equal(c.Names(), first) })
	}
	t.all = slices.Concat(l.fallback, l.named, issued)
	slices.SortStableFunc(t.all[len(l.fallback)+len(l.named):], func(a, b Certificate) int {
		return slices.Compare(a.Names(), b.Names())
	})
	return t
}

// find gives those that a name may be shown.
func (t *table) find(name string) []Certificate {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if found := t.names[name]; found != nil {
		return found
	}
	// RFC 6125 §6.4.3: a wildcard stands for one label, the leftmost.
	if _, parent, ok := strings.Cut(name, "."); ok {
		if found := t.names["*."+parent]; found != nil {
			return found
		}
	}
	return t.fallback
}

// get chooses the certificate for a handshake: of several for a name, one that the
// client can check.
func (s *Set) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	found := s.table.Load().find(hello.ServerName)
	if len(found) == 0 {
		return nil, fault.New(fault.Unavailable, "certs: there is no certificate")
	}
	if len(found) > 1 {
		for _, c := range found {
			if hello.SupportsCertificate(c.Certificate) == nil {
				return c.Certificate, nil
			}
		}
	}
	return found[0].Certificate, nil
}

// Chain is what is shown for a name: the certificate and those behind it; nil if there
// is none.
func (s *Set) Chain(name string) [][]byte {
	found := s.table.Load().find(name)
	if len(found) == 0 {
		return nil
	}
	return found[0].Certificate.Certificate
}

// Shown are the certificates that a client may have been shown for a name: those that
// are shown now, and those that were before the last change, which a connection may be
// older than, or the session that it resumes.
func (s *Set) Shown(name string) (all []*x509.Certificate) {
	for _, t := range []*table{s.table.Load(), s.past.Load()} {
		if t == nil {
			continue
		}
		for _, c := range t.find(name) {
			all = append(all, c.Leaf)
		}
	}
	return all
}
