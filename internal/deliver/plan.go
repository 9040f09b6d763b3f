package deliver

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/dsn"
	"posthorn/internal/kv"
	"posthorn/internal/message"
	"posthorn/internal/queue"
	"posthorn/internal/store"
)

// Router knows who gets a message. All fields are required.
type Router struct {
	Directory *directory.Directory
	Hostname  string // ours, in notifications
	Clock     func() time.Time
}

// Mail is a message on its way to recipients.
type Mail struct {
	// Envelope is what each part of the message that goes into the queue begins with:
	// all but Recipients and Rewritten. Its ID is that of the first part. It may be nil if
	// nobody forwards and nobody wants to hear of success.
	Envelope *queue.Message
	Header   []byte // the message's own, as it came, without Return-Path; nil as Envelope
	To       []*Recipient
}

// Recipient is somebody whom the message is for.
type Recipient struct {
	queue.Recipient                      // as the sender wrote it
	Resolution      directory.Resolution // its outcome is Deliver
	Fate            Fate                 // Plan says it
}

// Fate is what becomes of a message for one recipient.
type Fate uint8

// The fates.
const (
	Kept     Fate = iota // it goes into the mailbox that the address stands for
	PassedOn             // it goes on to the one address that it stands for, with what the sender asked for
	Spread               // it goes to several
	Looped               // it has been here before, and there is nobody else to give it to
)

// Plan is who gets a message.
type Plan struct {
	Accounts []store.AccountID // each once, in order
	Queue    []*queue.Message  // all in one shard

	via    []addr.Address // of the parts in Queue, who forwards them; a notice behind them has none
	notice *dsn.Report    // what the notice tells
}

// IsEmpty says that nobody gets it.
func (p Plan) IsEmpty() bool { return len(p.Accounts)+len(p.Queue) == 0 }

// Shards are those of the queue that Carry needs.
func (p Plan) Shards() []kv.Shard {
	if len(p.Queue) == 0 {
		return nil
	}
	return []kv.Shard{queue.ShardOf(p.Queue[0].ID)}
}

// Carry carries the plan out, in an Update that has its Accounts and Shards. It
// returns Failures if some of the accounts cannot have the message.
func (p Plan) Carry(tx *store.MultiTx, m *store.Message) error {
	for _, part := range p.Queue {
		if err := queue.Put(tx.In(queue.ShardOf(part.ID)), part); err != nil {
			return err
		}
	}
	return Deliver(tx, m, p.Accounts)
}

// Plan says who gets a message, and sets the Fate of its recipients. Everybody gets
// it once, by however many addresses. The error is that of the directory.
func (r *Router) Plan(ctx context.Context, mail *Mail) (Plan, error) {
	plan := Plan{Accounts: make([]store.AccountID, 0, len(mail.To))}
	leaves := false
	for _, to := range mail.To {
		for _, one := range to.Resolution.Recipients {
			plan.Accounts = append(plan.Accounts, store.AccountID(one.ID))
		}
		if to.Fate = Kept; len(to.Resolution.Recipients) > 1 {
			to.Fate = Spread
		}
		leaves = leaves || len(to.Resolution.Forward) > 0
	}
	slices.Sort(plan.Accounts)
	plan.Accounts = slices.Compact(plan.Accounts)
	if !leaves {
		return plan, nil
	}
	o := onward{router: r, mail: mail, parts: map[addr.Address]*queue.Message{}, sent: map[addr.Address]bool{}}
	err := o.all(ctx)
	plan.Queue, plan.via = o.queue, o.via
	return plan, err
}

// onward makes the parts of a message that go elsewhere.
type onward struct {
	router *Router
	mail   *Mail
	queue  []*queue.Message
	via    []addr.Address                  // who forwards each of them; zero: nobody
	parts  map[addr.Address]*queue.Message // by who forwards them
	sent   map[addr.Address]bool           // who is among their recipients
	been   []addr.Address                  // who has forwarded the message before
	ours   bool                            // its sender is one of ours, or null
}

func (o *onward) all(ctx context.Context) error {
	from := o.mail.Envelope.From
	ours, err := o.router.Directory.IsLocal(ctx, from.Domain)
	if err != nil {
		return err
	}
	o.ours = ours || from.IsZero()
	o.been = forwarders(o.mail.Header)
	// Those whom the sender has named himself come first: what he wants to hear of
	// them is not changed by their being behind another address as well.
	for _, to := range o.mail.To {
		if f := to.Resolution.Forward; len(f) == 1 && f[0].Via.IsZero() {
			to.Fate = PassedOn
			o.send(o.part(addr.Address{}), f[0].Address, to.Recipient)
		}
	}
	for _, to := range o.mail.To {
		if err := o.forward(ctx, to); err != nil {
			return err
		}
	}
	return nil
}

// forward sends a message on for a recipient who forwards. RFC 3461 §5.2.7.2, §5.2.7.3 (c):
// what the sender wants to hear goes along to a single address; several are told the
// same, but not to confirm.
func (o *onward) forward(ctx context.Context, to *Recipient) error {
	along := to.Recipient
	if len(to.Resolution.Forward)+len(to.Resolution.Recipients) > 1 {
		to.Fate = Spread
		if along.Notify &^= dsn.Success; along.Notify == 0 && to.Notify != 0 {
			along.Notify = dsn.Never
		}
	}
	if along.Original == "" && along.Address.IsASCII() {
		along.Original = "rfc822;" + along.Address.String() // RFC 3461 §5.2.1 (d)
	}
	reached := len(to.Resolution.Recipients) > 0
	for _, f := range to.Resolution.Forward {
		switch {
		case f.Via.IsZero():
			return nil // it was the first to go
		case slices.Contains(o.been, f.Via):
			continue
		case o.sent[f.Address]:
			reached = true
			continue
		}
		part, err := o.partVia(ctx, f.Via)
		if err != nil {
			return err
		}
		o.send(part, f.Address, along)
		if reached = true; to.Fate == Kept {
			to.Fate = PassedOn
		}
	}
	switch {
	case !reached:
		to.Fate = Looped
	case to.Fate == Kept && len(to.Resolution.Recipients) == 0:
		to.Fate = Spread // somebody else has taken it along
	}
	return nil
}

// send adds a recipient to a part of the message.
func (o *onward) send(part *queue.Message, address addr.Address, as queue.Recipient) {
	if key, err := address.Canonical(); err == nil {
		if o.sent[key] {
			return
		}
		o.sent[key] = true
	}
	as.Address = address
	part.Recipients = append(part.Recipients, as)
}

// part gives the part of the message that an address of ours forwards; zero: the one
// that goes on as it is.
func (o *onward) part(via addr.Address) *queue.Message {
	if part := o.parts[via]; part != nil {
		return part
	}
	part := *o.mail.Envelope
	part.Recipients = nil
	if !via.IsZero() {
		part.Header = append(deliveredTo(via), part.Header...)
	}
	if n := len(o.queue); n > 0 {
		part.ID = nextID(part.ID, o.router.Clock(), n)
	}
	o.parts[via] = &part
	o.queue, o.via = append(o.queue, &part), append(o.via, via)
	return &part
}

// partVia gives the part that an address of ours forwards. A stranger's goes under
// our own name, for his domain does not vouch for us (SPF).
func (o *onward) partVia(ctx context.Context, via addr.Address) (*queue.Message, error) {
	part := o.part(via)
	if o.ours || !part.Rewritten.IsZero() {
		return part, nil
	}
	rewriter, err := o.router.Directory.Rewriter(ctx)
	if err != nil {
		return nil, err
	}
	if way, err := rewriter.Forward(part.From, via.Domain, o.router.Clock()); err == nil {
		part.Rewritten = way // else it is too long, and has to try its luck under its own
	}
	return part, nil
}

// nextID names a message that is queued beside another one and n-1 more. No two of them have
// the same moment in their names, so that these differ and have an order.
func nextID(first queue.ID, at time.Time, n int) queue.ID {
	return first.Beside(at.Add(time.Duration(n) * time.Millisecond))
}

const forwardedBy = "Delivered-To"

// deliveredTo is the line that tells who has forwarded a message. It is as old as
// qmail, stands above everything that a signature covers, and is looked for by other
// servers, too.
func deliveredTo(via addr.Address) []byte {
	return []byte(forwardedBy + ": " + via.String() + "\r\n")
}

// forwarders lists who has forwarded a message, by its header.
func forwarders(header []byte) []addr.Address {
	var all []addr.Address
	for f := range message.Fields(header) {
		if !bytes.EqualFold(f.Name, []byte(forwardedBy)) {
			continue
		}
		if a, err := addr.Parse(strings.TrimSpace(string(f.Value))); err == nil {
			all = append(all, a)
		}
	}
	return all
}
