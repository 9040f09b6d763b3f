package pop3d

import (
	"context"
	"fmt"

	"posthorn/internal/obs"
)

// dele marks a message for deletion (RFC 1939 §5).
func (s *session) dele(_ context.Context, args string) (reply, error) {
	number, e, ok := s.drop.lookup(args)
	if !ok {
		return replyNoMessage, nil
	}
	s.drop.mark(number, e)
	return "+OK Marked to be deleted", nil
}

// rset takes all marks back (RFC 1939 §5).
func (s *session) rset(_ context.Context, _ string) (reply, error) {
	s.drop.reset()
	messages, size := s.drop.total()
	return reply(fmt.Sprintf("+OK %d messages (%d octets)", messages, size)), nil
}

// noop does nothing (RFC 1939 §5).
func (s *session) noop(_ context.Context, _ string) (reply, error) { return "+OK", nil }

// quit deletes what is marked, and ends the session (RFC 1939 §6). A session that ends
// in another way changes nothing: what its client has got of it, nobody knows.
func (s *session) quit(ctx context.Context, _ string) (reply, error) {
	if s.drop != nil {
		if err := s.drop.update(ctx); err != nil {
			s.conn.Log().Error("marked messages not removed", "messages", s.drop.marked, "error", err)
			return failure(err), errQuit
		}
		s.deleted()
	}
	return "+OK Goodbye", errQuit
}

// deleted writes down what the user has deleted.
func (s *session) deleted() {
	if s.Recorder == nil || s.drop.removed == 0 {
		return
	}
	folder := s.drop.settings.Folder
	if folder == "" {
		folder = "INBOX"
	}
	s.Recorder.Record(&obs.Event{
		Kind: obs.Expunged, User: s.drop.user, Folder: folder, Count: s.drop.removed,
		Protocol: "pop3", Remote: s.conn.RemoteAddr().Addr(), Conn: s.conn.ID(),
	})
}
