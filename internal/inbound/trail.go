package inbound

import (
	"context"
	"errors"
	"log/slog"

	"posthorn/internal/fault"
	"posthorn/internal/obs"
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

// AuthFailed tells that the client could not prove to be a user.
func (s *Session) AuthFailed(ctx context.Context, user string, why error) {
	e := s.event(obs.AuthFailed)
	e.User, e.Error = user, why.Error()
	s.trail().Tell(ctx, e)
}

// accepted tells that the message is where it should be, with those recipients that
// could have it.
func (c *Content) accepted(ctx context.Context) {
	t := c.tx
	e := t.event(obs.Accepted)
	e.Size, e.Took = c.findings.Size, e.Time.Sub(c.began)
	for i := range t.recipients {
		if r := &t.recipients[i]; r.err == nil {
			e.To = append(e.To, r.outcome())
		}
	}
	if len(e.To) > 0 {
		t.session.trail().Tell(ctx, e)
	}
}

// outcome says where a recipient's message is.
func (r *recipient) outcome() obs.EventRecipient {
	out := obs.EventRecipient{Address: r.address.String(), Queued: r.foreign}
	for _, one := range r.to.Resolution.Recipients {
		out.Accounts = append(out.Accounts, uint64(one.ID))
	}
	return out
}
