package dsn

import (
	"strings"

	"posthorn/internal/fault"
)

// Action is what became of a message for a recipient (RFC 3464 §2.3.3), the
// gravest first.
type Action uint8

// The actions.
const (
	Failed    Action = iota // it will not be delivered
	Delayed                 // it is still being tried
	Relayed                 // it was handed to a server that sends no notifications of success
	Expanded                // it was handed to all who are behind the address
	Delivered               // it is in the mailbox
	numActions
)

var actionNames = [numActions]string{"failed", "delayed", "relayed", "expanded", "delivered"}

func (a Action) String() string { return actionNames[a] }

// Notify is when a sender wants to hear of a recipient (RFC 3461 §4.1). Zero: the
// sender did not say.
type Notify uint8

// What NOTIFY may contain: Never alone, or any of the others.
const (
	Never Notify = 1 << iota
	Success
	Failure
	Delay
)

var notifyNames = []struct {
	bit  Notify
	name string
}{{Never, "NEVER"}, {Success, "SUCCESS"}, {Failure, "FAILURE"}, {Delay, "DELAY"}}

// ParseNotify reads the value of NOTIFY; a fault.Invalid if it is none.
func ParseNotify(value string) (Notify, error) {
	var n Notify
	for word := range strings.SplitSeq(value, ",") {
		bit := Notify(0)
		for _, each := range notifyNames {
			if strings.EqualFold(word, each.name) {
				bit = each.bit
			}
		}
		if bit == 0 {
			return 0, fault.New(fault.Invalid, "NOTIFY may be NEVER, or a list of SUCCESS, FAILURE and DELAY; not %q", value)
		}
		n |= bit
	}
	if n&Never != 0 && n != Never {
		return 0, fault.New(fault.Invalid, "NOTIFY=NEVER goes with nothing else")
	}
	return n, nil
}

// String is the value for NOTIFY; "" if there is none.
func (n Notify) String() string {
	var words []string
	for _, each := range notifyNames {
		if n&each.bit != 0 {
			words = append(words, each.name)
		}
	}
	return strings.Join(words, ",")
}

// Wants says whether the sender is to be told.
func (n Notify) Wants(a Action) bool {
	switch a {
	case Failed: // RFC 3461 §5.2.6
		return n == 0 || n&Failure != 0
	case Delayed: // RFC 3461 §5.2.5; without NOTIFY we may, and people like to know
		return n == 0 || n&Delay != 0
	default: // RFC 3461 §5.2.2 (b), §5.2.3: only who asked for it
		return n&Success != 0
	}
}

// Return is how much of a message the sender wants back if it fails (RFC 3461
// §4.3). Zero: the sender did not say; it is the header then.
type Return uint8

// The values of RET.
const (
	ReturnHeader  Return = iota + 1 // HDRS
	ReturnMessage                   // FULL
)

// ParseReturn reads the value of RET; a fault.Invalid if it is none.
func ParseReturn(value string) (Return, error) {
	switch {
	case strings.EqualFold(value, "HDRS"):
		return ReturnHeader, nil
	case strings.EqualFold(value, "FULL"):
		return ReturnMessage, nil
	}
	return 0, fault.New(fault.Invalid, "RET may be HDRS or FULL, not %q", value)
}

// String is the value for RET; "" if there is none.
func (r Return) String() string {
	switch r {
	case ReturnHeader:
		return "HDRS"
	case ReturnMessage:
		return "FULL"
	}
	return ""
}
