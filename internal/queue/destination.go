package queue

import "time"

// destination is what the schedule knows of a place that mail goes to. It is
// forgotten with the process: the first attempts find it out again.
type destination struct {
	name   string
	policy Policy
	ready  heap[*item] // due, the most urgent first
	items  int         // that belong to it, in any state
	active int         // of them being tried

	// window is how many jobs may be under way at once. It grows by one with each
	// success up to threshold, then by one with each windowful; a failure halves
	// both, once for all the jobs that were under way together (as TCP does).
	window, threshold float64
	shrunk            uint64 // the turn after which a failure counts again
	failures          int    // in a row
	patience          int    // how many of them are borne

	// Where nothing gets through, the destination rests: nothing is tried until rest.
	// Then its messages wait for the outcome of one, instead of each finding out alone.
	rest    int64 // Unix milliseconds
	rests   int   // in a row
	resters int64 // messages that wait for the end of this rest
	failure Result

	standing standing
	used     int64  // when a job last ended
	turn     uint64 // when it last had a job started, for fairness
	position int    // in the heap of its lane
	lane     *lane  // it is queued there; nil: nothing to start
}

// standing is what is known of a destination, and the number of its lane.
type standing uint8

const (
	proven  standing = iota // something got through to it
	untried                 // nobody knows
	failing                 // nothing got through lately
	numStandings
)

const (
	firstWindow   = 2
	leastPatience = 3
	firstRest     = time.Minute
	longestRest   = 15 * time.Minute
	doublingRests = 4 // to get from the first to the longest
	moment        = 2 * time.Second
)

func newDestination(name string, policy *Policy) *destination {
	d := &destination{name: name, standing: untried, window: firstWindow}
	d.apply(policy)
	d.ready = heap[*item]{less: moreUrgent, place: placeItem}
	return d
}

// apply goes over to a policy.
func (d *destination) apply(policy *Policy) {
	before := d.policy.Concurrency
	d.policy = *policy
	d.policy.Concurrency = max(1, d.policy.Concurrency)
	if d.policy.Concurrency != before { // how many are good for it is to be found out anew
		d.threshold = float64(d.policy.Concurrency)
	}
	d.window = min(d.window, d.threshold)
}

func (d *destination) resting(now int64) bool { return d.rest > now }

// reached takes note that the destination talks to us.
func (d *destination) reached() {
	d.failures, d.rests, d.rest, d.standing = 0, 0, 0, proven
	if d.window < d.threshold {
		d.window++
	} else {
		d.window += 1 / d.window
	}
	d.window = min(d.window, float64(d.policy.Concurrency))
}

// unreached takes note that it did not, in a job started at a turn; turn is the
// last one there was. As many failures in a row are borne as jobs were under way
// together, for they may have one cause; where a single job was on trial, one.
func (d *destination) unreached(started, turn uint64, failure Result) {
	if d.failures == 0 {
		d.patience = 1
		if d.window >= 2 {
			d.patience = max(leastPatience, int(d.window))
		}
	}
	d.failures++
	d.failure = failure
	if d.standing == untried {
		d.standing = failing
	}
	if started > d.shrunk {
		d.threshold = max(1, d.window/2)
		d.window, d.shrunk = d.threshold, turn
	}
}

// hopeless says that nothing more is to be started: what is under way decides
// between a success and a rest.
func (d *destination) hopeless() bool { return d.failures > 0 && d.failures >= d.patience }

// lieDown begins a rest, when nothing is under way any more. Afterwards one job is
// on trial.
func (d *destination) lieDown(now int64) {
	pause := longestRest
	if d.rests < doublingRests {
		pause = firstRest << d.rests
	}
	d.rests++
	d.rest = now + pause.Milliseconds()
	d.resters, d.failures, d.window, d.standing = 0, 0, 1, failing
}

// stepAside gives the turn to other destinations for a moment, which is no rest: what
// is under way goes on, and nothing is held against it.
func (d *destination) stepAside(now int64, why Result) {
	d.rest, d.resters, d.failure = max(d.rest, now+moment.Milliseconds()), 0, why
}

// afterRest is when a message is looked at that has to wait. They queue up, one a
// millisecond: the one that has just been tried comes last, so that it is always
// another one that finds out.
func (d *destination) afterRest() int64 {
	d.resters++
	return d.rest + d.resters
}

// wake ends a rest at the operator's wish.
func (d *destination) wake() { d.rest, d.rests, d.failures = 0, 0, 0 }

// forgettable says that nothing is lost if the destination is forgotten.
func (d *destination) forgettable(now int64) bool {
	return d.items == 0 && (d.standing != proven || now-d.used > remembered.Milliseconds())
}

// remembered is how long a destination is known to work.
const remembered = time.Hour

// lane is a line of destinations that have something to start. There is one for
// each standing, and only the proven ones may use all jobs: dead domains, however
// many, leave room for new ones, and both for those that are known to live.
type lane struct {
	queued heap[*destination]
	active int // jobs under way that were started from it
	limit  int
}

// newLanes shares out jobs.
func newLanes(jobs int) (lanes [numStandings]lane) {
	lanes[proven] = newLane(jobs)
	lanes[untried] = newLane(max(1, jobs*3/4))
	lanes[failing] = newLane(max(1, jobs/4))
	return lanes
}

func newLane(limit int) lane {
	return lane{limit: limit, queued: heap[*destination]{
		less: func(a, b *destination) bool {
			if p, q := a.ready.top().priority, b.ready.top().priority; p != q {
				return p > q
			}
			return a.turn < b.turn
		},
		place: func(d *destination, position int) { d.position = position },
	}}
}

// open says that the lane may start a job.
func (l *lane) open() bool { return l.active < l.limit && l.queued.len() > 0 }
