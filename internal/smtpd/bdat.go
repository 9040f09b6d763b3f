package smtpd

import (
	"context"
	"errors"
	"strconv"

	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
)

var (
	replyChunked = smtpwire.NewReply(503, code{5, 5, 1}, "The message comes by BDAT: send the rest of it, or RSET")
	// RFC 3030 §3: DATA cannot carry a binary message.
	replyBinary = smtpwire.NewReply(503, code{5, 5, 1}, "BODY=BINARYMIME was announced: send the message by BDAT")
	replyFlood  = smtpwire.NewReply(552, code{5, 3, 4}, "The chunk is much larger than any message may be here")
)

var (
	// errLost ends a conversation in which nobody knows where the next command begins.
	// What follows may be a stranger's message, and must not be taken for commands.
	errLost = errors.New("smtpd: BDAT without a size")
	// errForgotten is why a message that had begun did not come to its end.
	errForgotten = errors.New("smtpd: the client began anew")
)

// chunks is a message on its way by BDAT and BURL, from its first chunk to its last.
type chunks struct {
	content *inbound.Content
	lines   smtpwire.LineReader
	refusal error // why nobody gets it; the content is ended then
}

// bdat receives a chunk of a message (RFC 3030 §2). Whatever is wrong, the chunk is
// read before the reply is written, and nothing in it is a command.
func (s *session) bdat(ctx context.Context, args string) (smtpwire.Reply, error) {
	chunk, sized, err := smtpwire.ParseChunk(args)
	switch limit := s.in.MaxSize(); {
	case !sized:
		return badSyntax(err), errLost
	case limit > 0 && chunk.Size/2 > limit:
		return replyFlood, errQuit
	case err != nil:
		s.reset(ctx) // the message would lack this chunk
		return s.discard(chunk, badSyntax(err))
	case s.chunks == nil:
		if reply := s.beginChunks(ctx); !reply.IsZero() {
			return s.discard(chunk, reply)
		}
	}
	if err := s.chunks.receive(ctx, s, chunk.Size); err != nil {
		return brokenOff(err), err
	}
	return s.chunkTaken(ctx, chunk)
}

// beginChunks begins a message. The reply is zero if it may begin.
func (s *session) beginChunks(ctx context.Context) smtpwire.Reply {
	reply := s.beforeContent()
	if reply.IsZero() {
		s.chunks = &chunks{content: s.tx.Receive(ctx), lines: smtpwire.LineReader{HeaderOnly: s.tx.IsBinary()}}
	}
	return reply
}

// chunkTaken is the reply to a chunk that has come, whatever becomes of it.
func (s *session) chunkTaken(ctx context.Context, chunk smtpwire.Chunk) (smtpwire.Reply, error) {
	if chunk.Last {
		return s.lastChunk(ctx)
	}
	if err := s.chunks.refusal; err != nil {
		return s.refusal(err)
	}
	return smtpwire.NewReply(250, code{2, 0, 0}, strconv.FormatInt(chunk.Size, 10)+" bytes received"), nil
}

// discard reads a chunk that has no place in any message.
func (s *session) discard(chunk smtpwire.Chunk, reply smtpwire.Reply) (smtpwire.Reply, error) {
	if err := s.pass(chunk.Size, func([]byte) error { return nil }); err != nil {
		return brokenOff(err), err
	}
	return reply, nil
}

// receive takes a chunk into the message. After a refusal it is read all the same:
// clients that pipeline have sent it before they could know. An error is that of the
// connection, or means that it is to end.
func (c *chunks) receive(ctx context.Context, s *session, size int64) error {
	err := s.pass(size, func(p []byte) error {
		if c.refusal != nil {
			return nil
		}
		_, err := c.Write(p)
		return err
	})
	if err == nil && c.refusal == nil {
		c.refusal = c.content.Refused(ctx, c.ends())
	}
	return err
}

// Write takes bytes into the message, which is not refused yet.
func (c *chunks) Write(p []byte) (int, error) {
	c.lines.Feed(p)
	return c.content.Write(p)
}

// pass lends the connection's buffer to use until so many bytes have gone by.
func (s *session) pass(size int64, use func([]byte) error) error {
	for size > 0 {
		p := s.conn.Buffered()
		if len(p) == 0 {
			if err := s.conn.Fill(); err != nil {
				return err
			}
			continue
		}
		p = p[:min(int64(len(p)), size)]
		err := use(p)
		s.conn.Discard(len(p))
		size -= int64(len(p))
		if err != nil {
			return err
		}
	}
	return nil
}

// lastChunk ends the message, and with it the transaction.
func (s *session) lastChunk(ctx context.Context) (smtpwire.Reply, error) {
	c, tx := s.chunks, s.tx
	s.chunks = nil
	s.reset(ctx)
	if c.refusal != nil {
		return s.ended(tx, nil, c.refusal)
	}
	if c.lines.Finish() && !tx.IsBinary() {
		// A text consists of whole lines, as it would after DATA. An error sticks.
		_, _ = c.content.Write([]byte("\r\n"))
	}
	results, err := c.content.Commit(ctx, c.ends())
	return s.ended(tx, results, err)
}

func (c *chunks) ends() inbound.LineEnds {
	return inbound.LineEnds{BareCR: c.lines.BareCR, BareLF: c.lines.BareLF}
}

// abort gives the message up.
func (c *chunks) abort(ctx context.Context) {
	if c.refusal == nil {
		c.content.Abort(ctx, errForgotten)
	}
}
