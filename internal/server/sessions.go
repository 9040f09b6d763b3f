package server

import (
	"cmp"
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/wire"
)

const (
	// overEvery is how often sessions are looked for whose proof is over by now.
	overEvery = time.Minute
	// maxDown is how often other directories may fail to answer before they are left alone
	// until the next time.
	maxDown = 3
)

// followRevocations ends the sessions that are revoked, on whichever node that was done.
func (s *Server) followRevocations(after uint64) *background {
	return startBackground(func(ctx context.Context) {
		s.data.Directory.Follow(ctx, after, func(r directory.Revocation) {
			s.tellEnded(ctx, cmp.Or(r.User, r.Session), r.Why, s.sessions.End(endingOf(r)))
		})
	})
}

// endOver ends the sessions whose proof comes to its end without anybody doing anything.
func (s *Server) endOver(ctx context.Context) {
	every := time.NewTicker(overEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			s.tellEnded(ctx, "", "the app password is over", s.sessions.EndOver(now))
			s.endGone(ctx)
		}
	}
}

// endGone ends the sessions of those whom another directory does not know any more. While
// one is down, it has not forgotten anybody.
func (s *Server) endGone(ctx context.Context) {
	if len(s.data.Directory.Sources()) == 0 {
		return
	}
	down := 0
	for _, user := range s.sessions.Users() {
		address, err := addr.Parse(user)
		if err == nil {
			_, err = s.data.Directory.Find(ctx, address)
		}
		switch {
		case fault.Is(err, fault.NotFound):
			s.tellEnded(ctx, user, "the account is gone", s.sessions.End(wire.Ending{User: user}))
		case err != nil:
			if down++; down == maxDown {
				return
			}
		}
	}
}

func (s *Server) tellEnded(ctx context.Context, user, why string, sessions int) {
	if sessions > 0 {
		s.log.InfoContext(ctx, "sessions end", "user", user, "reason", why, "sessions", sessions)
	}
}

// endingOf is a revocation as the register of sessions knows it.
func endingOf(r directory.Revocation) wire.Ending {
	return wire.Ending{
		User: r.User, ID: r.Session, Protocols: listenersFor(r.Protocol), Mechanisms: r.Mechanisms,
		Credential: string(r.Credential), Own: r.Own,
	}
}

// listenersFor are the protocols of listeners for which credentials of a scope are.
func listenersFor(scope string) []string {
	switch scope {
	case "":
		return nil
	case "smtp":
		return []string{string(config.SMTP), string(config.Submission), string(config.Submissions), string(config.LMTP)}
	}
	return []string{scope, scope + "s"}
}
