package inbound

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/obs"
	"posthorn/internal/queue"
	"posthorn/internal/smtpwire"
)

// trail is where a session tells what happens.
func (s *Session) trail() obs.Trail {
	return obs.Trail{Log: s.peer.Log, Recorder: s.acceptor.o.Recorder}
}

// event begins an event with what is known of the connection.
func (s *Session) event(kind obs.EventKind) *obs.Event {
	return &obs.Event{
		Kind: kind, Time: s.acceptor.o.Clock(),
		Conn: s.peer.Conn, Protocol: s.peer.Role.String(), Remote: s.peer.Remote, Hello: s.hello, User: s.user, TLS: tlsVersion(s.tls),
	}
}

// event begins an event with what is known of the message; to are the recipients
// that it is about.
func (t *Transaction) event(kind obs.EventKind, to ...string) *obs.Event {
	e := t.session.event(kind)
	e.Message, e.From, e.MessageID = t.ID(), t.from.String(), t.messageID
	if up := t.params.Upstream; up.Remote.IsValid() {
		e.Remote, e.Hello = up.Remote, up.Hello
	}
	for _, one := range to {
		e.To = append(e.To, obs.EventRecipient{Address: one})
	}
	return e
}

// refused tells why something was not accepted. Faults of the server are graver
// than mail that is not wanted, or mailboxes that are full.
func (s *Session) refused(ctx context.Context, e *obs.Event, err error) {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		e.Rule, e.Reply = string(refusal.Rule), refusal.Reply.String()
	} else {
		e.Error = err.Error()
		if !fault.Is(err, fault.OverQuota) {
			e.Level = slog.LevelWarn
		}
	}
	s.trail().Tell(ctx, e)
}

// accepted tells that the message is where it should be, with those recipients that
// could have it. It was accepted when it had come: what the queue tells of it happened later.
func (c *Content) accepted(ctx context.Context) {
	t := c.tx
	e := t.event(obs.Accepted)
	e.Size, e.Took, e.Time = c.findings.Size, e.Time.Sub(c.began), c.ended
	for i := range t.recipients {
		if r := &t.recipients[i]; r.err == nil {
			e.To = append(e.To, r.outcome())
		}
	}
	if len(e.To) > 0 {
		t.session.trail().Tell(ctx, e)
	}
	if len(e.To) > 0 && t.suspected != "" {
		held := t.event(obs.HeldBack)
		held.To, held.Rule, held.Level = e.To, string(t.suspected), slog.LevelWarn
		t.session.trail().Tell(ctx, held)
	}
	if len(t.carried.Queue) > 0 {
		for _, e := range t.carried.Events(&queue.Message{ID: t.id, From: t.from}, c.ended) {
			t.session.trail().Tell(ctx, e)
		}
	}
}

// Misspelled tells of a sender, or of a recipient of the transaction t, that was refused for
// the way in which it was given; args are those of the command.
func (s *Session) Misspelled(ctx context.Context, t *Transaction, args string, reply smtpwire.Reply) {
	_, address, found := strings.Cut(args, "<")
	if address, _, _ = strings.Cut(address, ">"); !found {
		address = args
	}
	var e *obs.Event
	if t == nil {
		e = s.event(obs.SenderRefused)
		e.From = address
	} else {
		e = t.event(obs.RecipientRefused, address)
	}
	e.Reply = reply.String()
	s.trail().Tell(ctx, e)
}

// outcome says where a recipient's message is.
func (r *recipient) outcome() obs.EventRecipient {
	out := obs.EventRecipient{Address: r.address.String(), Queued: r.foreign}
	for _, one := range r.to.Resolution.Recipients {
		out.Accounts = append(out.Accounts, uint64(one.ID))
	}
	return out
}
