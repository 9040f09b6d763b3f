package imapd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"

	"posthorn/internal/casemap"
	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// session is one client's conversation. It has no goroutine of its own but wire's,
// and while it waits for a command it holds nothing but this struct.
type session struct {
	srv  *Server
	conn *wire.Conn
	dec  *imapwire.Decoder

	account   *store.Account    // nil until logged in
	user      string            // whose it is
	box       *mailbox          // nil unless one is selected
	idler     *command          // the IDLE under way, or nil
	enabled   enabled           // what the client has said that it understands
	client    string            // name and version that it has said in ID
	without   []string          // capabilities that are withheld from it
	language  language          // nil: English
	collation casemap.Collation // by which texts are compared
	bookmark  bookmark          // where the client has stopped reading a part in pieces
	loggedOut bool

	inCommand bool  // lines belong to the command under way
	readErr   error // the connection failed during a command
	mistakes  int   // bad commands in a row
	early     int   // commands before logging in

	notify     *notification   // what the client wants to hear of; nil until it says so
	stopAround func()          // nil until the user's own account is watched for NOTIFY
	stopWatch  func()          // nil until something is watched
	watched    store.AccountID // by stopWatch
	stale      atomic.Bool     // the account may have changed since the last look at the selected mailbox
	elsewhere  atomic.Bool     // the user's own account may have since the last look at its other mailboxes
	wake       atomic.Bool     // wake the connection when anything becomes stale
}

// maxMistakes is how many bad commands in a row a client may send: one that does not
// speak IMAP is not worth listening to.
const maxMistakes = 20

// maxEarly is how many commands a client may send before it has logged in.
const maxEarly = 100

func newSession(srv *Server, conn *wire.Conn) *session {
	s := &session{srv: srv, conn: conn, collation: casemap.Unicode}
	s.dec = imapwire.NewDecoder(s, maxLiteralPreAuth)
	s.applyQuirks()
	return s
}

func (s *session) greet() {
	s.line("* OK [CAPABILITY ", s.capabilities(), "] Posthorn is ready")
}

func (s *session) close() {
	s.notify.leaveNeighbours()
	for _, stop := range []func(){s.stopWatch, s.stopAround} {
		if stop != nil {
			stop()
		}
	}
}

// run serves commands until the session ends. Thousands of sessions wait in here at
// a time, so their stacks matter: it, Line, and what is between them have small
// frames, and IDLE is no handler's loop but a state of this one.
func (s *session) run(ctx context.Context) {
	for !s.loggedOut {
		s.inCommand = false
		err := s.dec.Next()
		if err == nil {
			err = s.command(ctx)
		} else {
			err = s.interrupted(ctx, err)
		}
		if err != nil {
			s.goodbye(err)
			return
		}
	}
}

// interrupted handles what came instead of a command. Its error ends the session.
func (s *session) interrupted(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, wire.ErrWoken):
		return s.woken(ctx)
	case errors.Is(err, wire.ErrLineTooLong):
		s.line("* BAD [LIMIT] The line is too long")
		return s.mistake()
	}
	return err
}

var (
	errMistakes    = errors.New("imapd: too many bad commands")
	errEarly       = errors.New("imapd: too many commands before logging in")
	errMailboxGone = errors.New("imapd: the selected mailbox was deleted")
	errNotShared   = errors.New("imapd: the selected mailbox is not shared any more")
	errTooMuch     = fault.New(fault.TooLarge, "imapd: a literal that nobody asked for is too large")
)

// mistake counts a bad command.
func (s *session) mistake() error {
	s.mistakes++
	if s.mistakes >= maxMistakes || s.account == nil && s.conn.ProtocolError() {
		return errMistakes
	}
	return nil
}

// goodbye tells the client why the session ends, if it may still listen.
func (s *session) goodbye(err error) {
	switch {
	case errors.Is(err, wire.ErrDraining):
		s.line("* BYE [UNAVAILABLE] The server is shutting down, connect again")
	case errors.Is(err, wire.ErrEnded):
		s.line("* BYE You were signed out, log in again")
	case errors.Is(err, wire.ErrIdleTimeout):
		s.line("* BYE Nothing was heard for too long")
	case errors.Is(err, wire.ErrTooManyErrors), errors.Is(err, errMistakes):
		s.line("* BYE [CLIENTBUG] Too many bad commands")
	case errors.Is(err, errEarly):
		s.line("* BYE [CLIENTBUG] Too many commands without logging in")
	case errors.Is(err, errMailboxGone):
		s.line("* BYE [NONEXISTENT] The selected mailbox was deleted")
	case errors.Is(err, errNotShared):
		s.line("* BYE [NOPERM] The selected mailbox is not shared with you any more")
	case errors.Is(err, errTooMuch):
		s.line("* BYE [TOOBIG] The literal is larger than allowed")
	}
}

// line writes one response line.
func (s *session) line(parts ...string) {
	for _, p := range parts {
		s.conn.WriteString(p)
	}
	s.conn.WriteString("\r\n")
}

// Line is imapwire.Source. The first line of a command is waited for, interruptibly;
// the others are part of it.
func (s *session) Line() ([]byte, error) {
	max := maxLine
	if s.account == nil {
		max = maxLinePreAuth
	}
	var line []byte
	var err error
	if s.inCommand {
		if len(s.conn.Buffered()) == 0 { // as clients do that send the end of APPEND apart
			s.conn.AckNow()
		}
		line, err = s.conn.ReadMore(max)
		s.readErr = err
	} else {
		line, err = s.conn.ReadLine(max)
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'}), nil
}

// Literal is imapwire.Source.
func (s *session) Literal(n int64, nonSync bool) (io.Reader, error) {
	if n > s.largestLiteral() {
		s.readErr = errTooMuch
		return nil, errTooMuch
	}
	if !nonSync {
		s.conn.WriteString("+ OK\r\n")
	}
	return &literal{s, n}, nil
}

// largestLiteral is the largest literal that is read, be it to refuse the command
// and go on with the next one.
func (s *session) largestLiteral() int64 {
	if s.account == nil {
		return maxLiteralPreAuth
	}
	return 2 * s.srv.maxMessage
}

// literal reads a literal from the connection.
type literal struct {
	s    *session
	left int64
}

func (l *literal) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	n, err := l.s.conn.Read(p[:min(int64(len(p)), l.left)])
	return n, l.took(n, err)
}

// WriteTo spares a copy of what has arrived. It reads on to the literal's end when w
// fails, so that the next command can be found.
func (l *literal) WriteTo(w io.Writer) (written int64, err error) {
	for l.left > 0 {
		b := l.s.conn.Buffered()
		if len(b) == 0 {
			if err := l.took(0, l.s.conn.Fill()); err != nil {
				return written, err
			}
			continue
		}
		b = b[:min(int64(len(b)), l.left)]
		if err == nil {
			_, err = w.Write(b)
		}
		l.s.conn.Discard(len(b))
		written += int64(len(b))
		l.left -= int64(len(b))
	}
	return written, err
}

func (l *literal) took(n int, err error) error {
	l.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		l.s.readErr = err
	}
	return err
}
