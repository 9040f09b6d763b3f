package abuse

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"posthorn/internal/kv"
)

// Options configure a Watch. Engine is required.
type Options struct {
	Engine  kv.Engine
	Logger  *slog.Logger               // default: discards
	Clock   func() time.Time           // default: time.Now
	Country func(ip netip.Addr) string // "DE"; "": not known. Default: none is
}

// Watch watches what accounts submit. All methods may be called from any goroutine.
type Watch struct {
	o    Options
	kick chan struct{} // tells Run that there may be somebody to tell

	reading sync.Mutex   // so that an old copy never replaces a newer one; before mu
	mu      sync.RWMutex // guards what follows
	held    map[uint64]Hold
	kept    map[uint64]int64 // bytes that those have submitted since, or since the start
	ledgers map[uint64]*ledger
	homes   map[uint64]homes
	tidied  time.Time // the ledgers were
}

// New makes a Watch. It knows nothing of what is held until Load.
func New(o Options) *Watch {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Country == nil {
		o.Country = func(netip.Addr) string { return "" }
	}
	return &Watch{o: o, kick: make(chan struct{}, 1), held: map[uint64]Hold{}, kept: map[uint64]int64{}, ledgers: map[uint64]*ledger{}, homes: map[uint64]homes{}}
}

// Act is something that an account has done: a message that was submitted, or what others
// have said to it.
type Act struct {
	Account    uint64
	Address    string     // of the account
	Remote     netip.Addr // where it comes from
	Recipients int        // that a message is for, or was to be for
	Refused    int        // how many recipients were refused, these or earlier ones
	Size       int64      // of the message, in bytes
	Limits     *Limits    // nil: those that counted before
}

// Hold says that the mail of an account is held, and why.
type Hold struct {
	Account uint64    `json:"account"`
	Address string    `json:"address"`
	Rule    Rule      `json:"rule"`
	Facts   Facts     `json:"facts"`
	Since   time.Time `json:"since"`

	Telling time.Time `json:"telling,omitzero"` // when a node began to tell of it
	Told    bool      `json:"told,omitempty"`
}

// Held says whether, and why, the mail of an account is held.
func (w *Watch) Held(account uint64) (Hold, bool) {
	if w == nil {
		return Hold{}, false
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	h, held := w.held[account]
	return h, held
}

// maxKept is how many bytes of an account are held.
const maxKept = 1 << 30

// Full says that so much of an account is held that no more should be taken.
func (w *Watch) Full(account uint64) bool {
	if w == nil {
		return false
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.kept[account] >= maxKept
}

// Count counts what an account does, and says whether its mail is to be held.
func (w *Watch) Count(ctx context.Context, a Act) (Hold, bool) {
	if w == nil || a.Account == 0 {
		return Hold{}, false
	}
	if h, held := w.Held(a.Account); held {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.kept[a.Account] += a.Size
		return h, true
	}
	now := w.o.Clock()
	m := minute{tried: a.Recipients, refused: a.Refused}
	if a.Recipients > 0 && w.abroad(ctx, a.Account, a.Remote, now) {
		m.abroad = a.Recipients
	}
	h := w.weigh(now, &a, m)
	if h.Rule == "" {
		return Hold{}, false
	}
	return w.hold(ctx, h), true
}

// weigh adds to an account's ledger, and decides. The Hold has no Rule if there is to be
// none.
func (w *Watch) weigh(now time.Time, a *Act, m minute) Hold {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.ledger(a.Account, now)
	if l == nil {
		return Hold{}
	}
	if a.Limits != nil {
		l.limits, l.address = *a.Limits, a.Address
	}
	l.add(now, m)
	f := l.facts(now)
	rule := Decide(&l.limits, &f)
	return Hold{Account: a.Account, Address: l.address, Rule: rule, Facts: f, Since: now.UTC()}
}

// List gives all that are held, those of whom it is known longest first.
func (w *Watch) List() []Hold {
	if w == nil {
		return nil
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	all := make([]Hold, 0, len(w.held))
	for _, h := range w.held {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b Hold) int { return a.Since.Compare(b.Since) })
	return all
}
