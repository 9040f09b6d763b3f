package dsn

// reason is why a message could not be delivered, as far as people care.
type reason uint8

const (
	reasonUnknown       reason = iota // the reply has to speak for itself
	reasonNoMailbox                   // there is no such mailbox
	reasonNoDomain                    // there is no such domain
	reasonNoMail                      // the domain takes no mail at all
	reasonDisabled                    // the mailbox takes no mail
	reasonFull                        // the mailbox is full
	reasonTooLarge                    // the message is
	reasonBusy                        // the server does not take it now
	reasonUnreachable                 // the server cannot be reached
	reasonLoop                        // the message goes in circles
	reasonRefused                     // by policy: spam, reputation, rules
	reasonUnproven                    // SPF, DKIM, DMARC
	reasonNotEncrypted                // TLS was required and not to be had
	reasonNotSecure                   // nor a server that proves who it is
	reasonContent                     // form or content
	reasonCharacters                  // addresses in other scripts are not supported there
	reasonTooManyPeople               // recipients
	reasonTooLate                     // a deadline that the sender has set
	numReasons
)

// reasons by subject and detail of the status code (RFC 3463 §3, RFC 5248, RFC 7372,
// RFC 7505, RFC 8689). Detail 0 stands for all that are not there.
var reasons = map[[2]uint16]reason{
	{1, 1}: reasonNoMailbox, {1, 3}: reasonNoMailbox, {1, 6}: reasonNoMailbox,
	{1, 2}: reasonNoDomain, {1, 10}: reasonNoMail,
	{2, 1}: reasonDisabled, {2, 2}: reasonFull, {2, 3}: reasonTooLarge,
	{3, 0}: reasonBusy, {3, 4}: reasonTooLarge,
	{4, 0}: reasonUnreachable, {4, 6}: reasonLoop, {4, 7}: reasonTooLate,
	{5, 3}: reasonTooManyPeople,
	{6, 0}: reasonContent, {6, 7}: reasonCharacters, {6, 9}: reasonCharacters,
	{7, 0}: reasonRefused, {7, 4}: reasonNotEncrypted, {7, 5}: reasonNotSecure, {7, 10}: reasonNotEncrypted, {7, 11}: reasonNotEncrypted, {7, 30}: reasonNotEncrypted,
	{7, 20}: reasonUnproven, {7, 21}: reasonUnproven, {7, 22}: reasonUnproven, {7, 23}: reasonUnproven, {7, 24}: reasonUnproven,
	{7, 25}: reasonUnproven, {7, 26}: reasonUnproven, {7, 27}: reasonUnproven,
}

// reason is why a recipient has not got the message. While there is still hope,
// a refusal is none yet.
func (to *Recipient) reason() reason {
	why := to.finalReason()
	if to.Action == Delayed && (why == reasonRefused || why == reasonUnknown) {
		return reasonBusy
	}
	return why
}

func (to *Recipient) finalReason() reason {
	code := to.Status
	if to.Reply.Enhanced[0] != 0 {
		code = to.Reply.Enhanced
	}
	if why, ok := reasons[[2]uint16{code[1], code[2]}]; ok {
		return why
	}
	if why, ok := reasons[[2]uint16{code[1], 0}]; ok {
		return why
	}
	// Servers without enhanced codes. 550 and 554 mean anything at all.
	switch to.Reply.Code {
	case 551, 553:
		return reasonNoMailbox
	case 452, 552:
		return reasonFull
	case 421, 450, 451:
		return reasonBusy
	}
	return reasonUnknown
}
