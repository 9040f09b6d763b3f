package outbound

import (
	"context"
	"slices"
	"strings"
	"sync"

	"posthorn/internal/fault"
	"posthorn/internal/mtasts"
	"posthorn/internal/queue"
	"posthorn/internal/smtpclient"
	"posthorn/internal/smtpwire"
)

// task is what is to be done: a queue.Job in parts.
type task struct {
	message     *queue.Message
	destination string
	recipients  []int // indices of message.Recipients
	open        func(context.Context) (queue.Content, error)
}

// delivery is a task under way.
type delivery struct {
	*task
	out     *Outbound
	route   *Route
	sts     mtasts.Answer  // of the destination, if it goes by MX
	results []queue.Result // by position in task.recipients
	left    []int          // positions whose result is not final
	waiting []int          // of those, the ones that the host which is being tried was not asked for yet
	trouble int            // sessions that came to no good end
	crowded string         // a host that had enough to do with us
}

// maxTrouble is how many sessions may go wrong until the attempt is given up.
const maxTrouble = 5

func (o *Outbound) deliver(ctx context.Context, t *task) []queue.Result {
	d := &delivery{
		task: t, out: o, route: find(o.o.Routes, t.destination),
		results: make([]queue.Result, len(t.recipients)),
	}
	for i := range t.recipients {
		d.left = append(d.left, i)
	}
	d.run(ctx)
	return d.results
}

func (d *delivery) run(ctx context.Context) {
	targets := d.route.targets()
	switch d.route.Transport {
	case Discard:
		d.settle(queue.Result{Outcome: queue.Accepted, Reply: smtpwire.NewReply(250, code{2, 0, 0}, "Discarded by the route "+d.route.Name)})
		return
	case ByMX:
		var verdict *queue.Result
		if targets, verdict = d.lookUp(ctx); verdict != nil {
			d.settle(d.excused(*verdict))
			return
		}
	}
	for tried := false; len(targets) > 0 && !d.over(ctx); tried = true {
		var equal []target
		equal, targets = equals(targets)
		found, failures, self := d.resolve(ctx, equal)
		if self {
			if !tried {
				d.settle(d.excused(loop(d.destination)))
			}
			return
		}
		for _, failure := range failures {
			d.note(failure)
		}
		for i := range found {
			if d.over(ctx) {
				return
			}
			d.try(ctx, &found[i])
		}
		if d.crowded != "" && !d.over(ctx) {
			d.stepAside()
			return
		}
	}
}

// lookUp asks for the servers of the destination, and for its policy, at the same
// time.
func (d *delivery) lookUp(ctx context.Context) ([]target, *queue.Result) {
	if d.out.o.Policies == nil || !d.heedsPolicies() || strings.HasPrefix(d.destination, "[") {
		return d.out.targets(ctx, d.destination)
	}
	var known bool
	if d.sts, known = d.out.o.Policies.Known(d.destination); known {
		d.countFetch()
		return d.out.targets(ctx, d.destination)
	}
	var policy sync.WaitGroup
	policy.Go(func() {
		d.sts = d.out.o.Policies.Get(ctx, d.destination)
		d.countFetch()
	})
	defer policy.Wait()
	return d.out.targets(ctx, d.destination)
}

// resolve is Outbound.resolve, except that the operator may well send mail to this
// machine.
func (d *delivery) resolve(ctx context.Context, targets []target) (found []target, failures []queue.Result, self bool) {
	if d.route.Transport == ByMX {
		return d.out.resolve(ctx, targets)
	}
	for _, t := range targets {
		if t.addrs == nil && t.socket == "" {
			answer, err := d.out.o.Resolver.Addrs(ctx, t.host)
			if err != nil {
				failure := unresolved(t.host, err)
				if failure.Outcome == queue.Refused { // a mistake in the configuration is no fault of the message's
					failure = ours(queue.Unreachable, code{4, 4, 4}, "%s has no address", t.host)
				}
				failures = append(failures, failure)
				continue
			}
			t.addrs = alternating(answer.Addrs)
		}
		found = append(found, t)
	}
	return found, failures, false
}

// excused is a result that comes of the destination alone. If the operator has chosen
// that for a message, no sender gets his mail back because of it.
func (d *delivery) excused(r queue.Result) queue.Result {
	to := d.message.Recipients[d.recipients[0]].Address
	if r.Outcome != queue.Refused || queue.DomainOf(to) == d.destination {
		return r
	}
	return ours(queue.Unreachable, code{4, 4, 4}, "%s (the administrator has sent the message there)", r.Reply.Lines[0])
}

// over says that there is nothing more to do in this attempt.
func (d *delivery) over(ctx context.Context) bool {
	return len(d.left) == 0 || d.trouble >= maxTrouble || ctx.Err() != nil
}

// try brings the message to one host, at whatever of its addresses answers.
func (d *delivery) try(ctx context.Context, t *target) {
	a, refusal := d.assure(ctx, t)
	if refusal != nil {
		d.note(*refusal)
		return
	}
	for d.waiting = slices.Clone(d.left); len(d.waiting) > 0 && !d.over(ctx); {
		if !d.takeTurn(ctx, t, a) {
			return
		}
	}
}

// takeTurn converses with a host when there is a place for that. How much a host bears
// that the operator has chosen, he knows.
func (d *delivery) takeTurn(ctx context.Context, t *target, a assurance) (goOn bool) {
	good := false
	switch {
	case d.route.Transport != ByMX:
	case !d.out.crowd.enter(ctx, t.host):
		d.crowded = t.host
		return false
	default:
		defer func() { d.out.crowd.leave(t.host, good) }()
	}
	good, goOn = d.converse(ctx, t, a)
	return goOn
}

// converse speaks with a host over one connection. good says that it could be spoken
// with, goOn that there is a reason to try it once more.
func (d *delivery) converse(ctx context.Context, t *target, a assurance) (good, goOn bool) {
	s, verdict := d.session(ctx, t, a)
	if verdict != nil {
		d.trouble++
		d.note(*verdict)
		return false, len(t.addrs) > 0
	}
	switch d.transfer(ctx, s) {
	case served:
		d.out.pool.put(s)
	case wornOut:
		d.out.pool.put(s)
		if s.ip.IsValid() && !slices.Contains(t.addrs, s.ip) {
			t.addrs = append(t.addrs, s.ip)
		}
	case stale:
		s.client.Close()
	case lost:
		s.client.Close()
		d.trouble++
		return false, len(t.addrs) > 0
	}
	return true, true
}

// stepAside is for a delivery that found a host crowded with our own: less preferred
// ones are not for that. If nothing has come of it so far, it was none at all; and nobody
// is refused while there is a host that was not asked.
func (d *delivery) stepAside() {
	r := ours(queue.Crowded, code{4, 3, 2}, "Enough mail from here is on its way to %s already; this waits for its turn", d.crowded)
	tried := func(r queue.Result) bool { return !r.Reply.IsZero() }
	if slices.ContainsFunc(d.results, tried) {
		r.Outcome = queue.Deferred
	}
	for _, i := range d.left {
		if !tried(d.results[i]) || d.results[i].Outcome == queue.Refused {
			d.results[i] = r
		}
	}
}

// mustEncrypt says that the message asks for TLS on all its way. A notification of
// its failure does not have to (RFC 8689 §5).
func (d *delivery) mustEncrypt() bool {
	return d.message.RequireTLS && !d.message.From.IsZero()
}

// note gives all recipients that are left a result which another host may still
// better.
func (d *delivery) note(r queue.Result) {
	for _, i := range d.left {
		d.noteOne(i, r)
	}
}

func (d *delivery) noteOne(i int, r queue.Result) {
	if d.results[i].Reply.IsZero() || hope(r) >= hope(d.results[i]) {
		d.results[i] = r
	}
}

// settle gives all recipients that are left their result.
func (d *delivery) settle(r queue.Result) {
	for _, i := range d.left {
		d.results[i] = r
	}
	d.left = nil
}

// settleOne gives one recipient its result.
func (d *delivery) settleOne(i int, r queue.Result) {
	d.results[i] = r
	d.left = slices.DeleteFunc(d.left, func(j int) bool { return i == j })
}

func isCanceled(e *smtpclient.Error) bool { return fault.Is(e, fault.Canceled) }
