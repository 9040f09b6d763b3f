// Package inbound owns the acceptance of mail: whether a message is taken, for
// whom, and that what is taken is not lost.
//
// It speaks no protocol: smtpd drives it, command by command, and turns its errors
// into replies. It resolves no aliases itself and stores nothing itself: the
// directory, the store and the queue do.
//
// Flow: a Session knows who is connected; Connect and Hello say whether to speak with
// it (peer.go). Mail begins a Transaction, Rcpt adds
// recipients, Receive gives a Content that the message is written to while it
// arrives, with the trace lines in front. The senders of messages from outside are
// checked in the meantime (authenticate.go, examination.go). At each of these steps checks gather
// Findings, and Decide, a pure function, says whether they break a rule of the
// Policy (policy.go, rules.go). Commit ends it: one Update over all recipients' accounts and,
// if some are in other domains, the message's slice of the queue (relay.go).
//
// Invariants: when Commit reports success for a recipient, the message is durable
// in every mailbox behind that recipient, or in the queue, and nothing that happens
// later can undo it; when it reports failure, it is in none of them. A refusal names
// its rule, a fault has its kind, and each of them is one line in the log and in the
// history (trail.go).
package inbound

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/deliver"
	"posthorn/internal/directory"
	"posthorn/internal/dns"
	"posthorn/internal/filter/abuse"
	"posthorn/internal/filter/lists"
	"posthorn/internal/filter/rates"
	"posthorn/internal/obs"
	"posthorn/internal/queue"
	"posthorn/internal/store"
)

// Options configure an Acceptor. The first four are required.
type Options struct {
	Hostname  string // ours, for trace lines
	Policy    Policy
	Directory *directory.Directory
	Store     *store.Store
	// Relay says that somebody runs a queue.Queue on the Store's engine. What users
	// submit for other domains is then put into it, in the commit that accepts the
	// message; nothing else is needed. Without it such recipients are refused for now.
	Relay    bool
	Allow    *lists.List      // whom no list and no suspicion keeps out; default: nobody
	Deny     *lists.List      // who is not wanted; default: nobody
	Rates    *rates.Table     // counts against Policy.Rates; default: nobody does
	Known    *rates.Table     // clients that need not wait for the greeting; default: all wait
	Abuse    *abuse.Watch     // holds what users submit whose accounts may be stolen; default: nobody does
	Recorder obs.Recorder     // keeps the history; default: nobody does
	Resolver *dns.Resolver    // to check senders from outside with (authenticate.go); default: they are not
	TempDir  string           // for large messages while they are checked; default: the system's
	Clock    func() time.Time // default: time.Now
}

// Acceptor accepts mail into the local accounts and the queue. All methods may be
// called from any goroutine.
type Acceptor struct {
	o      Options
	router deliver.Router // says who gets a message
}

// New makes an Acceptor.
func New(o Options) *Acceptor {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Acceptor{o, deliver.Router{Directory: o.Directory, Hostname: o.Hostname, Clock: o.Clock}}
}

// Policy is what the Acceptor decides by.
func (a *Acceptor) Policy() Policy { return a.o.Policy }

// Now is the time that it goes by.
func (a *Acceptor) Now() time.Time { return a.o.Clock() }

// Relays says that users' mail to other domains is accepted (Options.Relay).
func (a *Acceptor) Relays() bool { return a.o.Relay }

// Session is what is known of one connection. It belongs to one goroutine.
type Session struct {
	acceptor *Acceptor
	peer     Peer
	facts    Findings // that hold for the connection
	hello    string
	extended bool // EHLO or LHLO, not HELO
	tls      *tls.ConnectionState
	account  store.AccountID
	user     string  // canonical address of the account; "": not authenticated
	sender   *sender // the checks of the transaction's sender; nil: none
}

// Secured records that the connection is encrypted now. RFC 3207 §4.2: what the
// client said before is forgotten.
func (s *Session) Secured(state *tls.ConnectionState) {
	s.tls = state
	s.forgetHello()
	s.account, s.user, s.facts.Allowance = 0, "", nil
}

// Name is what the client calls itself; "" if it has not said so.
func (s *Session) Name() string { return s.hello }

// Authenticated records who the client has proven to be; log is the logger that
// names the user, too.
func (s *Session) Authenticated(account store.AccountID, user string, log *slog.Logger) {
	s.account, s.user, s.peer.Log = account, user, log
	s.facts.Allowance = s.acceptor.o.Policy.allowance(user)
}

// proven says that it is known who the client is.
func (s *Session) proven() bool { return s.user != "" || s.peer.Trusted }

// findings is what the session contributes to every decision.
func (s *Session) findings() Findings {
	f := s.facts
	f.TLS, f.Authenticated = s.tls != nil, s.proven()
	return f
}

// Mail begins a transaction. from is zero for the null reverse-path. The error is
// a *Refusal or a fault.
func (s *Session) Mail(ctx context.Context, from addr.Address, p MailParams) (*Transaction, error) {
	o := &s.acceptor.o
	t := &Transaction{o: o, session: s, id: queue.NewID(o.Clock()), from: from, params: p, findings: s.findings()}
	t.findings.Sender, t.findings.DeclaredSize, t.findings.Binary = from, p.Size, p.Binary
	s.gatherSender(&t.findings, from)
	var err error
	if t.findings.SenderOwned, err = s.owns(ctx, from); err == nil {
		err = t.decide(&t.findings)
	}
	if err != nil {
		s.refused(ctx, t.event(obs.SenderRefused), err)
		return nil, err
	}
	return t, nil
}
