package smtpclient

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"

	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
)

// data sends the message after a 354 (RFC 5321 §4.1.1.4).
func (t *transaction) data(body io.Reader) {
	var lines lines
	conn, timeouts := t.c.conn, &t.c.o.Timeouts
	err := readBlocks(body, func(p []byte) bool {
		conn.out = lines.append(conn.out, p)
		return len(conn.out) < outBuffer || conn.flush(timeouts.Block) == nil
	})
	if err != nil {
		t.abandon(err)
		return
	}
	conn.out = lines.end(conn.out)
	_ = conn.flush(timeouts.Block) // if it fails, the server may have said why
	t.results()
}

// sendNothing ends a transaction that nobody is left in, after a 354 to a DATA that
// was sent before that was known (RFC 2920 §3.1).
func (t *transaction) sendNothing() {
	if t.c.o.LMTP { // which has no reply to that: RFC 2033 §4.2 does not let it happen
		t.c.conn.broken = fault.New(fault.Invalid, "the server wants a message for nobody")
		return
	}
	t.c.conn.out = append(t.c.conn.out, ".\r\n"...)
	_, _ = t.c.conn.reply(AtEnd, t.c.o.Timeouts.DataEnd) // no recipient is concerned
	t.c.open = false
}

// abandon gives up in the middle of a message, because its source has failed. Only
// hanging up keeps the server from taking what it has for all.
func (t *transaction) abandon(err error) {
	t.c.conn.nc.Close()
	t.c.conn.broken = fault.New(fault.KindOf(err), "the message cannot be read: %w", err)
	e := wrap(AtEnd, smtpwire.Reply{}, t.c.conn.broken)
	e.Source = true
	t.fail(e)
}

// results reads what the server says to the message: once, or, with LMTP, once for
// each recipient that it has accepted (RFC 2033 §4.2).
func (t *transaction) results() {
	var reply smtpwire.Reply
	var err error
	for n, i := range t.accepted {
		if n == 0 || t.c.o.LMTP {
			reply, err = t.c.conn.reply(AtEnd, t.c.o.Timeouts.DataEnd)
		}
		t.outcomes[i].Reply = reply
		if err == nil && reply.Class() == 2 {
			err = t.c.conn.muted() // then it cannot be the reply to the whole message
		}
		switch {
		case err != nil:
			t.failOne(i, err)
		case reply.Class() != 2:
			t.failOne(i, t.c.refused(AtEnd, reply))
		}
	}
	t.c.open = err != nil
}

// chunkSize is how much goes into one BDAT.
const chunkSize = 64 << 10

// chunks sends the message with BDAT (RFC 3030 §2), as it is. Of the replies to
// chunks only the last one concerns the message, unless there is a refusal before it.
func (t *transaction) chunks(body io.Reader) {
	conn, timeouts := t.c.conn, &t.c.o.Timeouts
	chunk := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(body, chunk)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			t.abandon(err)
			return
		}
		command := "BDAT " + strconv.Itoa(n)
		if last {
			command += " LAST"
		}
		conn.command(command)
		conn.out = append(conn.out, chunk[:n]...)
		if last {
			t.results()
			return
		}
		reply, err := conn.reply(AtEnd, timeouts.Block)
		if err == nil && reply.Class() != 2 {
			err = t.c.refused(AtEnd, reply)
		}
		if err != nil {
			t.fail(err)
			return
		}
	}
}

var blocks = sync.Pool{New: func() any { return new([outBuffer]byte) }}

// readBlocks reads all there is. If use does not want to go on, nobody is
// interested in the rest.
func readBlocks(r io.Reader, use func([]byte) bool) error {
	block := blocks.Get().(*[outBuffer]byte)
	defer blocks.Put(block)
	for {
		n, err := r.Read(block[:])
		switch {
		case !use(block[:n]), errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// lines puts text into the form in which it must travel: every line ends in CRLF,
// and neither CR nor LF is anywhere else. Of those that are, LF ends a line, as it was
// meant to, and CR becomes a space, since nobody knows what it was meant to. With a
// lone LF that passed, a server that takes it for the end of a line would find a
// second message in one (RFC 5321 §2.3.8). A dot at the start of a line gets another
// one before it (RFC 5321 §4.5.2).
type lines struct {
	inLine bool
	heldCR bool // a CR was last: whether it is a lone one is not known yet
}

var (
	cr   = []byte{'\r'}
	crlf = []byte{'\r', '\n'}
)

// append appends the next piece of text to dst.
func (l *lines) append(dst, p []byte) []byte {
	for len(p) > 0 {
		if l.heldCR {
			l.heldCR = false
			if p[0] != '\n' {
				dst = l.text(dst, cr)
			}
		}
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			p, l.heldCR = bytes.CutSuffix(p, cr)
			return l.text(dst, p)
		}
		dst = l.text(dst, bytes.TrimSuffix(p[:n], cr))
		dst = append(dst, crlf...)
		l.inLine = false
		p = p[n+1:]
	}
	return dst
}

// text appends a piece of a line.
func (l *lines) text(dst, p []byte) []byte {
	if len(p) == 0 {
		return dst
	}
	if !l.inLine && p[0] == '.' {
		dst = append(dst, '.')
	}
	l.inLine = true
	for {
		n := bytes.IndexByte(p, '\r')
		if n < 0 {
			return append(dst, p...)
		}
		dst = append(append(dst, p[:n]...), ' ')
		p = p[n+1:]
	}
}

// end ends the last line and the message.
func (l *lines) end(dst []byte) []byte {
	if l.heldCR {
		dst = l.text(dst, cr)
	}
	if l.inLine {
		dst = append(dst, crlf...)
	}
	return append(dst, '.', '\r', '\n')
}
