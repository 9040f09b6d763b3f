// Package imapd is the IMAP face of the server: RFC 9051, RFC 3501 and extensions over
// a wire.Conn, with the mail that package store keeps.
//
// It owns what commands mean and when clients are told of changes. It never owns a
// socket (wire does), never parses or writes IMAP syntax by itself (imapwire does),
// never decides about mail (store does).
//
// Flow: wire calls Serve -> a session reads one command after another (session.go)
// -> the table of commands says who runs it and when it is allowed (command.go) ->
// its file (fetch.go, store.go, …) decodes the arguments, works on the store and
// writes its own responses -> changes of the selected mailbox are told, by
// changes.go alone -> the tagged reply.
//
// Invariants:
//
//   - The client's idea of its mailbox is session.box.view, and nothing else: message
//     numbers are of it, and only changes.go brings it forward, by telling the client.
//   - EXPUNGE is never sent during FETCH, STORE and SEARCH, nor without a command, unless
//     the client asks for that with NOTIFY.
//   - A client that is told a HIGHESTMODSEQ has been told of every change up to there.
//   - Nothing is written to the connection inside a callback of the store, so a client
//     that does not read holds no lock, and memory for one batch.
//   - An OK to APPEND, COPY, MOVE, STORE and EXPUNGE comes after a durable commit.
package imapd

import (
	"context"
	"sync"

	"posthorn/internal/login"
	"posthorn/internal/obs"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// Options configure a Server. Store and Gate are required.
type Options struct {
	Store      *store.Store
	Gate       *login.Gate
	Directory  Directory    // nil: nobody can share mailboxes
	Recorder   obs.Recorder // is told what users delete; nil: nobody is
	Index      Index        // nil: every search opens what it has to look into
	Version    string       // for ID; empty: not told
	Admin      string       // the address of whoever administers the server; empty: not told
	Quirks     []Quirk
	MaxMessage int64 // bytes an appended message may have; default 100 MiB

	Administrators []string // whoever may set quotas, by address
	MessageLimit   int      // messages that one command works on (RFC 9738); 0: any number
	SaveLimit      int      // messages that one COPY or APPEND stores; 0: any number
	Referrals      []string // "address URL": whoever has to go to another server
}

// The limits on what a client may say, in bytes: smaller before it has logged in.
const (
	maxLinePreAuth    = 16 << 10 // a token fits
	maxLine           = 64 << 10 // RFC 7162 §4 wants 8192 at least; long UID sets need more
	maxLiteralPreAuth = 8 << 10  // all literals of a command together, but for APPEND
	maxLiteral        = 64 << 10
)

// Server holds what all sessions share.
type Server struct {
	store      *store.Store
	gate       *login.Gate
	recorder   obs.Recorder
	index      Index
	directory  Directory
	version    string
	admin      string
	maxMessage int64
	quirks     []Quirk
	limits     limits
	admins     []string
	referrals  map[string]string // from addresses in lower case to URLs
	buffers    sync.Pool         // of *[]byte, see output
}

// New makes a Server.
func New(o Options) *Server {
	if o.MaxMessage == 0 {
		o.MaxMessage = 100 << 20
	}
	return &Server{
		store: o.Store, gate: o.Gate, recorder: o.Recorder, index: o.Index, directory: o.Directory,
		version: o.Version, admin: o.Admin, maxMessage: o.MaxMessage, quirks: o.Quirks,
		limits: limits{o.MessageLimit, o.SaveLimit}, admins: o.Administrators, referrals: referrals(o.Referrals),
	}
}

// Serve runs a session on a connection until it ends. It is what wire.Options.Serve
// wants.
func (srv *Server) Serve(ctx context.Context, conn *wire.Conn) {
	s := newSession(srv, conn)
	defer s.close()
	s.greet()
	s.run(ctx)
}

// Busy is what wire.Options.Busy should say when there are too many connections.
const Busy = "* BYE [UNAVAILABLE] Too many connections, try again later\r\n"
