package inbound

import (
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/filter/abuse"
	"posthorn/internal/filter/lists"
	"posthorn/internal/filter/rates"
)

// Rate names something that may happen only so often.
type Rate uint8

// The rates. Those of a client are counted by its address, an IPv6 one by its /64.
const (
	NoRate            Rate = iota
	Connections            // of a client
	ClientErrors           // of a client: wrong commands, and what Refusal.Abuse says
	ClientMessages         // of a client that is another server
	ClientRecipients       // of a client that is another server
	UnknownRecipients      // that a client which is another server has asked for
	UserMessages           // that a user submits
	UserRecipients         // that a user submits to
	numRates
)

// Rates are the limits on them; those of the zero Rates are none.
type Rates [numRates]rates.Limit

// countsClient says whether anything is counted by the client's address.
func (s *Session) countsClient() bool {
	return !s.facts.Exempt && s.peer.Role != LMTP && s.peer.Remote.IsValid()
}

// client counts something of the client's.
func (s *Session) client(f *Findings, what Rate, do func(*rates.Table, time.Time, rates.Key, rates.Limit) time.Duration) {
	o := &s.acceptor.o
	limit := o.Policy.Rates[what]
	if f.Exceeded != NoRate || limit.Count == 0 || o.Rates == nil || !s.countsClient() {
		return
	}
	if wait := do(o.Rates, o.Clock(), o.Rates.Client(uint8(what), s.peer.Remote), limit); wait > 0 {
		f.Exceeded, f.Wait = what, wait
	}
}

// userDoes counts something of the user's.
func (s *Session) userDoes(f *Findings, what Rate) {
	o := &s.acceptor.o
	limit := o.Policy.limit(f, what)
	if f.Exceeded != NoRate || limit.Count == 0 || o.Rates == nil || s.user == "" || s.facts.Exempt {
		return
	}
	if wait := o.Rates.Take(o.Clock(), o.Rates.User(uint8(what), s.user), limit); wait > 0 {
		f.Exceeded, f.Wait = what, wait
	}
}

// gatherClient finds out about a client that connects.
func (s *Session) gatherClient(f *Findings) {
	s.client(f, ClientErrors, (*rates.Table).Wait)
	s.client(f, Connections, (*rates.Table).Take)
}

// gatherSender finds out about the sender of a message.
func (s *Session) gatherSender(f *Findings, from addr.Address) {
	s.list(f, func(l *lists.List) *lists.Entry { return l.Sender(from) })
	if s.peer.Role == MX {
		s.client(f, ClientMessages, (*rates.Table).Take)
	}
	s.userDoes(f, UserMessages)
	f.HeldFull = s.user != "" && s.acceptor.o.Abuse.Full(uint64(s.account))
}

// gatherRecipient finds out about a recipient.
func (s *Session) gatherRecipient(f *Findings, to addr.Address) {
	s.list(f, func(l *lists.List) *lists.Entry { return l.Recipient(to) })
	if s.peer.Role == MX {
		s.client(f, UnknownRecipients, (*rates.Table).Wait)
		s.client(f, ClientRecipients, (*rates.Table).Take)
	}
	s.userDoes(f, UserRecipients)
}

// Offended counts an error of the client's.
func (s *Session) Offended() {
	if s.user == "" {
		s.client(&Findings{}, ClientErrors, (*rates.Table).Take)
	}
}

// guessed counts a recipient that there is not.
func (s *Session) guessed(ctx context.Context, f *Findings) {
	if f.Recipient.Standing != Unknown {
		return
	}
	if s.peer.Role == MX {
		s.client(&Findings{}, UnknownRecipients, (*rates.Table).Take)
	}
	s.suspect(ctx, abuse.Act{Recipients: 1, Refused: 1})
}

// suspect counts what the user submits, and says whether, and why, it is held for now.
func (s *Session) suspect(ctx context.Context, act abuse.Act) abuse.Rule {
	o := &s.acceptor.o
	if s.user == "" {
		return ""
	}
	act.Account, act.Address, act.Remote, act.Limits = uint64(s.account), s.user, s.peer.Remote, o.Policy.suspicion(&s.facts)
	hold, _ := o.Abuse.Held(act.Account)
	if !s.facts.Exempt {
		hold, _ = o.Abuse.Count(ctx, act)
	}
	return hold.Rule
}

// acquaintance is how long a client from which a message was accepted is known for a
// mail server: it need not wait for the greeting.
const acquaintance = 24 * time.Hour

// acquaint remembers the client.
func (s *Session) acquaint() {
	if o := &s.acceptor.o; s.waitsForGreeting() {
		o.Known.Take(o.Clock(), o.Known.Client(0, s.peer.Remote), rates.Limit{Count: 1, Per: acquaintance})
	}
}

// isKnown says whether it is remembered.
func (s *Session) isKnown() bool {
	o := &s.acceptor.o
	return o.Known.Wait(o.Clock(), o.Known.Client(0, s.peer.Remote), rates.Limit{Count: 1, Per: acquaintance}) > 0
}

// waitsForGreeting says whether the client is one of those who wait, if it is not known.
func (s *Session) waitsForGreeting() bool {
	f := &s.facts
	return s.acceptor.o.Policy.GreetDelay > 0 && s.peer.Role == MX && s.peer.Remote.IsValid() &&
		!f.Inside && !f.Allowed && f.Denied == nil
}

// list looks something up in the lists. What a mail server in front of us has
// accepted is not refused over them: it could only send it back to somebody innocent.
func (s *Session) list(f *Findings, find func(*lists.List) *lists.Entry) {
	if o := &s.acceptor.o; s.peer.Role != LMTP {
		f.Allowed = f.Allowed || find(o.Allow) != nil
		f.Denied = find(o.Deny)
	}
}
