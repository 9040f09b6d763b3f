// Package dnszone owns what a domain must have in DNS so that its mail arrives, here
// and elsewhere.
//
// Zone, a pure function, makes of what is known of a domain and its server (Facts)
// the records to publish, by their purpose, with what has to be said about them
// (zone.go). Check looks for them in DNS and says of each what is there, whether that
// will do, and how to mend it (check.go and the files beside it); it compares what
// records mean, not how they are spelled.
//
// It never publishes anything, keeps nothing, and has no opinion on mail: policies
// of senders are evaluated by those who do that for incoming mail, too.
package dnszone

import (
	"crypto/x509"
	"net/netip"
	"time"
)

// Facts are what is known of a domain.
type Facts struct {
	Domain string // canonical
	Keys   []Key  // that sign its mail, did, or will
	Site
}

// Key is a key of a domain.
type Key struct {
	Name   string    // where its record belongs
	Record string    // what belongs there
	State  KeyState  // why
	Until  time.Time // of a retired one, how long
}

// KeyState is what a key is there for.
type KeyState uint8

// The states.
const (
	Signs KeyState = iota // mail is signed with it
	Next                  // it will be, once the record is seen
	Past                  // it was, and some of that is still on its way
)

// Site is what is known of the server.
type Site struct {
	Hostname     string
	Addresses    []netip.Addr        // at which the world reaches it; none: not known
	Services     []Service           // for mail programs
	Certificates []*x509.Certificate // its own, and those that vouch for it; none: it has no TLS
}

// Service is one that mail programs use.
type Service struct {
	Name string // as in SRV records, "imaps"
	Port uint16
}

// clientServices are those that mail programs look for (RFC 6186, RFC 8314 §5.1).
func clientServices() []string { return []string{"submissions", "imaps", "pop3s"} }

// service finds a service by its name.
func (s *Site) service(name string) (Service, bool) {
	for _, one := range s.Services {
		if one.Name == name {
			return one, true
		}
	}
	return Service{}, false
}

// contact is who reads reports about a domain.
func (f *Facts) contact() string { return "postmaster@" + f.Domain }
