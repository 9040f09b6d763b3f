// Package fault is the closed set of ways in which an operation can fail.
//
// Every error that crosses a package border carries a Kind; each protocol face
// owns one exhaustive table from Kind to its own replies. An error prints as a
// chain that an operator understands ("store: append: account 7 is over quota"),
// while a peer is only ever told what the table says.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is, independent of any protocol.
type Kind uint8

// The kinds. Internal is the zero value: an error nobody classified is ours.
const (
	Internal        Kind = iota // a broken invariant or an unclassified error
	Invalid                     // the request is malformed or makes no sense
	NotFound                    // the named thing does not exist
	Exists                      // the named thing exists already
	InUse                       // somebody else holds it; trying later may help
	Denied                      // known, but not allowed
	Unauthenticated             // who you are is not proven
	OverQuota                   // the account's storage quota is used up
	TooLarge                    // the message or argument exceeds a size limit
	Limit                       // another limit (rate, count, nesting) is reached
	StorageFull                 // the disk is full
	Unavailable                 // a dependency is down; trying later helps
	Corrupt                     // stored data does not match its checksum or form
	Unsupported                 // understood, but not offered
	Canceled                    // the caller gave up or a deadline passed
	numKinds
)

var kindNames = [numKinds]string{
	Internal: "internal error", Invalid: "invalid", NotFound: "not found", Exists: "already exists",
	InUse: "in use", Denied: "denied", Unauthenticated: "not authenticated", OverQuota: "over quota",
	TooLarge: "too large", Limit: "limit reached", StorageFull: "storage full", Unavailable: "unavailable",
	Corrupt: "corrupt", Unsupported: "unsupported", Canceled: "canceled",
}

func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return fmt.Sprintf("fault.Kind(%d)", uint8(k))
}

// Kinds lists every kind, for tests that a table is exhaustive.
func Kinds() []Kind {
	all := make([]Kind, numKinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// Error is an error with a kind. Its text is meant for operators.
type Error struct {
	Kind Kind
	err  error // the text, and below it the cause if there is one
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap gives the formatted error, whose own Unwrap is the cause.
func (e *Error) Unwrap() error { return e.err }

// New makes an error of a kind. The format works as in fmt.Errorf, %w included:
// a wrapped cause stays reachable, and the kind given here wins over the cause's.
func New(kind Kind, format string, args ...any) error {
	return &Error{kind, fmt.Errorf(format, args...)}
}

// KindOf is the kind of the outermost *Error in the chain. Context errors are
// Canceled; anything else is Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Canceled
	}
	return Internal
}

// Is reports whether err is of this kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
