package directory

import (
	"context"
	"slices"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

// State says what an account may do. Whatever it is, nothing in its mailboxes is lost.
type State string

// The states.
const (
	StateActive      State = ""
	StateReceiveOnly State = "receive-only" // reads its mail and gets some, but sends none
	StateNoLogin     State = "no-login"     // gets mail, which nobody reads
	StateSuspended   State = "suspended"    // nobody logs in, and other servers keep its mail for now
	StateDisabled    State = "disabled"     // nobody logs in, and mail for it is refused
)

// States lists them, for people.
func States() []string {
	return []string{"active", string(StateReceiveOnly), string(StateNoLogin), string(StateSuspended), string(StateDisabled)}
}

// ParseState reads what String wrote. Kind of error: Invalid.
func ParseState(name string) (State, error) {
	if name == StateActive.String() {
		return StateActive, nil
	}
	return State(name), State(name).check()
}

func (s State) String() string {
	if s == StateActive {
		return "active"
	}
	return string(s)
}

func (s State) check() error {
	if s != StateActive && !slices.Contains(States()[1:], string(s)) {
		return fault.New(fault.Invalid, "an account cannot be %q; want %s", string(s), strings.Join(States(), ", "))
	}
	return nil
}

// state is the one in the record. Before there were others, there was Disabled.
func (rec *accountRecord) state() State {
	if rec.Disabled {
		return StateDisabled
	}
	return rec.State
}

// Refuse says why an account cannot be logged in to for a use, whatever it was proven
// with: an error of the kind Denied with a Refusal; nil if it can.
func (a *Account) Refuse(use Use) error {
	switch {
	case !a.Locked.IsZero():
		return refuse(a, "this account is closed until it has a new password; ask its administrator")
	case a.State == StateDisabled:
		return refuse(a, "this account is disabled")
	case a.State == StateSuspended || a.State == StateNoLogin:
		return refuse(a, "this account is closed for now")
	case a.State == StateReceiveOnly && use.Protocol == "smtp":
		return refuse(a, "this account may not send mail")
	}
	return nil
}

// longestReason is how much may be said of a state, in bytes.
const longestReason = 500

// SetState changes what an account may do. The reason is for the operator. Kinds of
// errors: Invalid, NotFound.
func (d *Directory) SetState(ctx context.Context, address addr.Address, to State, reason string) error {
	_, err := d.Set(ctx, address, Settings{State: &to, Reason: &reason})
	return err
}

// SetStateOfAdmin is SetState for an admin of the domain. A state that the operator has
// set is not his to change: Denied.
func (d *Directory) SetStateOfAdmin(ctx context.Context, address addr.Address, to State, reason string) error {
	_, err := d.Set(ctx, address, Settings{State: &to, Reason: &reason, ofAdmin: true})
	return err
}

// Mechanisms lists the mechanisms of SASL that can be switched off for an account.
func Mechanisms() []string {
	return []string{
		"PLAIN", "LOGIN", "CRAM-MD5", "APOP", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS",
		"OAUTHBEARER", "XOAUTH2", "EXTERNAL",
	}
}

// SetOff says with which mechanisms an account cannot be logged in to. PLAIN stands for
// the commands of the protocols that bring a password, too. Kinds of errors: Invalid, NotFound.
func (d *Directory) SetOff(ctx context.Context, address addr.Address, off []string) error {
	_, err := d.Set(ctx, address, Settings{Off: append([]string{}, off...)})
	return err
}

func checkMechanisms(names []string) error {
	for _, name := range names {
		if !slices.Contains(Mechanisms(), name) {
			return fault.New(fault.Invalid, "%q is no mechanism; there are %s", name, strings.Join(Mechanisms(), ", "))
		}
	}
	return nil
}

// Allows says why an account that was proven with a mechanism cannot be logged in to with
// it: an error of the kind Denied with a Refusal; nil if it can.
func (a *Account) Allows(mechanism string) error {
	if slices.Contains(a.Off, mechanism) {
		return refuse(a, mechanism+" is switched off for this account; use another way to log in")
	}
	return nil
}
