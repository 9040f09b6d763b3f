package store

import (
	"strings"

	"posthorn/internal/fault"
)

// Rights is a set of what somebody may do with a mailbox (RFC 4314 §2.1).
type Rights uint16

// The rights, each with its letter.
const (
	RightLookup     Rights = 1 << iota // l: it is in lists
	RightRead                          // r: open it, and read it
	RightSeen                          // s: set and clear \Seen
	RightWrite                         // w: set and clear flags other than \Seen and \Deleted
	RightInsert                        // i: put messages into it
	RightPost                          // p: send mail to it
	RightCreate                        // k: make mailboxes below it
	RightDelete                        // x: delete or rename it
	RightDeleteMail                    // t: set and clear \Deleted
	RightExpunge                       // e: expunge
	RightAdmin                         // a: say who else may do what
)

// AllRights is what the owner of a mailbox has.
const AllRights = RightAdmin<<1 - 1

// rightLetters are the rights' letters, in the order of their bits.
const rightLetters = "lrswipkxtea"

// The rights of RFC 2086 that others have taken the place of (RFC 4314 §2.1.1).
const (
	oldCreate = RightCreate | RightDelete
	oldDelete = RightExpunge | RightDeleteMail
)

// Has reports whether all of these rights are in the set.
func (r Rights) Has(all Rights) bool { return r&all == all }

// Any reports whether one of these rights is in the set.
func (r Rights) Any(of Rights) bool { return r&of != 0 }

// Flags are the flags that may be set and cleared with these rights.
func (r Rights) Flags() Flags {
	var f Flags
	if r.Has(RightSeen) {
		f |= Seen
	}
	if r.Has(RightDeleteMail) {
		f |= Deleted
	}
	if r.Has(RightWrite) {
		f |= AllFlags &^ (Seen | Deleted)
	}
	return f
}

// MayFlag reports whether a flag of this name may be set and cleared.
func (r Rights) MayFlag(name string) bool {
	bit, ok := systemFlag(name)
	if !ok {
		return r.Has(RightWrite)
	}
	return r.Flags()&bit != 0
}

// String writes the rights' letters. Behind them stand those of RFC 2086, for clients
// that know no others.
func (r Rights) String() string {
	b := make([]byte, 0, len(rightLetters)+2)
	for i := range rightLetters {
		if r&(1<<i) != 0 {
			b = append(b, rightLetters[i])
		}
	}
	if r.Any(oldCreate) {
		b = append(b, 'c')
	}
	if r.Any(oldDelete) {
		b = append(b, 'd')
	}
	return string(b)
}

// ParseRights reads letters; c and d are what they were in RFC 2086. Errors: Invalid.
func ParseRights(letters string) (Rights, error) {
	var r Rights
	for _, c := range letters {
		i := strings.IndexRune(rightLetters, c)
		switch {
		case i >= 0:
			r |= 1 << i
		case c == 'c':
			r |= oldCreate
		case c == 'd':
			r |= oldDelete
		default:
			return 0, fault.New(fault.Invalid, "store: %q is no right; there are %s", c, rightLetters)
		}
	}
	return r, nil
}
