// Package abuse owns the suspicion that an account is stolen: what it counts of what
// accounts submit, when that is too much, and which accounts' mail is held for it.
//
// It refuses nothing, and touches no queue: whoever accepts a message asks Count, and
// queues it on hold if the account is held; whoever runs the server tells people (Run).
//
// Flow: Count adds to the account's last hour (count.go), asks how much of that came from a
// country that is new to it (country.go), and has Decide, which is pure, say whether that
// is what a thief does -> the Hold is written (keep.go) -> Run tells of it -> Release ends
// it. Secure is a Hold that an operator wants.
//
// Invariants: what is held, and why, is in the engine before the message is acknowledged,
// survives restarts and holds on all nodes; who is told of it is told until that has worked;
// of one account a gibibyte is held (Full).
// What is counted is in memory, on each node for itself, and bounded; only which countries an
// account has been in is kept. A nil Watch holds nothing.
//
// The limits that hold for everybody (config) were chosen thus:
// people write to some dozens of others an hour, and a club of 500 sends its letter twice: once now, once mended;
// whoever has bought a password sends thousands an hour, a third of them to nobody: he meets the burst within a minute or two, or 100 refusals within ten;
// a club whose list is three years old has less than a third dead, and no traveller writes to 100 from a country where he never was.
package abuse

import (
	"fmt"
	"time"
)

// Limits are what an account may do before it is held. One that is zero is none.
type Limits struct {
	Hour    int // recipients within an hour
	Burst   int // recipients within BurstTime
	Refused int // recipients within an hour that do not exist, or are refused by their servers: so many,
	Percent int // if they are at least so many in a hundred
	Abroad  int // recipients within an hour from countries that are new to the account
}

// BurstTime is how long a burst is.
const BurstTime = 5 * time.Minute

// Facts are what an account has done of late.
type Facts struct { // recipients, as in Limits
	Hour    int `json:"hour"`
	Burst   int `json:"burst,omitempty"`
	Refused int `json:"refused,omitempty"`
	Abroad  int `json:"abroad,omitempty"`
}

// Rule is why an account is held, as it stands in logs. Names are never changed.
type Rule string

// The rules.
const (
	Country    Rule = "account-abroad"
	Burst      Rule = "account-burst"
	Refusals   Rule = "account-refusals"
	Recipients Rule = "account-recipients"
	Secured    Rule = "account-secured" // an operator has said so
)

// Decide says which rule an account breaks; "": none.
func Decide(l *Limits, f *Facts) Rule {
	switch {
	case l.Abroad > 0 && f.Abroad > l.Abroad:
		return Country
	case l.Burst > 0 && f.Burst > l.Burst:
		return Burst
	case l.Refused > 0 && f.Refused >= l.Refused && f.Refused*100 >= l.Percent*f.Hour:
		return Refusals
	case l.Hour > 0 && f.Hour > l.Hour:
		return Recipients
	}
	return ""
}

// Figures are to how many recipients an account has sent mail within how many minutes, and
// what is wrong with them: so many were refused, or they are from a country that is new to it.
func (h *Hold) Figures() (recipients, minutes, refused int, abroad bool) {
	f, hour := &h.Facts, int(window/time.Minute)
	switch h.Rule {
	case Burst:
		return f.Burst, int(BurstTime / time.Minute), 0, false
	case Refusals:
		return max(f.Hour, f.Refused), hour, f.Refused, false
	case Country:
		return f.Abroad, hour, 0, true
	case Recipients, Secured:
	}
	return f.Hour, hour, 0, false
}

// Why says what the account has done that it should not, for the log.
func (h *Hold) Why() string {
	if h.Rule == Secured {
		return "it was secured, and has no new password yet"
	}
	recipients, minutes, refused, abroad := h.Figures()
	text := fmt.Sprintf("mail to %d recipients within %d minutes", recipients, minutes)
	if refused > 0 {
		text += fmt.Sprintf(", of whom %d do not exist or were refused", refused)
	}
	if abroad {
		text += ", from a country that is new to the account"
	}
	return text
}
