package pop3d

import (
	"context"
	"fmt"
	"strconv"

	"posthorn/internal/store"
)

const replyNoMessage reply = "-ERR No such message"

// stat tells the number of messages and their size (RFC 1939 §5).
func (s *session) stat(_ context.Context, _ string) (reply, error) {
	messages, size := s.drop.total()
	return reply(fmt.Sprintf("+OK %d %d", messages, size)), nil
}

// list tells the size of one message or of all (RFC 1939 §5).
func (s *session) list(_ context.Context, args string) (reply, error) {
	return s.listing(args, func(dst []byte, e store.Entry) []byte {
		return strconv.AppendUint(dst, uint64(e.Size), 10)
	})
}

// uidl tells the unique id of one message or of all (RFC 1939 §7): INBOX's
// UIDVALIDITY and the UID, which are never given out again.
func (s *session) uidl(_ context.Context, args string) (reply, error) {
	validity := uint64(s.drop.snap.UIDValidity())
	return s.listing(args, func(dst []byte, e store.Entry) []byte {
		dst = append(strconv.AppendUint(dst, validity, 10), '.')
		return strconv.AppendUint(dst, uint64(e.UID), 10)
	})
}

// listing is a line for one message or for all. It needs no multiline: the lines
// begin with digits.
func (s *session) listing(args string, describe func(dst []byte, e store.Entry) []byte) (reply, error) {
	line := func(dst []byte, seq int, e store.Entry) []byte {
		return describe(append(strconv.AppendInt(dst, int64(seq), 10), ' '), e)
	}
	if args != "" {
		seq, e, ok := s.drop.lookup(args)
		if !ok {
			return replyNoMessage, nil
		}
		return reply(line([]byte("+OK "), seq, e)), nil
	}
	messages, size := s.drop.total()
	s.say(reply(fmt.Sprintf("+OK %d messages (%d octets)", messages, size)))
	s.drop.each(func(seq int, e store.Entry) {
		s.conn.Write(append(line(s.conn.AvailableBuffer(), seq, e), '\r', '\n'))
	})
	return ".", nil
}
