package obs

import (
	"cmp"
	"log/slog"
	"net/netip"
	"strconv"
	"time"
)

// Event is one thing that happened to a message, or to somebody on the way to hand
// one in: then it is both a line of the log and an entry of the history. Or it is what
// somebody did to an account, and an entry of the audit trail. What is not known, or
// does not apply, is zero.
type Event struct {
	Kind  EventKind
	Time  time.Time
	Level slog.Level // of the line in the log; the history keeps all levels

	Message   string // our name for the message: what Received, replies and the queue call it
	Related   string // the message that came of it: of a Notified, the notification
	MessageID string // the header's, as it stands there

	Conn     string // our name for the connection
	Protocol string // that the connection speaks
	Remote   netip.Addr
	Hello    string // what the client calls itself
	User     string // whom it has proven to be, or claims to be
	TLS      string // "TLS 1.3"; of a Delivered also who proved that it was the right server; "": in clear

	From string // the reverse-path; "": the null one
	To   []EventRecipient
	Size int64         // bytes
	Took time.Duration // to receive it

	Rule  string // why it was refused
	Reply string // what was said, in the exact words
	Error string // what we could not do

	Destination string    // where it was to go: a domain, or a route
	Host        string    // who gave the Reply: "mx.example.net [192.0.2.1]"; "": we did
	Attempts    int       // made so far
	Next        time.Time // when the next one is due
	Mailbox     bool      // it is in a mailbox here, or the next server's
	Action      string    // of a Notified: what the sender is told; of a login: the mechanism; of an Administered: the operation

	By     string // the operator who did it, "root (uid 0)"
	Folder string // the mailbox that it was done to
	Detail string // what exactly, in words; never a secret
	Count  int    // to how many messages
}

// EventRecipient is one of those that an event is about.
type EventRecipient struct {
	Address  string
	Accounts []uint64 // who has it in a mailbox now
	Queued   bool     // it is on its way to other servers
}

// EventKind is what happened. The numbers are stored, and never change.
type EventKind uint8

// The kinds. Behind each is what the event has besides what is known of message and
// connection.
const (
	_ EventKind = iota
	// On the way in.
	ConnectionRefused // Rule, Reply
	HelloRefused      // Rule, Reply
	AuthFailed        // User, Error
	SenderRefused     // Rule and Reply, or Error
	RecipientRefused  // the same
	MessageRefused    // the same
	RecipientFailed   // the same; others have the message
	BrokenOff         // Error
	Accepted          // To: where each of them has it
	// On the way out: Destination, Host, Reply, Attempts.
	Delivered
	Deferred // Next
	Failed
	Expired
	Notified // Action, Related; To: whom the notification is about; From is who gets it
	// By the operator.
	Retried
	Held
	Released
	Rerouted // Destination
	Bounced  // Reply
	Deleted
	// By ourselves.
	Forwarded // User: the address of ours that passes it on; To: to whom; Related
	// For the audit trail, as is AuthFailed: User, and who was connected.
	LoggedIn     // Action: the mechanism
	Administered // By, Action; User: the account or domain; Detail; Error
	Expunged     // Folder, Count
	Erased       // Folder: the mailbox itself; Count
	// By ourselves.
	HeldBack // Rule; To: who does not get it for now
	numKinds
)

// kindNames are the texts of the log's lines.
var kindNames = [numKinds]string{
	ConnectionRefused: "connection refused", HelloRefused: "hello refused", AuthFailed: "authentication failed",
	SenderRefused: "sender refused", RecipientRefused: "recipient refused", MessageRefused: "message refused",
	RecipientFailed: "recipient failed", BrokenOff: "message broken off", Accepted: "message accepted",
	Delivered: "delivered", Deferred: "deferred", Failed: "failed", Expired: "expired", Notified: "notification sent",
	Retried: "retried by the operator", Held: "held by the operator", Released: "released by the operator",
	LoggedIn: "logged in", Administered: "administered", Expunged: "messages deleted", Erased: "mailbox deleted",
	HeldBack: "held back", Forwarded: "passed on", Rerouted: "rerouted by the operator", Bounced: "bounced by the operator", Deleted: "deleted by the operator",
}

// String is the text of the log's line. A kind that only a newer program knows has a number.
func (k EventKind) String() string {
	if k == 0 || k >= numKinds {
		return "event " + strconv.Itoa(int(k))
	}
	return kindNames[k]
}

// EventKindNamed finds the kind with a name; 0 if there is none.
func EventKindNamed(name string) EventKind {
	for k := EventKind(1); k < numKinds; k++ {
		if kindNames[k] == name {
			return k
		}
	}
	return 0
}

// attempted says that a kind tells of an attempt to deliver, or of the end of all.
func (k EventKind) attempted() bool { return k >= Delivered && k <= Expired }

// single says that a kind is about one recipient at a time.
func (k EventKind) single() bool {
	return k == RecipientRefused || k == RecipientFailed || k.attempted()
}

// attrs are the attributes of the log's line. What concerns the connection is not
// among them: its logger has that.
func (e *Event) attrs() []slog.Attr {
	all := make([]slog.Attr, 0, 12)
	text := func(key, value string, always bool) {
		if always || value != "" {
			all = append(all, slog.String(key, value))
		}
	}
	text("id", e.Message, false)
	text("from", e.From, e.Message != "")
	if len(e.To) > 0 {
		all = append(all, e.recipients())
	}
	switch e.Kind {
	case AuthFailed:
		text("user", e.User, true)
	case MessageRefused, BrokenOff:
		all = append(all, slog.Int64("size", e.Size))
	case Accepted:
		all = append(all, slog.Int64("size", e.Size), slog.String("tls", cmp.Or(e.TLS, "none")), slog.Duration("took", e.Took.Round(time.Microsecond)))
	}
	if e.Kind == Delivered && e.Host != "" {
		text("tls", cmp.Or(e.TLS, "none"), true)
	}
	if e.Kind == Forwarded {
		text("via", e.User, true)
	}
	text("action", e.Action, false)
	text("related", e.Related, false)
	text("rule", e.Rule, false)
	text("destination", e.Destination, e.Kind.attempted())
	text("remote", e.Host, e.Kind.attempted())
	text("reply", e.Reply, e.Kind.attempted())
	text("error", e.Error, false)
	if e.Kind.attempted() {
		all = append(all, slog.Int("attempts", e.Attempts))
	}
	if !e.Next.IsZero() {
		all = append(all, slog.Time("next", e.Next))
	}
	return all
}

// recipients is the attribute that names them.
func (e *Event) recipients() slog.Attr {
	if e.Kind.single() {
		return slog.String("to", e.To[0].Address)
	}
	names := make([]string, len(e.To))
	for i := range e.To {
		names[i] = e.To[i].Address
	}
	return slog.Any("to", names)
}
