package queue

import "time"

// Policy is how much patience there is with a destination.
type Policy struct {
	// Pauses after the first, second and further attempts that failed for now. The
	// last one is repeated. Each is lengthened by up to a fifth, so that what was
	// queued together does not come back together.
	Pauses      []time.Duration
	Lifetime    time.Duration // how long it is tried
	Notice      time.Duration // after what time the sender is told of the delay; 0: never
	Concurrency int           // jobs at once, at most
}

// DefaultPolicy is the policy when nobody has decided anything. RFC 5321 §4.5.4.1:
// half an hour between attempts, after two in the first hour; four to five days.
func DefaultPolicy() Policy {
	return Policy{
		Pauses:      []time.Duration{2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute},
		Lifetime:    5 * 24 * time.Hour,
		Notice:      4 * time.Hour,
		Concurrency: 20,
	}
}

// pause is how long to wait after so many attempts. The same attempt of the same
// message waits the same time wherever it is computed.
func (p *Policy) pause(attempts int, k key) time.Duration {
	if len(p.Pauses) == 0 {
		return 30 * time.Minute
	}
	pause := p.Pauses[max(0, min(attempts, len(p.Pauses))-1)]
	return pause + jitter(pause/5, uint64(k)+uint64(attempts)<<48)
}

// jitter is a part of d, scattered by seed (the finalizer of splitmix64).
func jitter(d time.Duration, seed uint64) time.Duration {
	seed += 0x9e3779b97f4a7c15
	seed = (seed ^ seed>>30) * 0xbf58476d1ce4e5b9
	seed = (seed ^ seed>>27) * 0x94d049bb133111eb
	seed ^= seed >> 31
	return time.Duration(float64(d) * float64(seed>>11) / (1 << 53))
}

// expiry is when a message is given up.
func (p *Policy) expiry(m *Message) time.Time {
	end := m.start().Add(p.Lifetime)
	if by := m.DeliverBy; by.Return && !by.At.IsZero() && by.At.Before(end) {
		return by.At
	}
	return end
}

// notice is when the sender is told that a message is delayed; zero: not at all.
func (p *Policy) notice(m *Message) time.Time {
	if by := m.DeliverBy; !by.Return && !by.At.IsZero() {
		return by.At
	}
	if p.Notice == 0 {
		return time.Time{}
	}
	return m.start().Add(p.Notice)
}

// next is when a recipient is tried again after an attempt that ended now.
func (p *Policy) next(m *Message, k key, attempts int, now time.Time) time.Time {
	next := now.Add(p.pause(attempts, k))
	// A moment at which something has to be said is worth an attempt.
	for _, moment := range []time.Time{m.DeliverBy.At, p.expiry(m)} {
		if moment.After(now) && next.After(moment) {
			next = moment
		}
	}
	return next
}
