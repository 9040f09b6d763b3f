package queue

import (
	"time"

	"posthorn/internal/record"
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
	c := record.NewEncoder(128)
	c.Byte(progressVersion)
	c.Byte(byte(p.State))
	c.Bits(p.Held, p.delayTold, p.owed, p.mailbox)
	c.Uint(uint64(p.Attempts))
	c.Time(p.Next)
	c.Time(p.Last)
	c.String(p.Route)
	c.String(p.Remote)
	c.Uint(uint64(p.Reply.Code))
	for _, n := range p.Reply.Enhanced {
		c.Uint(uint64(n))
	}
	c.Uint(uint64(len(p.Reply.Lines)))
	for _, line := range p.Reply.Lines {
		c.String(line)
	}
	return c.Record()
}

func decodeProgress(b []byte) (Progress, error) {
	d := record.NewTextDecoder(b)
	if _, err := d.Version(progressVersion, "queue: a recipient's progress"); err != nil {
		return Progress{}, err
	}
	p := Progress{State: State(d.Byte())}
	if p.State >= numStates {
		d.Fail()
	}
	d.Bits(&p.Held, &p.delayTold, &p.owed, &p.mailbox)
	p.Attempts = int(d.Uint())
	p.Next = d.Time()
	p.Last = d.Time()
	p.Route = d.String()
	p.Remote = d.String()
	p.Reply.Code = int(d.Uint())
	for i := range p.Reply.Enhanced {
		p.Reply.Enhanced[i] = uint16(d.Uint())
	}
	if n := d.Count(1); n > 0 {
		p.Reply.Lines = make([]string, n)
		for i := range p.Reply.Lines {
			p.Reply.Lines[i] = d.String()
		}
	}
	return p, d.Done("queue: a recipient's progress")
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
