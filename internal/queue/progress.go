package queue

import (
	"time"

	"posthorn/internal/smtpwire"
)

// State is how far a recipient has got.
type State uint8

// The states. All but Pending are final.
const (
	Pending   State = iota // still to be delivered
	Delivered              // the next server has taken it over, or it is in the mailbox
	Failed                 // refused for good
	Expired                // tried in vain for too long
	Deleted                // taken out by the operator
	numStates
)

var stateNames = [numStates]string{"pending", "delivered", "failed", "expired", "deleted"}

func (s State) String() string { return stateNames[s] }

// Progress is what has happened to a recipient so far.
type Progress struct {
	State    State
	Held     bool           // Pending, but not to be tried
	Attempts int            // that were made
	Next     time.Time      // of a Pending: when the next one is due
	Last     time.Time      // when the last attempt ended; zero: there was none
	Reply    smtpwire.Reply // what was said then, in the exact words
	Remote   string         // by whom: host and address; "": by us
	Route    string         // the destination the operator has chosen; "": the domain

	delayTold bool // the sender knows of the delay
	owed      bool // the state is final, and the sender has yet to be told
	mailbox   bool // of a Delivered: it went into a mailbox, not just to the next server
}

const progressVersion = 1

func (p *Progress) encode() []byte {
	c := encoder{b: make([]byte, 0, 128)}
	c.byte(progressVersion)
	c.byte(byte(p.State))
	c.bits(p.Held, p.delayTold, p.owed, p.mailbox)
	c.uint(uint64(p.Attempts))
	c.time(p.Next)
	c.time(p.Last)
	c.string(p.Route)
	c.string(p.Remote)
	c.uint(uint64(p.Reply.Code))
	for _, n := range p.Reply.Enhanced {
		c.uint(uint64(n))
	}
	c.uint(uint64(len(p.Reply.Lines)))
	for _, line := range p.Reply.Lines {
		c.string(line)
	}
	return c.b
}

func decodeProgress(b []byte) (Progress, error) {
	d := decoder{s: string(b)}
	if _, err := d.version(progressVersion, "a recipient's progress"); err != nil {
		return Progress{}, err
	}
	p := Progress{State: State(d.byte())}
	if p.State >= numStates {
		d.fail()
	}
	d.bits(&p.Held, &p.delayTold, &p.owed, &p.mailbox)
	p.Attempts = int(d.uint())
	p.Next = d.time()
	p.Last = d.time()
	p.Route = d.string()
	p.Remote = d.string()
	p.Reply.Code = int(d.uint())
	for i := range p.Reply.Enhanced {
		p.Reply.Enhanced[i] = uint16(d.uint())
	}
	if n := d.count(1); n > 0 {
		p.Reply.Lines = make([]string, n)
		for i := range p.Reply.Lines {
			p.Reply.Lines[i] = d.string()
		}
	}
	return p, d.done("a recipient's progress")
}

const (
	maxReplyLines = 20
	maxReplyLine  = 512 // bytes; RFC 5321 §4.5.3.1.5
)

// bounded is a reply of which not more is kept than people read.
func bounded(r smtpwire.Reply) smtpwire.Reply {
	lines := r.Lines[:min(len(r.Lines), maxReplyLines)]
	r.Lines = make([]string, len(lines))
	for i, line := range lines {
		r.Lines[i] = line[:min(len(line), maxReplyLine)]
	}
	return r
}
