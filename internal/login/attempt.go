package login

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"

	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/obs"
	"posthorn/internal/store"
)

// ErrActAs is in the chain of the error when somebody has proven who he is, but wants
// to act as somebody else.
var ErrActAs = fault.New(fault.Unauthenticated, "acting as somebody else is not possible")

// ErrGuesses is in the chain of the error when the guard lets nobody try, as too many
// passwords were wrong. There may be no such user.
var ErrGuesses = fault.New(fault.Limit, "too many wrong passwords; no further one is looked at for now")

// ErrSessions is in the chain of the error when somebody has proven who he is, but has so
// many sessions already that he gets no further one.
var ErrSessions = fault.New(fault.Limit, "too many sessions of the account at a time (max_sessions_per_user)")

// longestName is how much of what a client calls itself, or the user, is told of.
const longestName = 256

// prove lets somebody try a proof.
func (g *Gate) prove(ctx context.Context, a *Attempt, proof func() (directory.Proven, error)) (Identity, error) {
	err := g.admit(ctx, a)
	var account directory.Proven
	if err == nil {
		account, err = proof()
	}
	return g.settle(ctx, a, account, err)
}

// admit asks the guard whether an attempt may be made.
func (g *Gate) admit(ctx context.Context, a *Attempt) error {
	if g.o.Guard == nil {
		return nil
	}
	err := g.o.Guard.Admit(ctx, a.Peer, a.User)
	a.admitted = err == nil
	return err
}

// settle is the end of every attempt: what the proof was worth, and who is told.
func (g *Gate) settle(ctx context.Context, a *Attempt, account directory.Proven, err error) (Identity, error) {
	how := How{cmp.Or(a.Mechanism, "PLAIN"), account.By, account.Until}
	if err == nil {
		err = account.Allows(how.Mechanism)
	}
	if err == nil {
		a.Identity = Identity{store.AccountID(account.ID), account.Address.String(), how}
		err = a.actsAs()
	}
	if err == nil && g.o.Room != nil {
		err = g.o.Room(a.Peer, a.Identity)
	}
	if err != nil {
		a.Identity, a.Err = Identity{}, err
	}
	g.tellGuard(a)
	g.tell(ctx, a)
	return a.Identity, err
}

// tellGuard ends what the guard has admitted. What nobody had to admit, since somebody
// trusted vouches for it, is told, too, unless it came to nothing.
func (g *Gate) tellGuard(a *Attempt) {
	switch {
	case g.o.Guard == nil:
	case a.Err == nil:
		g.o.Guard.Succeeded(a.Peer, a.User, a.Identity)
	case fault.Is(a.Err, fault.Unauthenticated):
		g.o.Guard.Failed(a.Peer, a.User)
	case a.admitted:
		g.o.Guard.Withdrawn(a.Peer, a.User)
	}
}

// actsAs checks whom a user wants to act as (RFC 4422 §3.4.1): himself, by the name that
// he has logged in with or by his address.
func (a *Attempt) actsAs() error {
	if a.As == "" || strings.EqualFold(a.As, a.User) || strings.EqualFold(a.As, a.Identity.Name) {
		return nil
	}
	return fault.New(fault.Unauthenticated, "login: %s as %.100q: %w", a.Identity.Name, a.As, ErrActAs)
}

// tell writes an attempt down. Whoever comes in is told of by what he does next.
func (g *Gate) tell(ctx context.Context, a *Attempt) {
	if g.o.Recorder != nil {
		g.o.Recorder.Record(ctx, a)
	}
	if a.Err == nil {
		return
	}
	p := &a.Peer
	e := &obs.Event{
		Kind: obs.AuthFailed, Conn: p.Conn, Protocol: p.Protocol, Remote: p.Remote, Hello: short(p.Client),
		User: short(a.User), Error: a.Err.Error(),
	}
	if p.TLS != nil {
		e.TLS = tls.VersionName(p.TLS.Version)
	}
	obs.Trail{Log: cmp.Or(p.Log, slog.New(slog.DiscardHandler)), Recorder: g.o.History}.Tell(ctx, e)
}

// Refusal is what somebody is told who has proven who he is, and must stay out all the
// same: an error of kind Denied.
func Refusal(err error) string {
	var refusal *directory.Refusal
	if errors.As(err, &refusal) && refusal.Text != "" {
		return strings.ToUpper(refusal.Text[:1]) + refusal.Text[1:]
	}
	return "The account is closed; ask its administrator"
}

func short(text string) string { return text[:min(len(text), longestName)] }
