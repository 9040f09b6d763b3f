package server

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"posthorn/internal/directory"
	"posthorn/internal/wire"
)

// overEvery is how often sessions are looked for whose app password has expired.
const overEvery = time.Minute

// followRevocations ends the sessions that are revoked, on whichever node that was done.
func (s *Server) followRevocations(after uint64) *background {
	return startBackground(func(ctx context.Context) {
		s.data.Directory.Follow(ctx, after, func(r directory.Revocation) {
			ended := s.sessions.End(wire.Ending{User: r.User, If: func(x wire.Session) bool { return revokes(r, x) }})
			if ended > 0 {
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

// revokes says whether a session of the user is to end.
func revokes(r directory.Revocation, x wire.Session) bool {
	switch {
	case r.Session != "" && r.Session != x.ID,
		r.Protocol != "" && r.Protocol != scope(x.Protocol),
		r.Credential != "" && string(r.Credential) != x.Credential,
		r.Own && x.Credential != "",
		len(r.Mechanisms) > 0 && !slices.Contains(r.Mechanisms, x.Mechanism):
		return false
	}
	return true
}

// scope is what credentials for a listener's protocol are scoped by.
func scope(protocol string) string {
	protocol = strings.TrimSuffix(protocol, "s")
	if protocol == "submission" || protocol == "lmtp" {
		return "smtp"
	}
	return protocol
}
