package dns

import (
	"container/list"
	"context"
	"sync"
	"time"

	"posthorn/internal/fault"
)

// cache keeps what replies meant until they expire, within a number of bytes: what
// was not asked for longest goes first. Of many that ask the same at a time, one
// asks the servers and the others wait for it.
type cache struct {
	limit int

	mu      sync.Mutex
	size    int
	entries map[question]*list.Element // of *entry
	recent  list.List                  // the last used in front
	flights map[question]*flight
}

// entry is one answer, or one failure to get one.
type entry struct {
	q   question
	d   digested
	err error
}

// flight is a question that is being asked.
type flight struct {
	landed chan struct{}
	d      digested
	err    error
}

// A failure is remembered for a while (RFC 9520 §3.2): servers in trouble do not get
// better by being asked the same by every message for a domain.
const failureTTL = 5 * time.Second

// entryCost is what an entry takes besides its records.
const entryCost = 400

func newCache(limit int) *cache {
	return &cache{limit: limit, entries: map[question]*list.Element{}, flights: map[question]*flight{}}
}

// get gives what is known about q, and asks if nothing is.
func (c *cache) get(ctx context.Context, q question, ask func() (digested, error)) (digested, error) {
	for {
		c.mu.Lock()
		if e := c.fresh(q); e != nil {
			c.mu.Unlock()
			return e.d, e.err
		}
		f, asked := c.flights[q]
		if !asked {
			f = &flight{landed: make(chan struct{})}
			c.flights[q] = f
			c.mu.Unlock()
			return c.fly(q, f, ask)
		}
		c.mu.Unlock()
		select {
		case <-f.landed:
			// Whoever asked may have given up, which is no reason for us to.
			if !fault.Is(f.err, fault.Canceled) {
				return f.d, f.err
			}
		case <-ctx.Done():
			return digested{}, fault.New(fault.Canceled, "%w", context.Cause(ctx))
		}
	}
}

func (c *cache) fly(q question, f *flight, ask func() (digested, error)) (digested, error) {
	f.err = fault.New(fault.Canceled, "whoever asked has come to grief") // a panic in ask
	defer func() {
		c.mu.Lock()
		delete(c.flights, q)
		c.keep(q, f.d, f.err)
		c.mu.Unlock()
		close(f.landed)
	}()
	f.d, f.err = ask()
	return f.d, f.err
}

// knows says that get need not ask at the moment.
func (c *cache) knows(q question) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fresh(q) != nil
}

// fresh gives an entry that has not expired.
func (c *cache) fresh(q question) *entry {
	at, ok := c.entries[q]
	if !ok {
		return nil
	}
	e := at.Value.(*entry)
	if !time.Now().Before(e.d.expires) {
		c.drop(at)
		return nil
	}
	c.recent.MoveToFront(at)
	return e
}

func (c *cache) keep(q question, d digested, err error) {
	if fault.Is(err, fault.Canceled) {
		return
	}
	if err != nil {
		d.expires = time.Now().Add(failureTTL)
	}
	d.cost += entryCost
	if d.cost > c.limit {
		return
	}
	if at, ok := c.entries[q]; ok {
		c.drop(at)
	}
	c.entries[q] = c.recent.PushFront(&entry{q, d, err})
	for c.size += d.cost; c.size > c.limit; {
		c.drop(c.recent.Back())
	}
}

func (c *cache) drop(at *list.Element) {
	e := c.recent.Remove(at).(*entry)
	delete(c.entries, e.q)
	c.size -= e.d.cost
}
