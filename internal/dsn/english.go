package dsn

import (
	"fmt"
	"time"
)

var english = words{
	sender:   "Mail delivery",
	server:   "Mail server",
	colon:    ": ",
	greeting: "This is the mail server %s.",
	subjects: [numActions]string{
		Failed:    "Not delivered",
		Delayed:   "Delayed, still trying",
		Relayed:   "Passed on",
		Expanded:  "Passed on to several",
		Delivered: "Delivered",
	},
	headings: [numActions]string{
		Failed:    "Your message could not be delivered to:",
		Delayed:   "Your message has not reached these recipients yet:",
		Relayed:   "Your message was passed on to the server of these recipients, which sends\r\nno confirmations of its own:",
		Expanded:  "Your message was passed on to everybody behind these addresses; whether it\r\nreaches each of them is not confirmed:",
		Delivered: "Your message was delivered to:",
	},
	closing: [numActions]string{
		Failed:  "It will not be tried again.",
		Delayed: "You need not do anything, nor send it again. It is being tried until\r\n%s; if that is in vain, you will be told.",
	},
	reasons: [numReasons]struct{ what, advice string }{
		reasonNoMailbox:     {"There is no such mailbox.", "Check the spelling of the address."},
		reasonNoDomain:      {"There is no such domain.", "Check what follows the @ in the address."},
		reasonNoMail:        {"This domain takes no mail at all.", "Check what follows the @."},
		reasonDisabled:      {"The mailbox takes no mail.", "Reach the recipient in another way."},
		reasonFull:          {"The mailbox is full.", "Try again later, or tell the recipient."},
		reasonTooLarge:      {"The message is too large.", "Send less, or a link to what is large."},
		reasonBusy:          {"Their server does not take the message now.", "Try again later."},
		reasonUnreachable:   {"Their server cannot be reached.", "Check the address, or try again later."},
		reasonLoop:          {"The message went in circles between servers.", "Tell the recipient."},
		reasonRefused:       {"Their server refuses the message.", "Its answer may tell why."},
		reasonUnproven:      {"They cannot verify that it comes from your domain.", "Tell your\r\n    administrator: this is about SPF, DKIM or DMARC."},
		reasonNotEncrypted:  {"There is no encrypted way to their server.", "The message requires one."},
		reasonNotSecure:     {"Their server does not prove who it is, as its domain wants it to.", "Tell the\r\n    recipient in another way; his administrator has to mend it."},
		reasonContent:       {"Their server does not take what the message contains.", ""},
		reasonCharacters:    {"Their server does not know addresses in such letters.", "Use another one."},
		reasonTooManyPeople: {"Too many recipients at once.", "Send it to fewer at a time."},
		reasonTooLate:       {"It could not be delivered by the time that was set for it.", ""},
	},
	inVain:         "It was tried for %s, in vain.",
	theySaid:       "%s said:\r\n      %s",
	weSaid:         "The reason:\r\n      %s",
	about:          "The message:",
	subject:        "Subject: %s",
	sent:           "Date: %s",
	reference:      "Our reference: %s",
	wholeAttached:  "It is attached.",
	headerAttached: "Its header is attached.",
	moment:         "2 January 2006, 15:04 -0700",
	duration:       englishDuration,
}

func englishDuration(d time.Duration) string {
	n, unit := inUnits(d)
	name := [...]string{"minute", "hour", "day"}[unit]
	if n != 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}

// inUnits rounds to minutes (0), hours (1) or days (2).
func inUnits(d time.Duration) (n int64, unit int) {
	switch {
	case d >= 36*time.Hour:
		return int64(d.Round(24*time.Hour) / (24 * time.Hour)), 2
	case d >= 90*time.Minute:
		return int64(d.Round(time.Hour) / time.Hour), 1
	}
	return int64(max(d.Round(time.Minute), time.Minute) / time.Minute), 0
}
