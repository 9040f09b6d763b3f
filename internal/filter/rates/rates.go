// Package rates owns the count of what clients and users do: connections, messages,
// recipients, errors, each against a limit of so many in such a time.
//
// It decides nothing: it says whether there is one more, or how long to wait for it; or,
// where that depends on more than one count, how much somebody is behind (Charge).
//
// What is known of somebody is one number: the moment at which he will have paid for
// what he did, if each costs him Per/Count of time. Who is more than Per behind has to
// wait; who has paid is forgotten, and is as if he had never been there. So a few
// thousand slots hold all who are busy at a time, and nothing has to be tidied up.
//
// Invariants: a Table never grows. No slot is taken from somebody who still has to pay,
// so that nobody gets a clean slate by crowding the others out. Who finds no slot is
// counted together with all of his wider network that find none either (an IPv4 /16, an
// IPv6 /32): whoever has a million addresses to fill the table with shares one count for
// them. Nothing is allocated after New.
package rates

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Limit is how much may happen: Count at once, and as many again in each Per. The
// zero Limit is none.
type Limit struct {
	Count int
	Per   time.Duration
}

// Key is who is counted, and what of him.
type Key struct{ one, wide uint64 }

const (
	slotsOfSet = 7       // and a lock make two cache lines
	usualSets  = 1 << 13 // 1 MiB
	crowdLimit = 8       // times the limit of one is that of those who share a count
	crowdSlots = 1 << 12
)

// Table counts. A nil Table counts nothing. All methods may be called from any goroutine.
type Table struct {
	seed  maphash.Seed
	start time.Time
	sets  []set // a power of two
	crowd []crowd
}

// set is the slots that a key may be in.
type set struct {
	mu    sync.Mutex
	slots [slotsOfSet]slot
}

// slot is one that is counted. It is free once paid has passed.
type slot struct {
	key  uint64
	paid time.Duration // since the start
}

// crowd is those of a wider network that found no slot.
type crowd struct {
	mu   sync.Mutex
	paid time.Duration
}

// New makes a table. Times that it is asked about must not be before now.
func New(now time.Time) *Table { return newTable(now, usualSets, crowdSlots) }

func newTable(now time.Time, sets, crowds int) *Table {
	return &Table{seed: maphash.MakeSeed(), start: now, sets: make([]set, sets), crowd: make([]crowd, crowds)}
}

// Client is the key of what a client does: of an IPv4 address, or an IPv6 /64, which is
// what one customer has.
func (t *Table) Client(what uint8, ip netip.Addr) Key {
	if t == nil {
		return Key{}
	}
	var b [9]byte
	b[0] = what
	one, wide := 9, 5
	if ip = ip.Unmap(); ip.Is4() {
		a := ip.As4()
		copy(b[1:], a[:])
		one, wide = 5, 3
	} else {
		a := ip.As16()
		copy(b[1:], a[:])
	}
	return Key{maphash.Bytes(t.seed, b[:one]), maphash.Bytes(t.seed, b[:wide])}
}

// User is the key of what a user does.
func (t *Table) User(what uint8, name string) Key {
	if t == nil {
		return Key{}
	}
	hash := maphash.String(t.seed, name) ^ uint64(what)*0x9e3779b97f4a7c15
	return Key{hash, hash >> 32} // there are not so many users that it would matter
}

// Pair is the key of what a client does to a user.
func (t *Table) Pair(what uint8, name string, ip netip.Addr) Key {
	client, user := t.Client(what, ip), t.User(what, name)
	return Key{client.one*0x9e3779b97f4a7c15 ^ user.one, client.wide}
}

// Take counts one more, and returns 0; or counts nothing, and returns how long to wait.
func (t *Table) Take(now time.Time, k Key, l Limit) time.Duration {
	return t.pay(now, k, l, true)
}

// Wait is what Take would return, without counting.
func (t *Table) Wait(now time.Time, k Key, l Limit) time.Duration {
	return t.pay(now, k, l, false)
}

func (t *Table) pay(now time.Time, k Key, l Limit, take bool) time.Duration {
	if t == nil || l.Count <= 0 {
		return 0
	}
	at := now.Sub(t.start)
	s := &t.sets[k.one&uint64(len(t.sets)-1)]
	s.mu.Lock()
	if slot := s.find(k.one, at); slot != nil {
		defer s.mu.Unlock()
		if take {
			slot.key = k.one
		}
		return charge(&slot.paid, at, l, take)
	}
	s.mu.Unlock()
	l.Count *= crowdLimit
	c := &t.crowd[k.wide&uint64(len(t.crowd)-1)]
	c.mu.Lock()
	defer c.mu.Unlock()
	return charge(&c.paid, at, l, take)
}

// Charge lets somebody pay for something that costs so much, or gives so much back, and
// returns how far behind he is then: never more than most. Of those who share a count,
// each has a part of it.
func (t *Table) Charge(now time.Time, k Key, cost, most time.Duration) (behind time.Duration) {
	if t == nil {
		return 0
	}
	at := now.Sub(t.start)
	s := &t.sets[k.one&uint64(len(t.sets)-1)]
	s.mu.Lock()
	if slot := s.find(k.one, at); slot != nil {
		defer s.mu.Unlock()
		if slot.paid > at || cost > 0 {
			slot.key, slot.paid = k.one, min(max(slot.paid, at)+cost, at+most)
		}
		return max(slot.paid-at, 0)
	}
	s.mu.Unlock()
	c := &t.crowd[k.wide&uint64(len(t.crowd)-1)]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paid = min(max(c.paid, at)+cost/crowdLimit, at+most)
	return max(c.paid-at, 0)
}

// Behind is how far somebody is behind.
func (t *Table) Behind(now time.Time, k Key) time.Duration {
	return t.Charge(now, k, 0, 1<<62)
}

// find gives the slot of a key, or a free one; nil if all are others'.
func (s *set) find(key uint64, at time.Duration) *slot {
	var free *slot
	for i := range s.slots {
		switch slot := &s.slots[i]; {
		case slot.key == key && slot.paid > at:
			return slot
		case slot.paid <= at:
			free = slot
		}
	}
	return free
}

// charge lets somebody pay for one more.
func charge(paid *time.Duration, at time.Duration, l Limit, take bool) (wait time.Duration) {
	after := max(*paid, at) + l.Per/time.Duration(l.Count)
	if after > at+l.Per {
		return after - at - l.Per
	}
	if take {
		*paid = after
	}
	return 0
}
