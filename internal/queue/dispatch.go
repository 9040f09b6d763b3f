package queue

import "time"

// start is an item that is handed out to be worked on.
type start struct {
	item    *item
	turn    uint64
	lane    standing // of the destination, that the job counts for
	settle  bool     // nothing is to be tried, only the sender told
	resting bool     // of settle: the destination rests
	failure Result   // why it does
	found   *stored  // the message, if it has just been read; only to be looked at
}

// maxSettlers is how many senders are told something at once.
const maxSettlers = 8

// take hands out all that can be started now.
func (s *schedule) take(at time.Time) []start {
	now := at.UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.waiting.len() > 0 && s.waiting.top().at <= now {
		s.arrange(s.waiting.pop(), now)
	}
	var all []start
	for len(s.settling) > 0 && s.settlers < maxSettlers {
		it := s.settling[0]
		s.settling = s.settling[1:]
		s.settlers++
		all = append(all, start{item: it, settle: true, resting: it.dest.resting(now), failure: it.dest.failure})
	}
	for s.active < s.limit {
		l := s.choose()
		if l == nil {
			break
		}
		all = append(all, s.start(l))
	}
	return all
}

// choose picks the lane whose first destination has the next turn; nil: there is
// none.
func (s *schedule) choose() *lane {
	var chosen *lane
	for i := range s.lanes {
		l := &s.lanes[i]
		if l.open() && (chosen == nil || l.queued.less(l.queued.top(), chosen.queued.top())) {
			chosen = l
		}
	}
	return chosen
}

// start starts the most urgent item of the first destination of a lane.
func (s *schedule) start(l *lane) start {
	d := l.queued.top()
	it := d.ready.pop()
	it.state = itemActive
	s.turn++
	d.turn = s.turn
	d.active++
	l.active++
	s.active++
	lane := d.standing
	s.line(d)
	return start{item: it, turn: s.turn, lane: lane}
}

// feedback is what a job has shown of its destination.
type feedback uint8

const (
	nothing   feedback = iota // it was not tried
	reached                   // it talks to us
	unreached                 // it does not
	crowded                   // it was not tried, for it has enough to do with us
)

// done takes an item back, with what has come of it. It says whether the message
// must be read again.
func (s *schedule) done(st start, e ending) (stale bool) {
	now := time.Now().UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	it, d := st.item, st.item.dest
	if st.settle {
		s.settlers--
	} else {
		d.active--
		d.used = now
		s.lanes[st.lane].active--
		s.active--
	}
	s.learn(d, st.turn, e, now)
	stale, it.stale = it.stale, false
	if e.left == nil || stale {
		s.forget(it) // what is stale comes back when it has been read
	} else {
		it.at, it.deadline, it.owes = e.left.at, e.left.deadline, e.owes
		if st.settle && d.resting(now) {
			it.at = max(it.at, d.rest) // whatever is still to be said has time until then
		}
		s.arrange(it, now)
	}
	s.line(d)
	if e.owes {
		s.remind(it.key)
	}
	return stale
}

// learn draws the consequences of feedback.
func (s *schedule) learn(d *destination, started uint64, e ending, now int64) {
	switch e.feedback {
	case reached:
		d.reached()
	case unreached:
		d.unreached(started, s.turn, e.failure)
	case crowded:
		d.stepAside(now, e.failure)
		for d.ready.len() > 0 {
			s.arrange(d.ready.pop(), now)
		}
	}
	if d.active == 0 && d.hopeless() {
		d.lieDown(now)
		for d.ready.len() > 0 {
			s.arrange(d.ready.pop(), now)
		}
	}
	s.line(d)
}

// remind sees to it that a sender is told what he should hear: by the next job of
// the message that ends, if one is under way, else at once.
func (s *schedule) remind(k key) {
	first := s.messages[k]
	for it := first; it != nil; it = it.sibling {
		it.owes = true
	}
	if first != nil && first.state == itemWaiting && s.idle(first) {
		s.waiting.remove(int(first.position))
		s.settle(first)
	}
}

// wake ends the rest of destinations at the operator's wish.
func (s *schedule) wake(names map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range names {
		if d := s.destinations[name]; d != nil {
			d.wake()
			s.line(d)
		}
	}
}
