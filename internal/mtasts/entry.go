package mtasts

import (
	"context"
	"encoding/json"
	"time"

	"posthorn/internal/fault"
)

// entry is what is known of a domain. Whoever works with it has taken it, so that of
// many who want the same policy one fetches it.
type entry struct {
	turn   chan struct{}
	loaded bool // what the store has is known
	held
	failed failed

	announced string    // the id that DNS has announced last
	asked     time.Time // when it was asked
}

// held is a policy that was had.
type held struct {
	id      string // what it was announced as; "": there is none
	policy  Policy
	fetched time.Time
}

// failed is an attempt that gave nothing.
type failed struct {
	id  string
	at  time.Time
	err error
}

// maxEntries is for how many domains something is remembered in memory. The store
// knows of the others.
const maxEntries = 10_000

func (c *Cache) entry(domain string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[domain]
	if e != nil {
		return e
	}
	for other := range c.entries { // in no order, which is as good as any
		if len(c.entries) < maxEntries {
			break
		}
		delete(c.entries, other)
	}
	e = &entry{turn: make(chan struct{}, 1)}
	c.entries[domain] = e
	return e
}

func (e *entry) take(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Canceled, "mta-sts: %w", context.Cause(ctx))
	}
}

// takeNow is take if nobody else is at it.
func (e *entry) takeNow() bool {
	select {
	case e.turn <- struct{}{}:
		return true
	default:
		return false
	}
}

func (e *entry) leave() { <-e.turn }

// life is how long a policy holds: as long as its domain says, but no shorter than
// makes it worth having been fetched.
func (h *held) life() time.Duration { return max(h.policy.MaxAge, failurePause) }

// holds says that there is a policy which still counts.
func (h *held) holds(now time.Time) bool { return h.id != "" && now.Before(h.fetched.Add(h.life())) }

// wants says that a policy should be fetched, if DNS announces one by this id; "" if
// it announces none, or cannot be asked.
func (e *entry) wants(id string, now time.Time) bool {
	if e.failed.err != nil && e.failed.id == id && now.Before(e.failed.at.Add(failurePause)) {
		return false
	}
	if !e.holds(now) {
		return id != ""
	}
	return id != "" && id != e.id || now.After(e.fetched.Add(min(refreshAfter, e.life()/2)))
}

// answer is what follows from what is known.
func (e *entry) answer(id string) Answer {
	a := Answer{Policy: Policy{Mode: None}}
	if e.holds(time.Now()) {
		a.Policy = e.policy
	}
	if e.failed.err != nil && e.failed.id == id {
		a.Err = e.failed.err
	}
	return a
}

// recordVersion is the version of the record in the store.
const recordVersion = 1

// record is what the store has of a domain.
type record struct {
	Version int       `json:"version"`
	ID      string    `json:"id"`
	Fetched time.Time `json:"fetched"`
	Policy  string    `json:"policy"`
}

// load reads what the store has, once. A store that fails, or that has nonsense, is
// no reason not to ask the domain itself.
func (c *Cache) load(ctx context.Context, domain string, e *entry) {
	if e.loaded || c.o.Store == nil {
		return
	}
	b, err := c.o.Store.Load(ctx, domain)
	if err != nil {
		c.o.Logger.WarnContext(ctx, "an MTA-STS policy cannot be read from the store", "domain", domain, "err", err)
		return
	}
	e.loaded = true
	if b == nil {
		return
	}
	if e.held, err = decode(b); err != nil {
		c.o.Logger.WarnContext(ctx, "an MTA-STS policy in the store is damaged", "domain", domain, "err", err)
	}
}

func (c *Cache) save(ctx context.Context, domain string, e *entry) {
	if c.o.Store == nil {
		return
	}
	if err := c.o.Store.Save(ctx, domain, encode(e.held)); err != nil {
		c.o.Logger.WarnContext(ctx, "an MTA-STS policy cannot be stored", "domain", domain, "err", err)
	}
}

func encode(h held) []byte {
	b, err := json.Marshal(record{recordVersion, h.id, h.fetched.UTC(), h.policy.String()})
	if err != nil {
		panic(err) // it has nothing that JSON does not know
	}
	return b
}

func decode(b []byte) (held, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return held{}, fault.New(fault.Corrupt, "mta-sts: %w", err)
	}
	if r.Version != recordVersion {
		return held{}, fault.New(fault.Corrupt, "mta-sts: version %d is not known", r.Version)
	}
	policy, err := Parse([]byte(r.Policy))
	if err != nil {
		return held{}, fault.New(fault.Corrupt, "mta-sts: %w", err)
	}
	return held{r.ID, policy, r.Fetched}, nil
}

// Expired says that a record which a Store has is of no use to anybody any more.
func Expired(record []byte, now time.Time) bool {
	h, err := decode(record)
	return err != nil || !h.holds(now)
}
