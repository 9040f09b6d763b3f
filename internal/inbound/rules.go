package inbound

import (
	"fmt"

	"posthorn/internal/deliver"
	"posthorn/internal/filter/lists"
	"posthorn/internal/smtpwire"
)

// The rules, in the order in which they are looked at.
const (
	RuleClientDenied         Rule = "client-denied"
	RuleEarlyTalker          Rule = "early-talker"
	RuleErrorRate            Rule = "error-rate"
	RuleConnectionRate       Rule = "connection-rate"
	RuleHelloDenied          Rule = "hello-denied"
	RuleHelloImpersonation   Rule = "hello-impersonation"
	RuleTLSRequired          Rule = "tls-required"
	RuleAuthRequired         Rule = "auth-required"
	RuleMessageTooLarge      Rule = "message-too-large"
	RuleSenderNotOwned       Rule = "sender-not-owned"
	RuleSenderDenied         Rule = "sender-denied"
	RuleMessageRate          Rule = "message-rate"
	RuleUserMessageRate      Rule = "user-message-rate"
	RuleTooMuchHeld          Rule = "too-much-held"
	RuleTooManyRecipients    Rule = "too-many-recipients"
	RuleRelayDenied          Rule = "relay-denied"
	RuleOutboundUnavailable  Rule = "outbound-unavailable"
	RuleUnknownRecipientRate Rule = "unknown-recipient-rate"
	RuleRecipientRate        Rule = "recipient-rate"
	RuleUserRecipientRate    Rule = "user-recipient-rate"
	RuleRecipientDenied      Rule = "recipient-denied"
	RuleUnknownRecipient     Rule = "unknown-recipient"
	RuleDisabledRecipient    Rule = "disabled-recipient"
	RuleSuspendedRecipient   Rule = "suspended-recipient"
	RuleBounceOnly           Rule = "bounce-only"
	RuleForgedReturn         Rule = "forged-return"
	RuleClosedGroup          Rule = "closed-group"
	RuleOwnerChanged         Rule = "owner-changed"
	RuleOwnerUnknown         Rule = "owner-unknown"
	RuleRecipientOverQuota   Rule = "recipient-over-quota"
	RuleBareNewline          Rule = "bare-newline"
	RuleMailLoop             Rule = "mail-loop"
)

// rule is one reason to refuse. Its text tells the person at the other end what
// to do about it.
type rule struct {
	name     Rule
	broken   func(*Policy, *Findings) bool
	code     int
	enhanced smtpwire.EnhancedCode
	text     string
	explain  func(*Policy, *Findings) string // instead of text
	abuse    bool                            // Refusal.Abuse
}

var rules = []rule{
	{
		name: RuleClientDenied, code: 554, enhanced: smtpwire.EnhancedCode{5, 7, 1}, abuse: true,
		broken: denied(lists.Client), explain: notWelcome,
	},
	{
		// RFC 5321 §4.3.1: a client waits for the greeting. Programs that do not wait for
		// replies do not read them either, and send spam.
		name: RuleEarlyTalker, code: 554, enhanced: smtpwire.EnhancedCode{5, 5, 1}, abuse: true,
		broken: func(_ *Policy, f *Findings) bool { return f.Early && !f.Inside && !f.Allowed },
		text:   "You spoke before you were greeted; wait for the greeting, and for each reply",
	},
	{
		name: RuleErrorRate, code: 421, enhanced: smtpwire.EnhancedCode{4, 7, 0},
		broken: exceeded(ClientErrors), explain: tooMany("errors from your address"),
	},
	{
		name: RuleConnectionRate, code: 421, enhanced: smtpwire.EnhancedCode{4, 7, 0},
		broken: exceeded(Connections), explain: tooMany("connections from your address"),
	},
	{
		name: RuleHelloDenied, code: 550, enhanced: smtpwire.EnhancedCode{5, 7, 1}, abuse: true,
		broken: denied(lists.Hello), explain: notWelcome,
	},
	{
		// RFC 5321 §4.1.4 forbids to refuse a name because it does not match the address.
		// One of ours is another matter: nobody else has it.
		name: RuleHelloImpersonation, code: 550, enhanced: smtpwire.EnhancedCode{5, 7, 1}, abuse: true,
		broken: func(_ *Policy, f *Findings) bool { return f.Hello == HelloOurs && !f.Allowed },
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("%s is this server's own name; say that of yours", printable(f.HelloName))
		},
	},
	{
		name: RuleTLSRequired, code: 530, enhanced: smtpwire.EnhancedCode{5, 7, 0},
		broken: func(_ *Policy, f *Findings) bool {
			return f.Stage == OnMessage && f.Role == Submission && !f.Authenticated && !f.TLS && !f.PlaintextAuth
		},
		text: "Encrypt the connection first (STARTTLS), then authenticate",
	},
	{
		name: RuleAuthRequired, code: 530, enhanced: smtpwire.EnhancedCode{5, 7, 0},
		broken: func(_ *Policy, f *Findings) bool {
			return f.Stage == OnMessage && f.Role == Submission && !f.Authenticated
		},
		text: "Authenticate first (AUTH), with your address and password",
	},
	{
		// RFC 1870 §6: by the declared size at MAIL, by the real one at the end of DATA.
		name: RuleMessageTooLarge, code: 552, enhanced: smtpwire.EnhancedCode{5, 3, 4},
		broken: func(p *Policy, f *Findings) bool {
			limit := p.maxSize(f)
			return limit > 0 && max(f.DeclaredSize, f.Size) > limit
		},
		explain: func(p *Policy, f *Findings) string {
			return fmt.Sprintf("The message is too large: at most %d bytes are taken here", p.maxSize(f))
		},
	},
	{
		name: RuleSenderNotOwned, code: 553, enhanced: smtpwire.EnhancedCode{5, 7, 1},
		broken: func(_ *Policy, f *Findings) bool {
			return f.Role == Submission && !f.SenderOwned && !f.Sender.IsZero()
		},
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s> is not an address of your account; send from one that is", f.Sender)
		},
	},
	{
		name: RuleSenderDenied, code: 550, enhanced: smtpwire.EnhancedCode{5, 7, 1}, abuse: true,
		broken: denied(lists.Sender), explain: notWelcome,
	},
	{
		name: RuleMessageRate, code: 450, enhanced: smtpwire.EnhancedCode{4, 7, 1},
		broken: exceeded(ClientMessages), explain: tooMany("messages from your address"),
	},
	{
		name: RuleUserMessageRate, code: 450, enhanced: smtpwire.EnhancedCode{4, 7, 1},
		broken: exceeded(UserMessages), explain: tooMany("messages of yours"),
	},
	{
		name: RuleTooMuchHeld, code: 450, enhanced: smtpwire.EnhancedCode{4, 7, 1},
		broken: func(_ *Policy, f *Findings) bool { return f.HeldFull },
		text:   "Your mail is held, since somebody may have stolen your password, and there is too much of it; ask your administrator",
	},
	{
		// RFC 5321 §4.5.3.1.10: those already accepted stay, the rest comes in another transaction.
		name: RuleTooManyRecipients, code: 452, enhanced: smtpwire.EnhancedCode{4, 5, 3},
		broken: func(p *Policy, f *Findings) bool {
			limit := p.maxRecipients(f)
			return limit > 0 && f.Recipient.Standing != NoRecipient && f.Recipients >= limit
		},
		text: "Too many recipients; send the message to the others once more",
	},
	{
		name: RuleRelayDenied, code: 550, enhanced: smtpwire.EnhancedCode{5, 7, 1},
		broken: func(_ *Policy, f *Findings) bool {
			return f.Recipient.Standing == Foreign && f.Role != Submission && !f.MayRelay
		},
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: relaying denied; this server takes mail for its own domains only", f.Recipient.Address)
		},
	},
	{
		name: RuleOutboundUnavailable, code: 451, enhanced: smtpwire.EnhancedCode{4, 3, 2},
		broken: func(_ *Policy, f *Findings) bool {
			return (f.Recipient.Standing == Foreign || f.Recipient.Leaves) && !f.Relay
		},
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: this server does not deliver to other domains", f.Recipient.Address)
		},
	},
	{
		// Whatever the recipient is: else the answer would tell what guessing is for.
		name: RuleUnknownRecipientRate, code: 421, enhanced: smtpwire.EnhancedCode{4, 7, 0},
		broken: exceeded(UnknownRecipients), explain: tooMany("recipients that do not exist, from your address"),
	},
	{
		name: RuleRecipientRate, code: 450, enhanced: smtpwire.EnhancedCode{4, 7, 1},
		broken: exceeded(ClientRecipients), explain: tooMany("recipients from your address"),
	},
	{
		name: RuleUserRecipientRate, code: 450, enhanced: smtpwire.EnhancedCode{4, 7, 1},
		broken: exceeded(UserRecipients), explain: tooMany("recipients of yours"),
	},
	{
		name: RuleRecipientDenied, code: 550, enhanced: smtpwire.EnhancedCode{5, 7, 1},
		broken: denied(lists.Recipient), explain: notWelcome,
	},
	{
		name: RuleUnknownRecipient, code: 550, enhanced: smtpwire.EnhancedCode{5, 1, 1}, abuse: true,
		broken: func(_ *Policy, f *Findings) bool { return f.Recipient.Standing == Unknown },
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: there is no such mailbox here; check the address", f.Recipient.Address)
		},
	},
	{
		name: RuleDisabledRecipient, code: 550, enhanced: smtpwire.EnhancedCode{5, 2, 1},
		broken: func(_ *Policy, f *Findings) bool { return f.Recipient.Standing == Disabled },
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: this mailbox takes no mail at present", f.Recipient.Address)
		},
	},
	{
		name: RuleSuspendedRecipient, code: 450, enhanced: smtpwire.EnhancedCode{4, 2, 1},
		broken: func(_ *Policy, f *Findings) bool { return f.Recipient.Standing == Suspended },
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: this mailbox takes no mail for the moment; try again later", f.Recipient.Address)
		},
	},
	{
		// A return address brings word of what was forwarded back, and nothing else: it
		// would be an open relay to whoever is in it.
		name: RuleBounceOnly, code: 550, enhanced: smtpwire.EnhancedCode{5, 7, 1},
		broken: func(_ *Policy, f *Findings) bool { return f.Recipient.Standing == BounceOnly },
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: bounces only; write to the sender's own address", f.Recipient.Address)
		},
	},
	{
		name: RuleForgedReturn, code: 550, enhanced: smtpwire.EnhancedCode{5, 1, 1}, abuse: true,
		broken: func(_ *Policy, f *Findings) bool { return f.Recipient.Standing == NoWayBack },
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: this return address is not ours, or has expired", f.Recipient.Address)
		},
	},
	{
		name: RuleClosedGroup, code: 550, enhanced: smtpwire.EnhancedCode{5, 7, 2},
		broken: func(_ *Policy, f *Findings) bool { return f.Recipient.Closed },
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: not everybody may write to this group; if you may, log in first", f.Recipient.Address)
		},
	},
	{
		name: RuleOwnerChanged, code: 550, enhanced: smtpwire.EnhancedCode{5, 7, 17},
		broken: func(_ *Policy, f *Findings) bool { return f.Recipient.Ownership == OwnershipChanged },
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: the mailbox is younger than your message asks for; somebody else may have it now", f.Recipient.Address)
		},
	},
	{
		name: RuleOwnerUnknown, code: 550, enhanced: smtpwire.EnhancedCode{5, 7, 19},
		broken: func(_ *Policy, f *Findings) bool { return f.Recipient.Ownership == OwnershipUnknown },
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: the mail goes on to another server, and since when its mailbox has its owner cannot be told", f.Recipient.Address)
		},
	},
	{
		name: RuleRecipientOverQuota, code: 452, enhanced: smtpwire.EnhancedCode{4, 2, 2},
		broken: func(_ *Policy, f *Findings) bool { return f.Recipient.OverQuota },
		explain: func(_ *Policy, f *Findings) string {
			return fmt.Sprintf("<%s>: the mailbox is full; try again later", f.Recipient.Address)
		},
	},
	{
		// RFC 5321 §2.3.8: CR and LF occur only together. One that is alone may be a line
		// end to the next server and so hide a second message. On submission a lone LF
		// has been repaired by the time it could do harm.
		name: RuleBareNewline, code: 550, enhanced: smtpwire.EnhancedCode{5, 6, 0},
		broken: func(_ *Policy, f *Findings) bool { return f.BareCR || f.BareLF && (f.Role != Submission || f.Binary) },
		text:   "The message has a CR or LF on its own; lines must end with CR LF",
	},
	{
		name: RuleMailLoop, code: 554, enhanced: smtpwire.EnhancedCode{5, 4, 6},
		broken: func(p *Policy, f *Findings) bool {
			return p.MaxReceived > 0 && f.Received >= p.MaxReceived || p.MaxOwn > 0 && f.OwnReceived > p.MaxOwn || f.Recipient.Looped
		},
		explain: func(p *Policy, f *Findings) string {
			switch {
			case f.Recipient.Looped:
				return deliver.ReplyLooped(f.Recipient.Address).Lines[0]
			case f.Received < p.MaxReceived:
				return fmt.Sprintf("The message has been here %d times before and goes in circles", f.OwnReceived)
			}
			return fmt.Sprintf("The message has passed through %d servers and goes in circles", f.Received)
		},
	},
}
