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

// last tells the highest number of a message that was read (RFC 1460). Clients use it
// that do not know UIDL: they fetch what is above.
func (s *session) last(_ context.Context, _ string) (reply, error) {
	return reply("+OK " + strconv.Itoa(s.drop.last)), nil
}

// list tells the size of one message or of all (RFC 1939 §5).
func (s *session) list(_ context.Context, args string) (reply, error) {
	line := func(dst []byte, number int, e store.Entry) []byte {
		dst = append(strconv.AppendInt(dst, int64(number), 10), ' ')
		return strconv.AppendUint(dst, uint64(e.Size), 10)
	}
	if args != "" {
		number, e, ok := s.drop.lookup(args)
		if !ok {
			return replyNoMessage, nil
		}
		return reply(line([]byte("+OK "), number, e)), nil
	}
	s.heading()
	s.drop.each(1, s.drop.messages(), func(number int, e store.Entry) {
		s.conn.Write(append(line(s.conn.AvailableBuffer(), number, e), '\r', '\n'))
	})
	return ".", nil
}

// heading begins a list. Its lines need no multiline: they begin with digits.
func (s *session) heading() {
	messages, size := s.drop.total()
	s.say(reply(fmt.Sprintf("+OK %d messages (%d octets)", messages, size)))
}

// notesAtOnce is of how many messages the notes are read at a time.
const notesAtOnce = 4096

// uidl tells the unique id of one message or of all (RFC 1939 §7).
func (s *session) uidl(ctx context.Context, args string) (reply, error) {
	if args != "" {
		number, e, ok := s.drop.lookup(args)
		if !ok {
			return replyNoMessage, nil
		}
		notes, err := s.drop.notes(ctx, number, number)
		if err != nil {
			return failure(err), nil
		}
		return reply(s.drop.uidl([]byte("+OK "), number, e, &notes)), nil
	}
	all := s.drop.messages()
	notes, err := s.drop.notes(ctx, 1, min(all, notesAtOnce))
	if err != nil {
		return failure(err), nil
	}
	s.heading()
	for from := 1; from <= all; from += notesAtOnce {
		to := min(all, from+notesAtOnce-1)
		if from > 1 {
			if notes, err = s.drop.notes(ctx, from, to); err != nil {
				s.conn.Log().Warn("list of unique ids broken off", "error", err)
				return "", err // without the final dot a part is not taken for the whole
			}
		}
		s.drop.each(from, to, func(number int, e store.Entry) {
			s.conn.Write(append(s.drop.uidl(s.conn.AvailableBuffer(), number, e, &notes), '\r', '\n'))
		})
	}
	return ".", nil
}

// notes are what is noted of messages.
func (d *maildrop) notes(ctx context.Context, from, to int) ([]store.POP3Note, error) {
	if from > to {
		return nil, nil
	}
	first, last := d.snap.At(d.seq(from)).UID, d.snap.At(d.seq(to)).UID
	return d.account.POP3Notes(ctx, d.snap.Mailbox(), store.UIDRange{First: first, Last: last})
}

// uidl appends number and unique id of a message: that which it came with from another
// server, or the mailbox's UIDVALIDITY and the UID, which are never given out again. It
// consumes the notes of messages up to this one.
func (d *maildrop) uidl(dst []byte, number int, e store.Entry, notes *[]store.POP3Note) []byte {
	dst = append(strconv.AppendInt(dst, int64(number), 10), ' ')
	for len(*notes) > 0 && (*notes)[0].UID < e.UID {
		*notes = (*notes)[1:]
	}
	if len(*notes) > 0 && (*notes)[0].UID == e.UID && (*notes)[0].UIDL != "" {
		return append(dst, (*notes)[0].UIDL...)
	}
	dst = append(strconv.AppendUint(dst, uint64(d.snap.UIDValidity()), 10), '.')
	return strconv.AppendUint(dst, uint64(e.UID), 10)
}
