package server

import (
	"cmp"
	"context"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/directory"
	"posthorn/internal/wire"
)

// overEvery is how often sessions are looked for whose app password has expired.
const overEvery = time.Minute

// followRevocations ends the sessions that are revoked, on whichever node that was done.
func (s *Server) followRevocations(after uint64) *background {
	return startBackground(func(ctx context.Context) {
		s.data.Directory.Follow(ctx, after, func(r directory.Revocation) {
			if ended := s.sessions.End(endingOf(r)); ended > 0 {
				s.log.InfoContext(ctx, "sessions end", "user", cmp.Or(r.User, r.Session), "reason", r.Why, "sessions", ended)
			}
		})
	})
}

// endExpired ends the sessions whose app password is over.
func (s *Server) endExpired(ctx context.Context) {
	every := time.NewTicker(overEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			if ended := s.sessions.EndOver(now); ended > 0 {
				s.log.InfoContext(ctx, "sessions end", "reason", "the app password is over", "sessions", ended)
			}
		}
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
