// Package bans owns the networks that are refused for a time: which they are, why, and
// until when.
//
// It decides nothing about who deserves it. A Book is in the engine, so that it is kept
// over restarts and shared by all nodes; each has a copy in memory, which is what Find
// looks at. A ban that has ended is remembered for a while, as the next one of the same
// network is longer.
//
// Flow: Punish queues a network -> Run writes its ban -> the engine tells all nodes, whose
// Run reads the records anew, and looks for bans that have ended.
//
// Invariants: the loopback is never banned; every ban ends; there is never more than
// most automatic ones, so that nobody fills the memory with them.
package bans

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

const (
	most     = 100_000
	waiting  = 256 // punishments that are still to be written
	growth   = 4   // each ban of a network is so much longer than the one before,
	longest  = 7 * 24 * time.Hour
	memory   = 30 * 24 * time.Hour // after the end of a ban
	tidyEach = time.Hour
	lookEach = time.Minute // for bans that have ended

	longestReason = 200 // bytes
)

// Ban is a network that is refused.
type Ban struct {
	Network netip.Prefix `json:"network"`
	Reason  string       `json:"reason"`
	Since   time.Time    `json:"since"`
	Until   time.Time    `json:"until"`
	Strikes int          `json:"strikes,omitempty"` // how often it was banned of late; 0: by an operator
	Ended   bool         `json:"ended,omitempty"`   // and that has been told
}

// Options configure a Book. Engine is required.
type Options struct {
	Engine kv.Engine
	Logger *slog.Logger
	Clock  func() time.Time // default: time.Now
	// Tell hears of each ban that nobody has ordered, and of each that ends by itself, which
	// is Ended then: once, on one of the nodes. Default: nobody does.
	Tell func(Ban)
}

// Book is the bans that there are. All methods may be called from any goroutine.
type Book struct {
	o     Options
	queue chan punishment
	empty atomic.Bool

	reading sync.Mutex   // so that an old copy never replaces a newer one; before mu
	mu      sync.RWMutex // guards what follows
	bans    map[netip.Prefix]Ban
	lengths [2][]int // of the networks in it: of IPv4, IPv6
	over    bool     // there are bans that have ended, of which that was not told
}

type punishment struct {
	network netip.Prefix
	reason  string
	first   time.Duration
}

// New makes a Book. It is empty until Run has read it.
func New(o Options) *Book {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Tell == nil {
		o.Tell = func(Ban) {}
	}
	b := &Book{o: o, queue: make(chan punishment, waiting)}
	b.empty.Store(true)
	return b
}

// Find gives the ban of an address, if there is one.
func (b *Book) Find(ip netip.Addr) (Ban, bool) {
	if b.empty.Load() || !ip.IsValid() {
		return Ban{}, false
	}
	ip = ip.Unmap().WithZone("")
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, n := range b.lengths[family(ip)] {
		p, _ := ip.Prefix(n)
		if ban, ok := b.bans[p]; ok && b.o.Clock().Before(ban.Until) {
			return ban, true
		}
	}
	return Ban{}, false
}

func family(ip netip.Addr) int {
	if ip.Is4() {
		return 0
	}
	return 1
}

// Network is what is banned for what came from an address: it, or its IPv6 /64.
func Network(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	n := 32
	if !ip.Is4() {
		n = 64
	}
	p, _ := ip.Prefix(n)
	return p
}

// Punish has the network of an address banned for so long, or for longer if it was
// already, of late. It does not block.
func (b *Book) Punish(ip netip.Addr, reason string, first time.Duration) {
	if _, banned := b.Find(ip); banned || !ip.IsValid() || ip.Unmap().IsLoopback() {
		return
	}
	select {
	case b.queue <- punishment{Network(ip), reason, first}:
	default: // there will be further reasons
	}
}

// Add bans a network until a time, or changes its ban. Kind of error: Invalid.
func (b *Book) Add(ctx context.Context, ban Ban) error {
	now := b.o.Clock()
	ban.Network, ban.Since, ban.Strikes, ban.Ended = ban.Network.Masked(), now, 0, false
	switch {
	case !ban.Network.IsValid():
		return fault.New(fault.Invalid, "bans: that is no network")
	case ban.Network.Overlaps(netip.MustParsePrefix("127.0.0.0/8")), ban.Network.Contains(netip.IPv6Loopback()):
		return fault.New(fault.Invalid, "bans: %s is this machine, or has it in it; it cannot be banned", ban.Network)
	case len(ban.Reason) > longestReason || strings.ContainsFunc(ban.Reason, func(r rune) bool { return r < ' ' || r > '~' }):
		return fault.New(fault.Invalid, "bans: a reason is told to those who are refused, by any protocol: %d letters of ASCII at most", longestReason)
	case !ban.Until.After(now):
		return fault.New(fault.Invalid, "bans: a ban that ends at %s would have ended already", ban.Until.UTC().Format(time.DateTime))
	}
	return b.change(ctx, func(w kv.Writer) error { return put(w, ban) })
}

// Remove ends the ban of a network, and forgets that it was there. Kind of error: NotFound.
func (b *Book) Remove(ctx context.Context, network netip.Prefix) error {
	return b.change(ctx, func(w kv.Writer) error {
		ban, found, err := get(w, network.Masked())
		if err == nil && (!found || !b.o.Clock().Before(ban.Until)) {
			err = fault.New(fault.NotFound, "bans: %s is not banned; posthorn ban list tells which networks are", network.Masked())
		}
		if err != nil {
			return err
		}
		return w.Delete(key(network.Masked()))
	})
}

// List gives the bans that there are now, those that end last first.
func (b *Book) List(ctx context.Context) ([]Ban, error) {
	all, err := b.read(ctx)
	now := b.o.Clock()
	all = slices.DeleteFunc(all, func(ban Ban) bool { return !now.Before(ban.Until) })
	slices.SortFunc(all, func(x, y Ban) int { return y.Until.Compare(x.Until) })
	return all, err
}
