// Package guesses owns the count of wrong passwords: of each user at each network, of
// each network, and of each user, and what these mean for the next attempt.
//
// It waits for nobody, refuses nobody and proves nothing: it says how long an attempt has
// to wait, or that it is not to be made now. It never asks whether there is such a user,
// so it cannot tell.
//
// The rule is in Try, and is this. What makes somebody wait is what he did himself: the
// wrong passwords of this user at this network. What others do to a user makes strangers
// wait some seconds, and never refuses anybody: else whoever guesses could lock the owner
// out. A network at which the user has logged in of late is no stranger, and does not even
// wait for that.
//
// Invariants: memory is bounded (package rates, known.go). An attempt is charged before it
// is made, and paid back if it was right or came to nothing, so that a thousand at once
// are not a thousand free ones. Of a network that has proven the user nothing is ever
// refused.
package guesses

import (
	"net/netip"
	"time"

	"posthorn/internal/filter/rates"
)

// What is counted.
const (
	ofPair uint8 = iota
	ofNetwork
	ofUser
)

const (
	// A wrong password of a user at a network is forgotten after pairCost; once there are
	// so many that attempts are refused, each costs lateCost.
	pairCost, lateCost, pairMost = 10 * time.Minute, 30 * time.Minute, 3 * time.Hour
	freeOfPair                   = 3  // typing errors
	freeOfKnown                  = 10 // at a network that has proven the user
	longestWait                  = 10 * time.Second

	// One of a network, whoever the users are.
	networkCost, networkMost = time.Minute, 24 * time.Hour
	freeOfNetwork            = 20
	networkStep              = 500 * time.Millisecond

	// One of a user, wherever it comes from.
	userCost, userMost = time.Minute, time.Hour
	freeOfUser         = 20
	userStep, userWait = 250 * time.Millisecond, 5 * time.Second
)

// Table counts. All methods may be called from any goroutine.
type Table struct {
	counts *rates.Table
	known  known
}

// New makes a table. Times that it is told must not be before now.
func New(now time.Time) *Table { return &Table{rates.New(now), newKnown(now)} }

// Who is somebody who wants to be a user: how the user is spelled must not matter any more.
type Who struct {
	User   string
	Remote netip.Addr // not valid if the transport has none
	// Trusted: many come from there, as through a proxy, so that it is nobody's network.
	Trusted bool
}

// Verdict is what becomes of an attempt.
type Verdict struct {
	Wait   time.Duration // at most longestWait
	Refuse bool          // do not make it now
	Known  bool          // the network has proven the user
	First  bool          // nothing went wrong at this network with this user
}

// Try charges an attempt, and says what is to become of it. One that is refused costs nothing.
func (t *Table) Try(now time.Time, w Who) Verdict {
	pair := t.counts.Pair(ofPair, w.User, w.Remote)
	failures := times(t.counts.Behind(now, pair), pairCost)
	v := Verdict{Known: t.known.has(now, w.User, pair), First: failures == 0}
	if v.Known || w.Trusted {
		v.Wait = min(doubled(failures-freeOfKnown), longestWait)
	} else {
		v.Wait = doubled(failures - freeOfPair)
		v.Refuse = v.Wait > longestWait
		v.Wait = max(v.Wait, t.forStrangers(now, w))
	}
	if v.Refuse {
		v.Wait = 0
		return v
	}
	cost := pairCost
	if !v.Known && !w.Trusted && doubled(failures+1-freeOfPair) > longestWait {
		cost = lateCost
	}
	t.counts.Charge(now, pair, cost, pairMost)
	return v
}

// forStrangers is how long somebody waits for what others did: at his network, or to the user.
func (t *Table) forStrangers(now time.Time, w Who) time.Duration {
	network := times(t.counts.Behind(now, t.counts.Client(ofNetwork, w.Remote)), networkCost)
	user := times(t.counts.Behind(now, t.counts.User(ofUser, w.User)), userCost)
	return max(
		min(time.Duration(max(network-freeOfNetwork, 0))*networkStep, longestWait),
		min(time.Duration(max(user-freeOfUser, 0))*userStep, userWait),
	)
}

// times is how often something happened that cost so much each time.
func times(behind, cost time.Duration) int { return int((behind + cost - 1) / cost) }

// doubled is 1, 2, 4, 8… seconds.
func doubled(n int) time.Duration {
	if n < 0 {
		return 0
	}
	return time.Second << min(n, 10)
}

// Failed says that the attempt was wrong, and returns how many of the network have been of late.
func (t *Table) Failed(now time.Time, w Who) (ofNet int) {
	t.counts.Charge(now, t.counts.User(ofUser, w.User), userCost, userMost)
	if w.Trusted || !w.Remote.IsValid() {
		return 0
	}
	return times(t.counts.Charge(now, t.counts.Client(ofNetwork, w.Remote), networkCost, networkMost), networkCost)
}

// Succeeded says that the attempt was right: the network has proven the user.
func (t *Table) Succeeded(now time.Time, w Who) {
	pair := t.counts.Pair(ofPair, w.User, w.Remote)
	t.counts.Charge(now, pair, -pairMost, pairMost)
	if !w.Trusted {
		t.known.add(now, w.User, pair)
	}
}

// Withdraw says that the attempt came to nothing, and tells nothing.
func (t *Table) Withdraw(now time.Time, w Who) {
	t.counts.Charge(now, t.counts.Pair(ofPair, w.User, w.Remote), -pairCost, pairMost)
}
