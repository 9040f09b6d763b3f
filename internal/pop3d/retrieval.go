package pop3d

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"posthorn/internal/store"
)

// retr sends a message (RFC 1939 §5).
func (s *session) retr(ctx context.Context, args string) (reply, error) {
	number, e, ok := s.drop.lookup(args)
	if !ok {
		return replyNoMessage, nil
	}
	s.out = multiline{to: s.conn, octets: int64(e.Size)}
	r, err := s.send(ctx, number, e.UID, &s.out)
	if r == "" && err == nil {
		s.drop.read(number)
		s.drop.got(number)
	}
	return r, err
}

// top sends the header of a message and some lines of its body (RFC 1939 §7).
func (s *session) top(ctx context.Context, args string) (reply, error) {
	name, count, _ := strings.Cut(args, " ")
	lines, err := strconv.ParseUint(strings.TrimSpace(count), 10, 63)
	if err != nil {
		return s.wrong("-ERR TOP needs a message and a number of lines"), nil
	}
	number, e, ok := s.drop.lookup(name)
	if !ok {
		return replyNoMessage, nil
	}
	s.out = multiline{to: s.conn, octets: -1}
	r, err := s.send(ctx, number, e.UID, &topLines{to: &s.out, left: int64(lines)})
	if r == "" && err == nil {
		s.drop.read(number)
	}
	return r, err
}

// send copies a message through w to s.out. What goes wrong before the first byte gets
// a reply of its own. Afterwards the connection ends without the final dot, so
// that the client cannot take a part for the whole.
func (s *session) send(ctx context.Context, number int, uid store.UID, w io.Writer) (reply, error) {
	err := s.copyMessage(ctx, number, uid, w)
	switch {
	case err == nil || errors.Is(err, errEnough):
		s.out.end()
		return "", nil
	case s.out.lost:
		return "", err
	case s.out.begun:
		s.conn.Log().Warn("message broken off", "uid", uid, "error", err)
		return "", err
	}
	s.conn.Log().Warn("message not readable", "uid", uid, "error", err)
	return failure(err), nil
}

func (s *session) copyMessage(ctx context.Context, number int, uid store.UID, w io.Writer) error {
	if text := s.drop.inOrder.text(ctx, s.drop, number); text != nil {
		_, err := w.Write(text)
		return err
	}
	body, err := s.drop.account.Body(ctx, s.drop.snap, uid)
	if err != nil {
		return err
	}
	defer body.Close()
	return copyBody(w, body)
}

// chunks are the buffers for bodies that are not in memory.
var chunks = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// copyBody writes a body to w: at once if it is in memory, else bit by bit.
func copyBody(w io.Writer, body store.Body) error {
	if whole, ok := body.(io.WriterTo); ok {
		_, err := whole.WriteTo(w)
		return err
	}
	chunk := chunks.Get().(*[64 << 10]byte)
	defer chunks.Put(chunk)
	_, err := io.CopyBuffer(w, io.NewSectionReader(body, 0, body.Size()), chunk[:])
	return err
}
