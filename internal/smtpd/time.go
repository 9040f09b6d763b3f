package smtpd

import (
	"strconv"
	"strings"
	"time"

	"posthorn/internal/inbound"
	"posthorn/internal/queue"
	"posthorn/internal/smtpwire"
)

// longestHold is how long a message may wait before it is sent (RFC 4865): longer than
// anybody plans, and not so long that a slip of the pen is kept for a century.
const longestHold = 366 * 24 * time.Hour

// latestRelease is what FUTURERELEASE says: the longest wait in seconds, and its end
// if it began now.
func (s *session) latestRelease() string {
	end := s.Acceptor.Now().Add(longestHold).UTC()
	return strconv.Itoa(int(longestHold.Seconds())) + " " + end.Format(time.RFC3339)
}

// readHoldFor reads HOLDFOR, a number of seconds.
func readHoldFor(s *session, p *inbound.MailParams, value string) smtpwire.Reply {
	seconds, err := strconv.Atoi(value)
	if err != nil || seconds == 0 || !isDigits(value, 9) {
		return badParam("HOLDFOR= takes a number of seconds")
	}
	return s.hold(p, s.Acceptor.Now().Add(time.Duration(seconds)*time.Second))
}

// readHoldUntil reads HOLDUNTIL, a time as RFC 3339 §5.6 writes it.
func readHoldUntil(s *session, p *inbound.MailParams, value string) smtpwire.Reply {
	at, err := time.Parse(time.RFC3339, strings.ToUpper(value))
	if err != nil {
		return badParam("HOLDUNTIL= takes a time like 2026-12-24T18:00:00Z")
	}
	return s.hold(p, at)
}

// hold has a message wait. A time that is past is now.
func (s *session) hold(p *inbound.MailParams, until time.Time) smtpwire.Reply {
	switch now := s.Acceptor.Now(); {
	case !p.NotBefore.IsZero():
		return badParam("Say HOLDFOR or HOLDUNTIL, not both")
	case until.After(now.Add(longestHold)):
		return badParam("Messages are held for " + strconv.Itoa(int(longestHold.Seconds())) + " seconds at most")
	case until.After(now):
		p.NotBefore = until
	}
	return smtpwire.Reply{}
}

// readValidSince reads RRVS (RFC 7293 §3.1): the time since which the mailbox must have
// had its owner; behind it C, if the message may go where nobody can tell, or R. The
// field Require-Recipient-Valid-Since, for servers that do not know the parameter, is
// left to them.
func readValidSince(_ *session, p *inbound.RcptParams, value string) smtpwire.Reply {
	date, action, _ := strings.Cut(strings.ToUpper(value), ";")
	at, err := time.Parse(time.RFC3339, date)
	if err != nil || action != "" && action != "C" && action != "R" {
		return badParam("RRVS= takes a time like 2026-12-24T18:00:00Z, and perhaps ;C or ;R")
	}
	p.Since = inbound.ValidSince{At: at, Continue: action == "C"}
	return smtpwire.Reply{}
}

// leastDeliverBy is the shortest time that a message may be given, if it is to come
// back afterwards (RFC 2852 §4): enough for a first attempt that meets a slow server.
const leastDeliverBy = time.Minute

// leastTime is what DELIVERBY says, in seconds.
func leastTime(*session) string { return strconv.Itoa(int(leastDeliverBy.Seconds())) }

// readDeliverBy reads BY (RFC 2852 §4): seconds, which may be over already, a
// semicolon, R or N, and perhaps T.
func readDeliverBy(s *session, p *inbound.MailParams, value string) smtpwire.Reply {
	number, mode, _ := strings.Cut(value, ";")
	seconds, err := strconv.Atoi(number)
	if err != nil || !isDigits(strings.TrimLeft(number, "+-"), 9) {
		return badParam("BY= takes a number of seconds and what is to be done after them, like 3600;R")
	}
	by := queue.DeliverBy{At: s.Acceptor.Now().Add(time.Duration(seconds) * time.Second)}
	mode, by.Trace = strings.CutSuffix(strings.ToUpper(mode), "T")
	switch mode {
	case "R":
		by.Return = true
	case "N":
	default:
		return badParam("After the seconds BY= takes R (return the message) or N (notify the sender), and perhaps T")
	}
	if by.Return && seconds < int(leastDeliverBy.Seconds()) {
		return badParam("A message that is to be returned needs at least BY=" + leastTime(s))
	}
	p.DeliverBy = by
	return smtpwire.Reply{}
}

// inOrder says that a message can be sent before its time is over.
func inOrder(p *inbound.MailParams) smtpwire.Reply {
	if by := p.DeliverBy; !by.At.IsZero() && !by.At.After(p.NotBefore) && !p.NotBefore.IsZero() {
		return badParam("The message would be held until its time in BY= is over")
	}
	return smtpwire.Reply{}
}
