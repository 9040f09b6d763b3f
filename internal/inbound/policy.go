package inbound

import (
	"net/netip"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/filter/abuse"
	"posthorn/internal/filter/lists"
	"posthorn/internal/filter/rates"
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
	MaxOwn        int   // times it may have been here before

	Rates     Rates                 // how much of what may happen
	Users     map[string]*Allowance // of single users, by address, or of all of a domain
	Exempt    []netip.Prefix        // networks that limits on what peers do never apply to
	Suspicion abuse.Limits          // on what users submit, beyond which it is held
	RelayFrom []netip.Prefix        // networks whose clients may send to other domains (role MX)

	GreetDelay time.Duration // how long an MX client is watched before it is greeted; 0: not at all
	Tarpit     time.Duration // longest pause before a reply to a client that makes errors; 0: none
}

// DefaultPolicy is the policy when nobody has decided anything.
func DefaultPolicy() Policy {
	return Policy{
		MaxSize:       50 << 20,
		MaxRecipients: 1000, // RFC 5321 §4.5.3.1.8: at least 100
		MaxReceived:   100,  // RFC 5321 §6.3: at least 100
		MaxOwn:        10,   // submitted, forwarded, back from a list or two: three or four
	}
}

// Allowance is what a user may do, instead of what the Policy says of everybody.
type Allowance struct {
	MaxSize              int64
	MaxRecipients        int
	Messages, Recipients rates.Limit
	Suspicion            abuse.Limits
}

// allowance finds that of a user, whose address is canonical; nil: he is like everybody.
func (p *Policy) allowance(user string) *Allowance {
	if a := p.Users[user]; a != nil {
		return a
	}
	return p.Users[user[strings.LastIndexByte(user, '@')+1:]]
}

// maxSize is how large a message may be; 0: any size.
func (p *Policy) maxSize(f *Findings) int64 {
	if f.Allowance != nil {
		return f.Allowance.MaxSize
	}
	return p.MaxSize
}

// maxRecipients is how many recipients a message may have; 0: any number.
func (p *Policy) maxRecipients(f *Findings) int {
	if f.Allowance != nil {
		return f.Allowance.MaxRecipients
	}
	return p.MaxRecipients
}

// limit is how much of something may happen.
func (p *Policy) limit(f *Findings, what Rate) rates.Limit {
	if f.Allowance != nil {
		switch what {
		case UserMessages:
			return f.Allowance.Messages
		case UserRecipients:
			return f.Allowance.Recipients
		}
	}
	return p.Rates[what]
}

// suspicion is what a user may submit before it is held.
func (p *Policy) suspicion(f *Findings) *abuse.Limits {
	if f.Allowance != nil {
		return &f.Allowance.Suspicion
	}
	return &p.Suspicion
}

// Findings are the facts about one message, or what is known of it so far, as the
// checks at connect, HELO, MAIL, RCPT and DATA have gathered them. A fact that is
// not known yet has its zero value, which breaks no rule.
type Findings struct {
	Stage         Stage
	Role          Role
	TLS           bool
	PlaintextAuth bool // clients may authenticate without TLS
	Authenticated bool
	Allowance     *Allowance // of the user who has authenticated; nil: that of everybody
	Relay         bool       // there is a queue for mail to other domains

	Exempt    bool // the client is in Policy.Exempt
	MayRelay  bool // it is in Policy.RelayFrom
	Inside    bool // it is one of those, or on this machine
	Early     bool // it spoke before it was greeted
	Hello     HelloKind
	HelloName string

	Allowed  bool          // the client, its name, the sender or the recipient is on the list of the allowed
	Denied   *lists.Entry  // what is looked at now is on the list of the denied
	Exceeded Rate          // so much of that has happened that no more may for now
	Wait     time.Duration // until it may again
	HeldFull bool          // so much of the user's mail is held that no more is taken

	Sender       addr.Address // zero: the null reverse-path
	SenderOwned  bool         // it belongs to the account that is authenticated
	DeclaredSize int64        // of SIZE=; 0: not declared

	Recipients int // that were accepted before this one
	Recipient  Recipient

	Size           int64 // bytes received
	BareCR, BareLF bool  // the message, or the header of a binary one, has a CR or LF that is not part of a CRLF
	Binary         bool  // the message is binary: no line of it is repaired
	Received       int   // number of Received header fields it came with
	OwnReceived    int   // of those, the ones that we have written

	Authentication *Authentication // whether it is from whom it says; nil: that was not checked
}

// Stage says what is being decided about.
type Stage uint8

// The stages.
const (
	OnMessage Stage = iota // a message, at MAIL and after
	OnConnect              // a client that has just connected
	OnHello                // a client that has told its name
)

// HelloKind says what is remarkable about the name that a client goes by.
type HelloKind uint8

// The kinds.
const (
	HelloPlain HelloKind = iota // nothing
	HelloOurs                   // it is our name, address or domain, of a client from outside
	HelloOdd                    // it is neither a full domain name nor the client's address in brackets
)

// Recipient is what is known of one recipient.
type Recipient struct {
	Address addr.Address
	Standing
	OverQuota bool // an account behind it has no room for the message
	Leaves    bool // somebody behind it is elsewhere
	Closed    bool // it is a group to which the sender may not write
	Looped    bool // it has forwarded the message before
	Ownership      // what the sender wanted to know of its owner
}

// Standing says whether a recipient is ours.
type Standing uint8

// The standings.
const (
	NoRecipient Standing = iota // there is none to speak of
	Local                       // one of our mailboxes, or several of them
	Unknown                     // in one of our domains, but there is no such mailbox
	Disabled                    // there is one, but it takes no mail
	Suspended                   // there is one, which takes no mail for the moment
	Foreign                     // in a domain that is not ours
	BounceOnly                  // a return address of what we forward, which takes nothing but bounces
	NoWayBack                   // one that we have not made, or too long ago
)

// Rule is the name of a rule, as it stands in logs. Names are never changed.
type Rule string

// Refusal is the decision not to take a message, or not for this recipient, or not
// to speak with a client at all.
type Refusal struct {
	Rule  Rule
	Reply smtpwire.Reply
	Abuse bool // honest clients rarely break the rule: it counts as an error of the client's
}

func (r *Refusal) Error() string { return string(r.Rule) + ": " + r.Reply.String() }

// Decide weighs the findings. It returns nil when nothing speaks against the
// message, else the first rule that it breaks and the reply that follows. It is
// pure: the same policy and findings always lead to the same decision.
func Decide(p *Policy, f *Findings) *Refusal {
	for i := range rules {
		r := &rules[i]
		if r.broken(p, f) {
			text := r.text
			if r.explain != nil {
				text = r.explain(p, f)
			}
			return &Refusal{r.name, smtpwire.NewReply(r.code, r.enhanced, text), r.abuse}
		}
	}
	return nil
}
