package store

import (
	"math"
	"strings"
	"time"
)

// The numbers of the mail model. Each has a type of its own, so that none is taken
// for another.
type (
	// AccountID names an account for its life; given by the directory, never reused.
	AccountID uint64
	// MailboxID names a mailbox within its account, also across renames; never reused.
	MailboxID uint32
	// UID names a message within its mailbox (RFC 9051 §2.3.1.1).
	UID uint32
	// ModSeq numbers the changes of an account (RFC 7162 §3.1).
	ModSeq uint64
	// EmailID names a message's content within its account; copies share it (RFC 8474 §5.1).
	EmailID uint64
)

// Flags are a message's flags: the system flags below, and from bit 8 on the
// keywords of its mailbox, by their position in Snapshot.Keywords.
type Flags uint64

// The system flags of RFC 9051 §2.3.2. \Recent is a matter of sessions, not of messages.
const (
	Seen Flags = 1 << iota
	Answered
	Flagged
	Deleted
	Draft
)

// AllFlags is every flag that there can be.
const AllFlags = ^Flags(0)

const (
	firstKeyword   = 8
	systemFlagBits = 1<<firstKeyword - 1
	// MaxKeywords is how many different keywords a mailbox can have.
	MaxKeywords = 64 - firstKeyword
)

var systemFlags = [...]string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`}

// systemFlag is the bit of a system flag's name, in any case.
func systemFlag(name string) (Flags, bool) {
	for i, s := range systemFlags {
		if strings.EqualFold(s, name) {
			return 1 << i, true
		}
	}
	return 0, false
}

// Names appends the names of the flags that are set; keywords is the table of the mailbox.
func (f Flags) Names(dst []string, keywords []string) []string {
	for i, s := range systemFlags {
		if f&(1<<i) != 0 {
			dst = append(dst, s)
		}
	}
	for i, k := range keywords {
		if f&(1<<(firstKeyword+i)) != 0 {
			dst = append(dst, k)
		}
	}
	return dst
}

// Entry is what a Snapshot knows of one message.
type Entry struct {
	UID          UID
	Size         uint32 // bytes; RFC822.SIZE
	InternalDate int64  // Unix seconds
	Flags        Flags
	ModSeq       ModSeq // of the last change to this message
	Content      EmailID
	Saved        uint32 // when it came into this mailbox, Unix seconds; see inMailbox
	Zone         int16  // of InternalDate, in minutes east of UTC; UnknownZone: only its record tells
}

// inMailbox reports whether the message came before copies shared their record: then
// its record is its own and lies in the mailbox, and that alone tells when it was saved
// and, where Content is 0, which content it has.
func (e Entry) inMailbox() bool { return e.Saved == 0 }

// UnknownZone is the Entry.Zone of messages that came before entries had zones.
const UnknownZone = math.MinInt16

// identify fills in what an entry has of the message's record.
func (e *Entry) identify(id EmailID, internal time.Time) {
	e.InternalDate = internal.Unix()
	_, seconds := internal.Zone()
	e.Zone = int16(seconds / 60)
	e.Content = id
}

// savedAt is Entry.Saved for a moment.
func savedAt(unix int64) uint32 { return uint32(min(max(unix, 1), math.MaxUint32)) }

// Mailbox describes a mailbox.
type Mailbox struct {
	ID          MailboxID
	Name        string // UTF-8, hierarchy separated by "/"
	UIDValidity uint32
	SpecialUse  string // attributes of RFC 6154 such as `\Sent`, with spaces between them
	Status
}

// Status is the numbers of a mailbox.
type Status struct {
	Messages, Unseen, Deleted, Recent uint32
	Size                              int64 // sum of the messages' sizes
	UIDNext                           UID
	HighestModSeq                     ModSeq
}

// Inbox is the name of the mailbox that mail is delivered to; in any case.
const Inbox = "INBOX"

// InboxID is the number of every account's INBOX.
const InboxID MailboxID = 1

// Separator separates the levels of mailbox names.
const Separator = "/"

// defaultMailboxes are made with an account, after INBOX (RFC 6154).
var defaultMailboxes = []struct{ name, use string }{
	{"Drafts", `\Drafts`}, {"Sent", `\Sent`}, {"Junk", `\Junk`}, {"Trash", `\Trash`}, {"Archive", `\Archive`},
}
