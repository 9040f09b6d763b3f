package imapd

import (
	"errors"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
)

type status uint8

const (
	statusNO status = iota + 1
	statusBAD
)

// reply is a tagged NO or BAD. Handlers return one as their error when they know
// better than the table what to say.
type reply struct {
	status status
	code   string // response code, without brackets
	words  string
}

func (r *reply) Error() string { return "imapd: " + r.text() }

func (r *reply) text() string {
	if r.code == "" {
		return r.words
	}
	return "[" + r.code + "] " + r.words
}

func no(code, words string) error { return &reply{statusNO, code, words} }
func bad(words string) error      { return &reply{statusBAD, "", words} }

// replies is what a client is told when the store or the directory fails, by kind
// of failure. The codes are those of RFC 5530 where it has one.
var replies = map[fault.Kind]reply{
	fault.Internal:        {statusNO, "SERVERBUG", "Something went wrong here; the server's log says what"},
	fault.Invalid:         {statusNO, "CANNOT", "That name or value is not possible here"},
	fault.NotFound:        {statusNO, "NONEXISTENT", "There is no such mailbox"},
	fault.Exists:          {statusNO, "ALREADYEXISTS", "A mailbox of that name exists already"},
	fault.InUse:           {statusNO, "INUSE", "Somebody else is using it, try again later"},
	fault.Denied:          {statusNO, "NOPERM", "That is not allowed"},
	fault.Unauthenticated: {statusNO, "AUTHENTICATIONFAILED", "The user name or the password is wrong"},
	fault.OverQuota:       {statusNO, "OVERQUOTA", "The account's quota is used up, delete something first"},
	fault.TooLarge:        {statusNO, "TOOBIG", "That is larger than this server accepts"},
	fault.Limit:           {statusNO, "LIMIT", "A limit of this server is reached"},
	fault.StorageFull:     {statusNO, "UNAVAILABLE", "The server's disk is full, try again later"},
	fault.Unavailable:     {statusNO, "UNAVAILABLE", "The server cannot do that at the moment, try again later"},
	fault.Corrupt:         {statusNO, "CORRUPTION", "Stored data is damaged; the server's log says more"},
	fault.Unsupported:     {statusNO, "CANNOT", "This server does not offer that"},
	fault.Canceled:        {statusNO, "UNAVAILABLE", "The command was broken off, try again"},
}

// explain turns what a handler returned into a reply.
func (s *session) explain(c *command, err error) reply {
	var r *reply
	if errors.As(err, &r) {
		return *r
	}
	var syntax *imapwire.SyntaxError
	if errors.As(err, &syntax) {
		return reply{statusBAD, "", "Syntax error: " + syntax.Error()}
	}
	if err == s.dec.Err() { // a command too long or nested too deeply
		return reply{statusBAD, "LIMIT", "The command is too long or too complex"}
	}
	kind := fault.KindOf(err)
	switch kind {
	case fault.Internal, fault.Corrupt, fault.StorageFull, fault.Unavailable:
		s.conn.Log().Error("command failed", "command", c.name, "error", err)
	}
	return replies[kind]
}
