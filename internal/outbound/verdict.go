package outbound

import (
	"fmt"

	"posthorn/internal/fault"
	"posthorn/internal/queue"
	"posthorn/internal/smtpclient"
	"posthorn/internal/smtpwire"
)

type code = smtpwire.EnhancedCode

// ours is a result in our own words, since nobody else has said anything.
func ours(outcome queue.Outcome, status code, format string, args ...any) queue.Result {
	number := map[uint16]int{4: 451, 5: 554}[status[0]]
	return queue.Result{Outcome: outcome, Reply: smtpwire.NewReply(number, status, fmt.Sprintf(format, args...))}
}

// unresolved is what follows from a lookup that gave nothing.
func unresolved(name string, err error) queue.Result {
	var why string
	switch fault.KindOf(err) {
	case fault.NotFound:
		return ours(queue.Refused, code{5, 4, 4}, "%s has no address", name) // unable to route
	case fault.Invalid:
		why = "the DNS of " + name + " makes no sense"
	case fault.Canceled:
		return interrupted()
	default:
		why = "the name servers of " + name + " do not answer"
	}
	return ours(queue.Unreachable, code{4, 4, 3}, "%s: %v", why, err) // directory server failure
}

// interrupted is the result of what we ourselves have broken off.
func interrupted() queue.Result {
	return ours(queue.Deferred, code{4, 3, 2}, "The attempt was broken off; it will be repeated")
}

// unreadable is the result of a message that the queue cannot give.
func unreadable(err error) queue.Result {
	switch fault.KindOf(err) {
	case fault.Corrupt:
		return ours(queue.Refused, code{5, 3, 0}, "The message was damaged while it was in our queue")
	case fault.Canceled:
		return interrupted()
	}
	return ours(queue.Deferred, code{4, 3, 0}, "The message cannot be read at present")
}

// noSuchDomain and noMail are domains that nobody can write to.
func noSuchDomain(domain string) queue.Result {
	return ours(queue.Refused, code{5, 1, 2}, "The domain %s does not exist", domain)
}

func noMail(domain string) queue.Result { // RFC 7505 §4.2
	r := ours(queue.Refused, code{5, 1, 10}, "The domain %s takes no mail (null MX)", domain)
	r.Reply.Code = 556
	return r
}

// loop is mail for a domain whose best server is this one, which knows nothing of it.
func loop(domain string) queue.Result {
	return ours(queue.Refused, code{5, 4, 6}, "The mail for %s is to come to this server, which does not have it", domain)
}

// verdict is what follows from an outcome for a recipient.
type verdict struct {
	result queue.Result
	// final: nothing else is to be tried for the recipient in this attempt.
	final bool
	// crowded: the server had had enough of recipients in one transaction.
	crowded bool
	// lost: the connection, or the server, is no good any more.
	lost bool
}

// judge draws the consequences. remote is who was spoken with; company says that
// others were accepted in the same transaction.
func judge(o smtpclient.Outcome, remote string, company bool) verdict {
	v := verdict{result: queue.Result{Reply: o.Reply, Remote: remote}}
	if o.Err == nil {
		v.result.Outcome, v.result.Notifies, v.final = queue.Accepted, o.Notifies, true
		return v
	}
	e, ok := o.Err.(*smtpclient.Error)
	if !ok {
		v.result = ours(queue.Deferred, code{4, 3, 0}, "An error of our own")
		return v
	}
	said := !e.Reply.IsZero()
	switch kind := fault.KindOf(e); {
	case e.Source:
		v.result, v.final, v.lost = unreadable(e), true, true
	case said:
		v.saidNo(e, company)
	case (kind == fault.Unavailable || kind == fault.Invalid) && e.Stage == smtpclient.AtEnd:
		// RFC 5321 §4.5.3.2.6: it may have taken the message over without telling us.
		v.result, v.final, v.lost = unsaid(e, queue.Deferred, remote), true, true
	case kind == fault.Unavailable, kind == fault.Invalid:
		v.result, v.lost = unsaid(e, queue.Unreachable, remote), true
	case kind == fault.Unsupported, kind == fault.TooLarge:
		v.result = unsaid(e, queue.Refused, remote) // another host may have what this one lacks
	case kind == fault.Canceled:
		v.result, v.final, v.lost = interrupted(), true, true
	default:
		v.result, v.final = ours(queue.Deferred, code{4, 3, 0}, "An error of our own"), true
	}
	return v
}

// saidNo is for a server that has refused, in words of its own.
func (v *verdict) saidNo(e *smtpclient.Error, company bool) {
	r := e.Reply
	v.result.Reply = r
	switch {
	case r.Code == 421:
		v.result.Outcome, v.lost = queue.Unreachable, true
	case e.Stage == smtpclient.AtRcpt && company && tooMany(r):
		v.result.Outcome, v.crowded = queue.Deferred, true
	case r.Class() == 5:
		v.result.Outcome, v.final = queue.Refused, true
	case r.Class() == 4:
		v.result.Outcome = queue.Deferred
	default: // out of step
		v.result.Outcome, v.lost = queue.Unreachable, true
	}
}

// tooMany says that a refusal is not about a recipient, but about their number
// (RFC 5321 §4.5.3.1.10: 452, and 552 from older servers).
func tooMany(r smtpwire.Reply) bool {
	if r.Enhanced != (code{}) {
		return r.Enhanced[1] == 5 && r.Enhanced[2] == 3
	}
	return r.Code == 452 || r.Code == 552
}

// unsaid is the result of an error that is not in a server's words.
func unsaid(e *smtpclient.Error, outcome queue.Outcome, remote string) queue.Result {
	return ours(outcome, e.Status, "%s, at %v: %v", remote, e.Stage, e.Unwrap())
}

// closedDoor is what follows for all recipients from a session that did not come to
// the first of them. A server that does not want us at all may change its mind, or its list
// of those that it does not want; but two codes say that it never will (RFC 7504 §3).
func closedDoor(e *smtpclient.Error, remote string) queue.Result {
	switch {
	case e.Reply.IsZero():
		return unsaid(e, queue.Unreachable, remote)
	case e.Reply.Code == 521 || e.Reply.Code == 556:
		return queue.Result{Outcome: queue.Refused, Reply: e.Reply, Remote: remote}
	}
	return queue.Result{Outcome: queue.Unreachable, Reply: e.Reply, Remote: remote}
}

// insecure is closedDoor for a message that must be encrypted on all its way: if it
// cannot be here, it must come back (RFC 8689 §4.2.1).
func insecure(e *smtpclient.Error, remote string) queue.Result {
	return ours(queue.Refused, code{5, 7, 10}, "%s, at %v: %v", remote, e.Stage, e.Unwrap())
}

// hope orders results that are not final: the one with most hope, or that tells
// most, is kept when several hosts were tried.
func hope(r queue.Result) int {
	switch r.Outcome {
	case queue.Deferred:
		return 3
	case queue.Unreachable:
		return 2
	}
	return 1
}
