package inbound

import (
	"fmt"

	"posthorn/internal/addr"
	"posthorn/internal/smtpwire"
)

// Role is the door a message comes in by.
type Role uint8

// The doors.
const (
	MX         Role = iota // other servers bring mail for our domains
	Submission             // our users' programs hand in mail, after proving who they are
	LMTP                   // a mail server in front of us hands over mail for our mailboxes
)

// String is the protocol that is spoken at the door.
func (r Role) String() string {
	return [...]string{MX: "smtp", Submission: "submission", LMTP: "lmtp"}[r]
}

// Policy is what the operator has decided.
type Policy struct {
	MaxSize       int64 // bytes a message may have; 0: no limit
	MaxRecipients int   // of one transaction; 0: no limit
	MaxReceived   int   // hops a message may have made before it is taken for a loop
}

// DefaultPolicy is the policy when nobody has decided anything.
func DefaultPolicy() Policy {
	return Policy{
		MaxSize:       50 << 20,
		MaxRecipients: 1000, // RFC 5321 §4.5.3.1.8: at least 100
		MaxReceived:   100,  // RFC 5321 §6.3: at least 100
	}
}

// Findings are the facts about one message, or what is known of it so far, as the
// checks at connect, HELO, MAIL, RCPT and DATA have gathered them. A fact that is
// not known yet has its zero value, which breaks no rule.
type Findings struct {
	Role          Role
	TLS           bool
	PlaintextAuth bool // clients may authenticate without TLS
	Authenticated bool
	Relay         bool // there is a queue for mail to other domains

	Sender       addr.Address // zero: the null reverse-path
	SenderOwned  bool         // it belongs to the account that is authenticated
	DeclaredSize int64        // of SIZE=; 0: not declared

	Recipients int // that were accepted before this one
	Recipient  Recipient

	Size           int64 // bytes received
	BareCR, BareLF bool  // the message has a CR or LF that is not part of a CRLF
	Received       int   // number of Received header fields it came with
}

// Recipient is what is known of one recipient.
type Recipient struct {
	Address addr.Address
	Standing
	OverQuota bool // an account behind it has no room for the message
}

// Standing says whether a recipient is ours.
type Standing uint8

// The standings.
const (
	NoRecipient Standing = iota // there is none to speak of
	Local                       // one of our mailboxes, or several of them
	Unknown                     // in one of our domains, but there is no such mailbox
	Disabled                    // there is one, but it takes no mail
	Foreign                     // in a domain that is not ours
)

// Rule is the name of a rule, as it stands in logs. Names are never changed.
type Rule string

// The rules, in the order in which they are looked at.
const (
	RuleTLSRequired         Rule = "tls-required"
	RuleAuthRequired        Rule = "auth-required"
	RuleMessageTooLarge     Rule = "message-too-large"
	RuleSenderNotOwned      Rule = "sender-not-owned"
	RuleTooManyRecipients   Rule = "too-many-recipients"
	RuleRelayDenied         Rule = "relay-denied"
	RuleOutboundUnavailable Rule = "outbound-unavailable"
	RuleUnknownRecipient    Rule = "unknown-recipient"
	RuleDisabledRecipient   Rule = "disabled-recipient"
	RuleRecipientOverQuota  Rule = "recipient-over-quota"
	RuleBareNewline         Rule = "bare-newline"
	RuleMailLoop            Rule = "mail-loop"
)

// Refusal is the decision not to take a message, or not for this recipient.
type Refusal struct {
	Rule  Rule
	Reply smtpwire.Reply
}

func (r *Refusal) Error() string { return string(r.Rule) + ": " + r.Reply.String() }

// Decide weighs the findings. It returns nil when nothing speaks against the
// message, else the first rule that it breaks and the reply that follows. It is
// pure: the same policy and findings always lead to the same decision.
func Decide(p Policy, f Findings) *Refusal {
	for _, r := range rules {
		if r.broken(p, f) {
			text := r.text
			if r.explain != nil {
				text = r.explain(p, f)
			}
			return &Refusal{r.name, smtpwire.NewReply(r.code, r.enhanced, text)}
		}
	}
	return nil
}

// rule is one reason to refuse. Its text tells the person at the other end what
// to do about it.
type rule struct {
	name     Rule
	broken   func(Policy, Findings) bool
	code     int
	enhanced smtpwire.EnhancedCode
	text     string
	explain  func(Policy, Findings) string // instead of text
}

var rules = []rule{
	{
		name: RuleTLSRequired, code: 530, enhanced: smtpwire.EnhancedCode{5, 7, 0},
		broken: func(_ Policy, f Findings) bool {
			return f.Role == Submission && !f.Authenticated && !f.TLS && !f.PlaintextAuth
		},
		text: "Encrypt the connection first (STARTTLS), then authenticate",
	},
	{
		name: RuleAuthRequired, code: 530, enhanced: smtpwire.EnhancedCode{5, 7, 0},
		broken: func(_ Policy, f Findings) bool { return f.Role == Submission && !f.Authenticated },
		text:   "Authenticate first (AUTH), with your address and password",
	},
	{
		// RFC 1870 §6: by the declared size at MAIL, by the real one at the end of DATA.
		name: RuleMessageTooLarge, code: 552, enhanced: smtpwire.EnhancedCode{5, 3, 4},
		broken: func(p Policy, f Findings) bool { return p.MaxSize > 0 && max(f.DeclaredSize, f.Size) > p.MaxSize },
		explain: func(p Policy, _ Findings) string {
			return fmt.Sprintf("The message is too large: at most %d bytes are taken here", p.MaxSize)
		},
	},
	{
		name: RuleSenderNotOwned, code: 553, enhanced: smtpwire.EnhancedCode{5, 7, 1},
		broken: func(_ Policy, f Findings) bool {
			return f.Role == Submission && !f.SenderOwned && !f.Sender.IsZero()
		},
		explain: func(_ Policy, f Findings) string {
			return fmt.Sprintf("<%s> is not an address of your account; send from one that is", f.Sender)
		},
	},
	{
		// RFC 5321 §4.5.3.1.10: those already accepted stay, the rest comes in another transaction.
		name: RuleTooManyRecipients, code: 452, enhanced: smtpwire.EnhancedCode{4, 5, 3},
		broken: func(p Policy, f Findings) bool {
			return p.MaxRecipients > 0 && f.Recipient.Standing != NoRecipient && f.Recipients >= p.MaxRecipients
		},
		text: "Too many recipients; send the message to the others once more",
	},
	{
		name: RuleRelayDenied, code: 550, enhanced: smtpwire.EnhancedCode{5, 7, 1},
		broken: func(_ Policy, f Findings) bool { return f.Recipient.Standing == Foreign && f.Role != Submission },
		explain: func(_ Policy, f Findings) string {
			return fmt.Sprintf("<%s>: relaying denied; this server takes mail for its own domains only", f.Recipient.Address)
		},
	},
	{
		name: RuleOutboundUnavailable, code: 451, enhanced: smtpwire.EnhancedCode{4, 3, 2},
		broken: func(_ Policy, f Findings) bool { return f.Recipient.Standing == Foreign && !f.Relay },
		explain: func(_ Policy, f Findings) string {
			return fmt.Sprintf("<%s>: this server does not deliver to other domains", f.Recipient.Address)
		},
	},
	{
		name: RuleUnknownRecipient, code: 550, enhanced: smtpwire.EnhancedCode{5, 1, 1},
		broken: func(_ Policy, f Findings) bool { return f.Recipient.Standing == Unknown },
		explain: func(_ Policy, f Findings) string {
			return fmt.Sprintf("<%s>: there is no such mailbox here; check the address", f.Recipient.Address)
		},
	},
	{
		name: RuleDisabledRecipient, code: 550, enhanced: smtpwire.EnhancedCode{5, 2, 1},
		broken: func(_ Policy, f Findings) bool { return f.Recipient.Standing == Disabled },
		explain: func(_ Policy, f Findings) string {
			return fmt.Sprintf("<%s>: this mailbox takes no mail at present", f.Recipient.Address)
		},
	},
	{
		name: RuleRecipientOverQuota, code: 452, enhanced: smtpwire.EnhancedCode{4, 2, 2},
		broken: func(_ Policy, f Findings) bool { return f.Recipient.OverQuota },
		explain: func(_ Policy, f Findings) string {
			return fmt.Sprintf("<%s>: the mailbox is full; try again later", f.Recipient.Address)
		},
	},
	{
		// RFC 5321 §2.3.8: CR and LF occur only together. One that is alone may be a line
		// end to the next server and so hide a second message. On submission a lone LF
		// has been repaired by the time it could do harm.
		name: RuleBareNewline, code: 550, enhanced: smtpwire.EnhancedCode{5, 6, 0},
		broken: func(_ Policy, f Findings) bool { return f.BareCR || f.BareLF && f.Role != Submission },
		text:   "The message has a CR or LF on its own; lines must end with CR LF",
	},
	{
		name: RuleMailLoop, code: 554, enhanced: smtpwire.EnhancedCode{5, 4, 6},
		broken: func(p Policy, f Findings) bool { return p.MaxReceived > 0 && f.Received >= p.MaxReceived },
		explain: func(_ Policy, f Findings) string {
			return fmt.Sprintf("The message has passed through %d servers and goes in circles", f.Received)
		},
	},
}
