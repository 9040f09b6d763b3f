package queue

import (
	"time"

	"posthorn/internal/dsn"
	"posthorn/internal/smtpwire"
)

// Outcome is how an attempt ended for a recipient.
type Outcome uint8

// The outcomes.
const (
	// Deferred: not now, for a reason that concerns the recipient or the message.
	Deferred Outcome = iota
	// Unreachable: not now, for a reason that concerns the destination: its name
	// does not resolve at present, it does not answer, or takes nothing from us. If a
	// job ends so for all its recipients, the destination gets fewer jobs.
	Unreachable
	// Accepted: whoever is next has taken it over, durably.
	Accepted
	// Refused for good.
	Refused
	// Crowded: nothing was tried, since enough of ours is under way to the server
	// already. If a job ends so for all its recipients, it was none, and the destination
	// gives its turn to others for a moment.
	Crowded
)

// Result is what became of a job for one recipient.
type Result struct {
	Outcome  Outcome
	Reply    smtpwire.Reply // what was said, exactly; of ourselves if nobody said anything
	Remote   string         // who said it: "mx.example.net [192.0.2.1]"; "": we did
	Notifies bool           // of an Accepted: the next server sends word of success itself (RFC 3461 §5.2.1)
	Mailbox  bool           // of an Accepted: it is in a mailbox, and not only with the next server
	TLS      string         // of an Accepted: how it travelled: "TLS 1.3, DANE"; "": in clear

	interrupted bool // the attempt was broken off by us, and is none
}

// record takes over what became of a recipient that was pending.
func (st *stored) record(i int, r Result, policy *Policy, now time.Time) {
	p := &st.progress[i]
	p.Attempts++
	p.Last = now
	p.Reply, p.Remote = bounded(r.Reply), r.Remote
	switch r.Outcome {
	case Accepted:
		p.mailbox = r.Mailbox
		st.end(i, Delivered)
		p.owed = p.owed && !r.Notifies
	case Refused:
		st.end(i, Failed)
	case Deferred, Unreachable, Crowded:
		st.dirty[i] = true
		p.Next = policy.next(st.Message, st.key, p.Attempts, now)
		st.expire(i, policy, now)
	}
}

// postpone is record for an attempt that was not made, because the destination has
// just proven to be unreachable: only the patience may end.
func (st *stored) postpone(i int, r Result, policy *Policy, now time.Time) {
	p := &st.progress[i]
	if p.Last.IsZero() {
		p.Last, p.Reply, p.Remote = now, bounded(r.Reply), r.Remote
		st.dirty[i] = true
	}
	st.expire(i, policy, now)
}

// expire ends a recipient that has been tried for too long.
func (st *stored) expire(i int, policy *Policy, now time.Time) {
	if !now.Before(policy.expiry(st.Message)) {
		st.end(i, Expired)
	}
}

// end gives a recipient its final state, and notes if the sender must hear of it.
func (st *stored) end(i int, state State) {
	p := &st.progress[i]
	p.State, p.Held = state, false
	p.owed = state != Deleted && st.wants(i, p.action())
	st.dirty[i] = true
	st.ended = append(st.ended, i)
}

// wants says whether the sender is to be told something of a recipient. Nothing is
// told to the null sender (RFC 3461 §6.1).
func (st *stored) wants(i int, a dsn.Action) bool {
	return !st.From.IsZero() && st.Recipients[i].Notify.Wants(a)
}

// action is the state in the words of notifications.
func (p *Progress) action() dsn.Action {
	switch {
	case p.State == Pending:
		return dsn.Delayed
	case p.State != Delivered:
		return dsn.Failed
	case p.mailbox:
		return dsn.Delivered
	}
	return dsn.Relayed
}

// told is what a notification says of one recipient.
type told struct {
	number int
	action dsn.Action
}

// tell notes as told all that the sender should hear by now, and returns it. What
// is not due at the moment, and so not being tried, shares the fate of what just
// was: a hundred dead destinations make one notification, not a hundred.
func (st *stored) tell(policyOf func(string) *Policy, now time.Time) []told {
	var all []told
	for i := range st.progress {
		p := &st.progress[i]
		if p.State == Pending && !p.Held && !p.Last.IsZero() {
			policy := policyOf(st.destination(i))
			if p.Next.After(now) {
				st.expire(i, policy, now)
			}
			if st.delayed(i, policy, now) {
				p.delayTold, st.dirty[i] = true, true
				all = append(all, told{i, dsn.Delayed})
			}
		}
		if p.owed {
			p.owed, st.dirty[i] = false, true
			all = append(all, told{i, p.action()})
		}
	}
	return all
}

// delayed says that it is time for word of a delay.
func (st *stored) delayed(i int, policy *Policy, now time.Time) bool {
	p := &st.progress[i]
	notice := policy.notice(st.Message)
	return p.State == Pending && !p.delayTold && !notice.IsZero() && !now.Before(notice) && st.wants(i, dsn.Delayed)
}

// deadline is when something has to be said of a recipient even if its destination
// is not tried at the moment.
func (st *stored) deadline(i int, policy *Policy) time.Time {
	end := policy.expiry(st.Message)
	notice := policy.notice(st.Message)
	if !st.progress[i].delayTold && !notice.IsZero() && notice.Before(end) && st.wants(i, dsn.Delayed) {
		return notice
	}
	return end
}

// owes says that the sender should have been told something by now.
func (st *stored) owes(policyOf func(string) *Policy, now time.Time) bool {
	for i := range st.progress {
		p := &st.progress[i]
		if p.owed || !p.Held && !p.Last.IsZero() && st.delayed(i, policyOf(st.destination(i)), now) {
			return true
		}
	}
	return false
}
