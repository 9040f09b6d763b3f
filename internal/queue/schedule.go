package queue

import (
	"strings"
	"sync"
	"time"
)

// schedule knows what is to be tried when. It is made from the slices at start, and
// kept up by commits; it decides only when to look at a message: whether a recipient
// is due is then read from the slice. So it may be wrong, but must not forget.
//
// An item waits until its time, then stands ready in line at its destination, then
// is active. Destinations with something ready stand in lanes; the one with the
// most urgent item, and among equals the one that was served the longest time ago,
// has the next turn.
type schedule struct {
	policyOf func(string) *Policy

	mu           sync.Mutex // guards what follows
	messages     map[key]*item
	destinations map[string]*destination
	sweepAt      int // number of destinations at which idle ones are forgotten
	waiting      heap[*item]
	lanes        [numStandings]lane
	active       int     // jobs under way
	limit        int     // of them
	settling     []*item // in line to have their senders told something
	settlers     int     // of them under way
	turn         uint64
}

// item is what is left to do for a message at one destination. There may be a
// million: it has 48 bytes.
type item struct {
	key      key
	at       int64 // when to look at it; Unix milliseconds, as all times here
	deadline int64 // when its sender must hear something even if the destination rests
	dest     *destination
	sibling  *item // the next of the same message
	position int32 // in the heap that it is in
	state    itemState
	priority int8
	owes     bool // its sender should hear of something that has happened already
	stale    bool // while busy: the message has been changed by others
}

type itemState uint8

const (
	itemWaiting itemState = iota
	itemReady
	itemActive
	itemSettling // in line to have its sender told, or being so
)

func (it *item) busy() bool { return it.state == itemActive || it.state == itemSettling }

func placeItem(it *item, position int) { it.position = int32(position) }

func moreUrgent(a, b *item) bool {
	switch {
	case a.priority != b.priority:
		return a.priority > b.priority
	case a.at != b.at:
		return a.at < b.at
	}
	return a.key < b.key
}

// fewestKept is how many destinations are remembered in any case.
const fewestKept = 1024

func newSchedule(limit int, policyOf func(string) *Policy) *schedule {
	return &schedule{
		policyOf: policyOf, limit: limit, sweepAt: fewestKept,
		messages: make(map[key]*item), destinations: make(map[string]*destination),
		waiting: heap[*item]{less: func(a, b *item) bool { return a.at < b.at }, place: placeItem},
		lanes:   newLanes(limit),
	}
}

// agenda is what the schedule has to know of a message.
type agenda struct {
	key      key
	priority int8
	owes     bool
	entries  []entry // one for each destination that is left
}

// entry is an item to be.
type entry struct {
	destination  string
	at, deadline int64
}

// set makes the schedule agree with what a slice says of a message. While a part of
// it is busy nothing else of it is begun, since recipients may have been moved to
// another destination in the middle of an attempt; when that is done, the message is
// read again.
func (s *schedule) set(a *agenda) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first *item
	for it := s.messages[a.key]; it != nil; {
		next := it.sibling
		if it.busy() {
			it.stale, it.sibling, first = true, first, it
		} else {
			s.takeOut(it)
			it.dest.items--
		}
		it = next
	}
	if first == nil {
		for _, e := range a.entries {
			it := &item{key: a.key, at: e.at, deadline: e.deadline, priority: a.priority, owes: a.owes, dest: s.destination(e.destination), sibling: first}
			it.dest.items++
			s.waiting.push(it)
			first = it
		}
	}
	if first == nil {
		delete(s.messages, a.key)
	} else {
		s.messages[a.key] = first
	}
}

// destination finds or makes a destination.
func (s *schedule) destination(name string) *destination {
	if d := s.destinations[name]; d != nil {
		return d
	}
	if len(s.destinations) >= s.sweepAt {
		now := time.Now().UnixMilli()
		for name, d := range s.destinations {
			if d.forgettable(now) {
				delete(s.destinations, name)
			}
		}
		s.sweepAt = max(fewestKept, 2*len(s.destinations))
	}
	name = strings.Clone(name) // it may be part of a whole record
	d := newDestination(name, s.policyOf(name))
	s.destinations[name] = d
	return d
}

// applyPolicies asks for the policies of all destinations again.
func (s *schedule) applyPolicies() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, d := range s.destinations {
		d.apply(s.policyOf(name))
		s.line(d)
	}
}

// takeOut takes an item that is not busy out of the heap it is in.
func (s *schedule) takeOut(it *item) {
	if it.state == itemReady {
		it.dest.ready.remove(int(it.position))
		s.line(it.dest)
	} else {
		s.waiting.remove(int(it.position))
	}
}

// forget takes a busy item out of its message.
func (s *schedule) forget(it *item) {
	it.dest.items--
	first := s.messages[it.key]
	if first == it {
		if it.sibling == nil {
			delete(s.messages, it.key)
		} else {
			s.messages[it.key] = it.sibling
		}
		return
	}
	for ; first != nil; first = first.sibling {
		if first.sibling == it {
			first.sibling = it.sibling
			return
		}
	}
}

// line puts a destination into the lane where it belongs, at its place there. It is
// called whenever something of the destination has changed.
func (s *schedule) line(d *destination) {
	if d.lane != nil {
		d.lane.queued.remove(d.position)
		d.lane = nil
	}
	if d.ready.len() > 0 && d.active < int(d.window) && !d.hopeless() {
		d.lane = &s.lanes[d.standing]
		d.lane.queued.push(d)
	}
}

// arrange finds the place of an item whose time has come, or which has just been
// dealt with.
func (s *schedule) arrange(it *item, now int64) {
	d := it.dest
	switch {
	case it.at > now:
		it.state = itemWaiting
		s.waiting.push(it)
	case !d.resting(now):
		it.state = itemReady
		d.ready.push(it)
		s.line(d)
	case it.owes || it.deadline <= now:
		s.settle(it)
	default:
		it.at, it.state = min(d.afterRest(), it.deadline), itemWaiting
		s.waiting.push(it)
	}
}

// settle puts an item in line to have its sender told something.
func (s *schedule) settle(it *item) {
	it.state = itemSettling
	s.settling = append(s.settling, it)
}

// idle says that nothing of a message besides one item is about to happen, so that
// what there is to tell should be told.
func (s *schedule) idle(it *item) bool {
	for other := s.messages[it.key]; other != nil; other = other.sibling {
		if other != it && other.state != itemWaiting {
			return false
		}
	}
	return true
}

// size counts the messages.
func (s *schedule) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.messages)
}

// underWay counts the jobs under way.
func (s *schedule) underWay() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active
}

// alone is idle for callers that do not hold the lock.
func (s *schedule) alone(it *item) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idle(it)
}

// next is when the schedule has something to do by itself.
func (s *schedule) next() (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting.len() == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(s.waiting.top().at), true
}
