// Package smtpd is the face of the server towards SMTP and LMTP clients: mail
// exchange, submission and local delivery, on connections of package wire.
//
// It owns the order of commands, the extensions that are offered, and the words of
// replies. It never decides about mail, which is what inbound is for, and parses
// nothing itself, which smtpwire does.
//
// Flow: Serve reads a line, smtpwire takes it apart, dispatch finds the handler,
// which lives in the file of its command. Every handler has the same shape: the
// arguments in, one reply out, and an error only if the connection is to end.
// DATA lends the connection's buffer to the dot reader, and what comes out of that
// to inbound, so that a message is copied once, into the store; BDAT lends it
// directly, and BURL copies from a mailbox.
//
// Invariants: a reply is sent for every command, also for those that nobody knows;
// a positive reply to a message is written only after inbound has committed it;
// what a client said before STARTTLS is forgotten after it; no byte of a message is
// ever taken for a command, whatever becomes of the message.
package smtpd

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"posthorn/internal/inbound"
	"posthorn/internal/login"
	"posthorn/internal/smtpwire"
	"posthorn/internal/wire"
)

// Options configure a Server. Hostname and Acceptor are required.
type Options struct {
	Role     inbound.Role
	Hostname string // what the server calls itself
	Acceptor *inbound.Acceptor
	Gate     *login.Gate    // for submission; the other roles never offer AUTH
	URLs     URLs           // for submission: where BURL finds messages; nil: it is not offered
	Trusted  []netip.Prefix // proxies and filters that may speak for others (XCLIENT, XFORWARD)
}

// What a wire.Server should know that runs this protocol.
const (
	// Busy is said to a client that has to wait for a free place.
	Busy = "421 4.7.0 Too many connections; try again later\r\n"
	// Timeout is how long a client may at least take for each command (RFC 5321 §4.5.3.2.7).
	Timeout = 5 * time.Minute
)

// Server speaks the protocol on any number of connections.
type Server struct{ o Options }

// New makes a Server.
func New(o Options) *Server { return &Server{o} }

// The longest command lines, CRLF included. RFC 5321 §4.5.3.1.4 asks for 512, and
// more with extensions. RFC 4954 §4: a line of AUTH may have 12288.
const (
	maxLine     = 2048
	maxAuthLine = 12288 + len("AUTH PLAIN ") + len("\r\n")
)

// Serve speaks with one client until either says goodbye.
func (s *Server) Serve(ctx context.Context, conn *wire.Conn) {
	ss := &session{Options: s.o, conn: conn}
	ss.open(conn.RemoteAddr().Addr(), conn.LocalAddr().Addr())
	defer ss.close(ctx)
	longest := maxLine
	if ss.offersAuth() {
		longest = maxAuthLine
	}
	reply, err := ss.greet(ctx)
	for ss.say(reply); err == nil; ss.say(reply) {
		reply, err = ss.next(ctx, longest)
	}
}

// session is the state of one conversation.
type session struct {
	Options
	conn   *wire.Conn
	in     *inbound.Session
	remote netip.Addr // the client's; invalid if the transport has none

	client   claim // of XCLIENT
	claimed  bool  // there was one
	upstream claim // of XFORWARD, for the next message

	unwanted bool // it was told so instead of being greeted
	greeted  bool // HELO, EHLO or LHLO was said
	extended bool // the last of them was not HELO
	user     string
	tx       *inbound.Transaction // from MAIL to the end of the message
	refused  int                  // recipients of tx that were refused
	chunks   *chunks              // of tx, from its first BDAT or BURL on
}

// open begins a session of inbound for a client at an address.
func (s *session) open(remote, local netip.Addr) {
	s.remote = remote
	s.in = s.Acceptor.NewSession(inbound.Peer{
		Role: s.Role, PlaintextAuth: s.offersAuth() && s.Gate.InClear(), Remote: remote, Local: local, Conn: s.conn.ID(), Log: s.log(),
	})
	if state := s.conn.TLS(); state != nil {
		s.in.Secured(state)
	}
}

// close ends what open has begun, and all that belongs to it.
func (s *session) close(ctx context.Context) {
	s.reset(ctx)
	s.in.Close()
}

// log names the connection, and whom the client stands for.
func (s *session) log() *slog.Logger {
	if s.claimed {
		return s.conn.Log().With("client", s.remote.String())
	}
	return s.conn.Log()
}

// reset ends the transaction, if there is one.
func (s *session) reset(ctx context.Context) {
	if s.chunks != nil {
		s.chunks.abort(ctx)
	}
	s.tx, s.refused, s.chunks, s.upstream = nil, 0, nil, claim{}
}

// next waits for a command and carries it out. Between the chunks of a message
// nothing else ends the wait: what has begun is to come to its end.
func (s *session) next(ctx context.Context, longest int) (smtpwire.Reply, error) {
	read := s.conn.ReadLine
	if s.chunks != nil {
		read = s.conn.ReadMore
	}
	line, err := read(longest)
	if err != nil {
		reply, err := unread(err)
		return s.counted(reply), err
	}
	return s.command(ctx, line)
}

// say sends a reply, as soon as the next read would block.
func (s *session) say(r smtpwire.Reply) {
	if !r.IsZero() {
		_, _ = s.conn.Write(r.Append(s.conn.AvailableBuffer())) // a broken connection shows at the next read
	}
}

// handler carries out one command. It gets the arguments and returns the reply;
// the zero Reply if it has said all itself. After an error the connection ends.
type handler func(s *session, ctx context.Context, args string) (smtpwire.Reply, error)

// command carries out one line.
func (s *session) command(ctx context.Context, line []byte) (smtpwire.Reply, error) {
	cmd, err := smtpwire.ParseCommand(line)
	switch {
	case err != nil && smtpwire.AnnouncesChunk(line):
		return badSyntax(err), errLost
	case err != nil:
		return s.counted(badSyntax(err)), nil
	case s.unwanted && cmd.Verb == smtpwire.BDAT:
		return replyUnwanted, errSentAway
	case s.unwanted && cmd.Verb != smtpwire.QUIT:
		return s.counted(replyUnwanted), nil
	}
	h := s.dispatch(cmd.Verb)
	if h == nil {
		return s.counted(replyUnknown), nil
	}
	reply, err := h(s, ctx, cmd.Args)
	return s.counted(reply), err
}

// counted counts a reply that speaks of the client's program being at fault
// against its error budget. Of refusals of mail, only those do that inbound takes for
// abuse: see refusal.
func (s *session) counted(r smtpwire.Reply) smtpwire.Reply {
	switch r.Code {
	case 500, 501, 502, 503, 504, 535, 538, 555:
		s.offended()
	}
	return r
}

// offended counts an error of the client's, and keeps it waiting for the reply, the
// longer the more there have been. Reads report when its error budget is used up.
func (s *session) offended() {
	s.in.Offended()
	s.conn.ProtocolError()
	s.conn.Pause(s.in.Tarpit(s.conn.Errors()))
}

// dispatch finds the handler of a command.
func (s *session) dispatch(v smtpwire.Verb) handler {
	lmtp := s.Role == inbound.LMTP
	switch v {
	case smtpwire.LHLO:
		if lmtp {
			return (*session).ehlo
		}
		return nil
	case smtpwire.EHLO, smtpwire.HELO:
		// RFC 2033 §4.1: LMTP has neither, lest one protocol be taken for the other.
		switch {
		case lmtp:
			return nil
		case v == smtpwire.HELO:
			return (*session).helo
		}
		return (*session).ehlo
	case smtpwire.MAIL:
		return (*session).mail
	case smtpwire.RCPT:
		return (*session).rcpt
	case smtpwire.DATA:
		return (*session).data
	case smtpwire.BDAT:
		return (*session).bdat
	case smtpwire.BURL:
		return (*session).burl
	case smtpwire.RSET:
		return (*session).rset
	case smtpwire.NOOP:
		return (*session).noop
	case smtpwire.QUIT:
		return (*session).quit
	case smtpwire.VRFY:
		return (*session).vrfy
	case smtpwire.HELP:
		return (*session).help
	case smtpwire.STARTTLS:
		return (*session).starttls
	case smtpwire.AUTH:
		return (*session).auth
	case smtpwire.XCLIENT:
		return (*session).xclient
	case smtpwire.XFORWARD:
		return (*session).xforward
	case smtpwire.EXPN, smtpwire.ETRN, smtpwire.TURN, smtpwire.ATRN, smtpwire.SEND, smtpwire.SOML, smtpwire.SAML:
		return (*session).refuse
	case "GET", "POST", "CONNECT":
		return (*session).web
	}
	return nil
}
