// Package lists owns the lists of those whose mail the operator always or never wants:
// clients, the names they go by, senders and recipients, one entry a line in files that
// people edit by hand or programs replace.
//
// It decides nothing: it says which entry something is on. What follows is for
// inbound's policy. It never asks DNS, and never writes to a file.
//
// Flow: New reads the files, Refresh those that have changed since (file.go); a line is
// understood in parse.go and kept as a hash of what it names (index.go), some 30 bytes
// for each. A lookup is one question for each spelling that an entry might have: every
// length of prefix that the file has for an address, every parent for a domain. It takes
// no lock, and allocates only when it finds something.
//
// Invariants: a line that is not understood costs that line only, and is named in the
// log; a file that cannot be read keeps the entries it had; a lookup during a Refresh
// sees the list from before it or from after it.
package lists

import (
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/internal/addr"
)

// Kind says what an entry is compared with.
type Kind uint8

// The kinds. A line begins with the name of its kind and a colon, which clients and
// senders may go without.
const (
	Client    Kind = iota // the address of a client: an IP address or a network
	Hello                 // the name that a client goes by
	Sender                // the reverse-path
	Recipient             // the forward-path
	numKinds
)

var kindNames = [numKinds]string{"ip", "helo", "from", "to"}

func (k Kind) String() string { return kindNames[k] }

// Entry is a line of a file, found.
type Entry struct {
	Kind   Kind
	Text   string // what it names, in canonical form
	Reason string // what stands behind it, for people; may be empty
	File   string
	Line   int
}

// Options configure a List.
type Options struct {
	Name   string   // of the list, in the log
	Paths  []string // files, and folders of files
	Logger *slog.Logger
	Clock  func() time.Time // default: time.Now
}

// List is the entries of some files. A nil List is empty. Lookups may be made from any
// goroutine, at any time.
type List struct {
	log   *slog.Logger
	clock func() time.Time
	files atomic.Pointer[[]*file]

	// refreshing is held while files are read; nobody who looks something up waits for it.
	refreshing sync.Mutex
	paths      []string
	complaints map[string]string // what was last said about a path
}

// New makes a list and reads its files. What is wrong with them is in the log.
func New(o Options) *List {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	l := &List{
		log: o.Logger.With("list", o.Name), clock: o.Clock,
		paths: o.Paths, complaints: map[string]string{},
	}
	l.files.Store(new([]*file))
	l.Refresh()
	return l
}

// Len counts the entries.
func (l *List) Len() int {
	n := 0
	for _, f := range l.all() {
		n += f.len()
	}
	return n
}

func (l *List) all() []*file {
	if l == nil {
		return nil
	}
	return *l.files.Load()
}

// Client finds the entry that a client's address is on, the most special one in the
// first file that has any; nil: none.
func (l *List) Client(ip netip.Addr) *Entry {
	if !ip.IsValid() {
		return nil
	}
	ip = ip.Unmap().WithZone("")
	for _, f := range l.all() {
		if e := f.client(ip); e != nil {
			return e
		}
	}
	return nil
}

// Hello finds the entry that a client's name is on: the name itself, or ".name" of a
// domain above it.
func (l *List) Hello(name string) *Entry {
	name = strings.TrimSuffix(name, ".")
	for _, f := range l.all() {
		if f.count[Hello] == 0 {
			continue
		}
		if e := f.domain(Hello, name); e != nil {
			return e
		}
	}
	return nil
}

// Sender finds the entry that a reverse-path is on: the address itself, with or
// without its tag; its domain, or ".domain" of one above it; "local@" of any domain.
func (l *List) Sender(a addr.Address) *Entry { return l.address(Sender, a) }

// Recipient is Sender for a forward-path.
func (l *List) Recipient(a addr.Address) *Entry { return l.address(Recipient, a) }

func (l *List) address(k Kind, a addr.Address) *Entry {
	if a.IsZero() { // RFC 5321 §4.5.5: notifications have no sender, and nobody can be known by it
		return nil
	}
	canonical := false
	for _, f := range l.all() {
		if f.count[k] == 0 {
			continue
		}
		if !canonical {
			a, canonical = canonicalAddress(a), true
		}
		if e := f.address(k, a); e != nil {
			return e
		}
	}
	return nil
}

// canonicalAddress gives the domain the form in which entries have it. It stays as it
// is when it has none, and then is on no list.
func canonicalAddress(a addr.Address) addr.Address {
	if c, err := a.Canonical(); err == nil {
		return c
	}
	return a
}
