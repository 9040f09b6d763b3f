// Package pop3d is the face of the server towards POP3 clients (RFC 1939, 2449,
// 2595, 3206, 5034, 6856), on connections of package wire.
//
// It owns the order of commands and the words of replies. A session works on one
// snapshot of INBOX, or of what the account's settings have instead (settings.go),
// taken when it logs in: message numbers, sizes and unique ids never change under it,
// whatever IMAP and delivery do meanwhile. It never holds them up: that a maildrop has
// one session at a time (locks.go) concerns POP3 alone.
//
// Flow: Serve reads a line, dispatch finds the command's handler (access.go logs
// in, listing.go and retrieval.go read the maildrop, update.go deletes), which
// returns the reply, or writes it itself if it has many lines (multiline.go).
//
// Invariants: nothing changes but by QUIT, in one change of the store; a message
// that could not be read whole never looks as if it had been; a password is not
// taken in clear unless the listener says so.
package pop3d

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"posthorn/internal/login"
	"posthorn/internal/obs"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// Options configure a Server. Hostname, Store and Gate are required.
type Options struct {
	Hostname string // what the server calls itself
	Store    *store.Store
	Gate     *login.Gate
	Locks    *Locks // shared by the servers of all listeners; nil: its own

	Accounts   Accounts      // how accounts want to be shown; nil: all alike
	LoginDelay time.Duration // between two logins to an account; 0: none
	Recorder   obs.Recorder  // is told what users delete; nil: nobody is
}

// Server speaks the protocol on any number of connections.
type Server struct{ o Options }

// New makes a Server.
func New(o Options) *Server {
	if o.Locks == nil {
		o.Locks = NewLocks()
	}
	if o.Accounts == nil {
		o.Accounts = alike{}
	}
	return &Server{o}
}

// maxLine is the longest command, CRLF included, and the longest answer to a SASL
// challenge. RFC 2449 §4 asks for 255; passwords and tokens may be longer.
const maxLine = 12288

// session is the state of one conversation.
type session struct {
	*Options
	conn   *wire.Conn
	user   string    // named by USER, and waiting for PASS
	seal   string    // what the client was greeted with for APOP; "": it is not offered
	drop   *maildrop // nil until logged in: the AUTHORIZATION state
	words  language  // of replies; nil: English
	inUTF8 bool
	out    multiline // the message that is being sent
}

// reply is a status line without its CRLF; empty if the handler has said all.
type reply string

// Serve speaks with one client until either says goodbye.
func (s *Server) Serve(ctx context.Context, conn *wire.Conn) {
	ss := &session{Options: &s.o, conn: conn}
	defer ss.leave()
	ss.greet()
	for {
		line, err := conn.ReadLine(maxLine)
		var r reply
		if err == nil {
			r, err = ss.command(ctx, line)
		} else {
			r, err = unread(err)
		}
		ss.say(r)
		if err != nil {
			return
		}
	}
}

// say sends a reply, as soon as the next read would block.
func (s *session) say(r reply) {
	if s.words != nil {
		r = s.words.in(r)
	}
	if r != "" {
		s.conn.WriteString(string(r)) // a broken connection shows at the next read
		s.conn.WriteString("\r\n")
	}
}

// handler carries out one command. After an error the connection ends.
type handler func(s *session, ctx context.Context, args string) (reply, error)

// phase says when a command is permitted (RFC 1939 §3).
type phase uint8

const (
	authorization phase = 1 << iota
	transaction
)

// command carries out one line.
func (s *session) command(ctx context.Context, line []byte) (reply, error) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
	if bytes.ContainsAny(line, "\x00\r") {
		return s.wrong("-ERR Control characters are not allowed in a command"), nil
	}
	keyword, args, _ := strings.Cut(string(line), " ")
	h, when := dispatch(strings.ToUpper(keyword))
	now := authorization
	if s.drop != nil {
		now = transaction
	}
	switch {
	case h == nil:
		return s.wrong("-ERR Unknown command"), nil
	case when&now != 0:
		return h(s, ctx, args)
	case now == authorization:
		return s.wrong("-ERR Log in first"), nil
	}
	return s.wrong("-ERR You are logged in already"), nil
}

// wrong counts an error of the client's program against its budget.
func (s *session) wrong(r reply) reply {
	s.conn.ProtocolError() // reads report when it is used up
	return r
}

// dispatch finds the handler of a command, and when it may be used.
func dispatch(keyword string) (handler, phase) {
	switch keyword {
	case "USER":
		return (*session).userCmd, authorization
	case "PASS":
		return (*session).pass, authorization
	case "APOP":
		return (*session).apop, authorization
	case "AUTH":
		return (*session).auth, authorization
	case "STLS":
		return (*session).stls, authorization
	case "UTF8":
		return (*session).utf8, authorization
	case "LANG":
		return (*session).lang, authorization | transaction
	case "CAPA":
		return (*session).capa, authorization | transaction
	case "STAT":
		return (*session).stat, transaction
	case "LIST":
		return (*session).list, transaction
	case "UIDL":
		return (*session).uidl, transaction
	case "RETR":
		return (*session).retr, transaction
	case "TOP":
		return (*session).top, transaction
	case "DELE":
		return (*session).dele, transaction
	case "LAST":
		return (*session).last, transaction
	case "RSET":
		return (*session).rset, transaction
	case "NOOP":
		return (*session).noop, transaction
	case "QUIT":
		return (*session).quit, authorization | transaction
	}
	return nil, 0
}

// unread gives the last words for a read that failed, and the error if they are to
// be the last.
func unread(err error) (reply, error) {
	switch {
	case errors.Is(err, wire.ErrWoken):
		return "", nil
	case errors.Is(err, wire.ErrLineTooLong):
		return "-ERR The line is too long", nil
	case errors.Is(err, wire.ErrDraining):
		return "-ERR [SYS/TEMP] The server is being restarted; connect again soon", err
	case errors.Is(err, wire.ErrEnded):
		return "-ERR You were signed out; log in again", err
	case errors.Is(err, wire.ErrTooManyErrors):
		return "-ERR Too many errors; look at what your program sends", err
	}
	// RFC 1939 §3: a client that says nothing for too long is not told, as it
	// would take this for the answer to its next command.
	return "", err
}
