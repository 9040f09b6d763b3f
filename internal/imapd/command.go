package imapd

import (
	"context"

	"posthorn/internal/fault"
	"posthorn/internal/imapwire"
	"posthorn/internal/store"
)

// states is a set of session states (RFC 3501 §3).
type states uint8

const (
	notAuthenticated states = 1 << iota
	authenticated
	selected

	loggedIn = authenticated | selected
	anyState = notAuthenticated | loggedIn
)

// spec says of a command when it is allowed and who runs it. A handler decodes the
// arguments, does its work and writes its untagged responses; its error, or none,
// becomes the tagged reply.
type spec struct {
	in  states
	run func(*session, context.Context, *command) error
	// numbered: message numbers must not change while it runs, nor in its responses
	// (RFC 3501 §7.4.1).
	numbered bool
	expunges bool // it makes messages go, and they are told of whatever NOTIFY says
}

var commands = map[string]spec{
	"CAPABILITY": {in: anyState, run: (*session).capability},
	"NOOP":       {in: anyState, run: (*session).noop},
	"LOGOUT":     {in: anyState, run: (*session).logout},
	"ID":         {in: anyState, run: (*session).id},
	"LANGUAGE":   {in: anyState, run: (*session).setLanguage},

	"STARTTLS":     {in: notAuthenticated, run: (*session).startTLS},
	"AUTHENTICATE": {in: notAuthenticated, run: (*session).authenticate},
	"LOGIN":        {in: notAuthenticated, run: (*session).login},

	"UNAUTHENTICATE": {in: loggedIn, run: (*session).unauthenticate},

	"COMPARATOR":  {in: loggedIn, run: (*session).comparator},
	"COMPRESS":    {in: loggedIn, run: (*session).compress},
	"ENABLE":      {in: loggedIn, run: (*session).enable},
	"NAMESPACE":   {in: loggedIn, run: (*session).namespace},
	"SELECT":      {in: loggedIn, run: (*session).selectMailbox},
	"EXAMINE":     {in: loggedIn, run: (*session).examine},
	"CREATE":      {in: loggedIn, run: (*session).create},
	"DELETE":      {in: loggedIn, run: (*session).delete},
	"RENAME":      {in: loggedIn, run: (*session).rename},
	"SUBSCRIBE":   {in: loggedIn, run: (*session).subscribe},
	"UNSUBSCRIBE": {in: loggedIn, run: (*session).unsubscribe},
	"LIST":        {in: loggedIn, run: (*session).list},
	"LSUB":        {in: loggedIn, run: (*session).lsub},
	"STATUS":      {in: loggedIn, run: (*session).status},
	"APPEND":      {in: loggedIn, run: (*session).append},
	"GENURLAUTH":  {in: loggedIn, run: (*session).genURLAuth},
	"RESETKEY":    {in: loggedIn, run: (*session).resetKey},
	"URLFETCH":    {in: loggedIn, run: (*session).urlFetch},
	"NOTIFY":      {in: loggedIn, run: (*session).setNotify},
	"ESEARCH":     {in: loggedIn, run: (*session).multiSearch},
	"IDLE":        {in: loggedIn, run: (*session).idle},

	"GETACL":       {in: loggedIn, run: (*session).getACL},
	"SETACL":       {in: loggedIn, run: (*session).setACL},
	"DELETEACL":    {in: loggedIn, run: (*session).deleteACL},
	"LISTRIGHTS":   {in: loggedIn, run: (*session).listRights},
	"MYRIGHTS":     {in: loggedIn, run: (*session).myRights},
	"GETMETADATA":  {in: loggedIn, run: (*session).getMetadata},
	"SETMETADATA":  {in: loggedIn, run: (*session).setMetadata},
	"GETQUOTA":     {in: loggedIn, run: (*session).getQuota},
	"GETQUOTAROOT": {in: loggedIn, run: (*session).getQuotaRoot},
	"SETQUOTA":     {in: loggedIn, run: (*session).setQuota},

	"CHECK":        {in: selected, run: (*session).noop},
	"CLOSE":        {in: selected, run: (*session).closeMailbox},
	"UNSELECT":     {in: selected, run: (*session).unselect},
	"EXPUNGE":      {in: selected, run: (*session).expunge, expunges: true},
	"UIDBATCHES":   {in: selected, run: (*session).uidBatches},
	"SEARCH":       {in: selected, run: (*session).search, numbered: true},
	"THREAD":       {in: selected, run: (*session).thread, numbered: true},
	"SORT":         {in: selected, run: (*session).sort, numbered: true},
	"FETCH":        {in: selected, run: (*session).fetch, numbered: true},
	"STORE":        {in: selected, run: (*session).store, numbered: true},
	"COPY":         {in: selected, run: (*session).copy},
	"MOVE":         {in: selected, run: (*session).move, expunges: true},
	"REPLACE":      {in: selected, run: (*session).replace, expunges: true},
	"CANCELUPDATE": {in: selected, run: (*session).cancelUpdate},

	"UID EXPUNGE": {in: selected, run: (*session).expunge, expunges: true},
	"UID SEARCH":  {in: selected, run: (*session).search},
	"UID THREAD":  {in: selected, run: (*session).thread},
	"UID SORT":    {in: selected, run: (*session).sort},
	"UID FETCH":   {in: selected, run: (*session).fetch},
	"UID STORE":   {in: selected, run: (*session).store},
	"UID COPY":    {in: selected, run: (*session).copy},
	"UID MOVE":    {in: selected, run: (*session).move, expunges: true},
	"UID REPLACE": {in: selected, run: (*session).replace, expunges: true},
}

// command is a command under way.
type command struct {
	tag    string
	name   string    // as in commands
	uid    bool      // its numbers are UIDs
	code   string    // response code of its OK, without brackets
	looked int       // messages that it has searched so far
	stop   store.UID // if not 0, messages below this UID were left out (RFC 9738)
	spec   spec

	replied bool // the handler has sent the tagged reply itself
}

// state is the session's state.
func (s *session) state() states {
	switch {
	case s.box != nil:
		return selected
	case s.account != nil:
		return authenticated
	}
	return notAuthenticated
}

// command decodes the command that the decoder stands at, runs it and replies. Its
// error ends the session.
func (s *session) command(ctx context.Context) error {
	if s.idler != nil {
		if done, err := s.endIdle(ctx); done || err != nil {
			return err
		}
	}
	s.inCommand = true
	if s.account == nil {
		if s.early++; s.early > maxEarly {
			return errEarly
		}
	}
	if err := s.renewRights(ctx); err != nil {
		return err
	}
	c := &command{tag: "*"}
	err := s.recognize(c)
	if err == nil {
		err = c.spec.run(s, ctx, c)
	}
	if s.readErr != nil {
		return s.readErr
	}
	if err != nil {
		if err := s.dec.SkipRest(); err != nil {
			return err
		}
	}
	s.dec.Release()
	return s.finish(ctx, c, err)
}

// recognize decodes tag and name and looks the command up.
func (s *session) recognize(c *command) error {
	var word []byte
	if !s.dec.Tag(&c.tag) {
		return s.dec.Err()
	}
	if !s.dec.SP() || !s.dec.Command(&word) {
		return s.dec.Err()
	}
	c.name = string(word)
	if c.name == "UID" {
		if !s.dec.SP() || !s.dec.Command(&word) {
			return s.dec.Err()
		}
		c.uid = true
		c.name = "UID " + string(word)
	}
	var known bool
	switch c.spec, known = commands[c.name]; {
	case !known || s.lacksCommand(c.name):
		return bad("There is no such command")
	case c.spec.in&s.state() != 0:
		return s.mayNumber(c)
	case s.account == nil:
		return bad("Log in first")
	case c.spec.in == notAuthenticated:
		return bad("You are logged in already")
	}
	return bad("Select a mailbox first")
}

// mayNumber refuses commands that name messages by number where there are UIDs only:
// those that have a twin with UIDs, but for EXPUNGE, which names none (RFC 9586 §3).
func (s *session) mayNumber(c *command) error {
	if !s.enabled.has(uidOnly) || c.uid || c.name == "EXPUNGE" {
		return nil
	}
	if _, twin := commands["UID "+c.name]; twin {
		return errUIDRequired
	}
	return nil
}

var errUIDRequired = &reply{statusBAD, "UIDREQUIRED", "Use UIDs, you have enabled UIDONLY"}

// finish tells changes and replies to a command.
func (s *session) finish(ctx context.Context, c *command, err error) error {
	var r reply
	if err != nil {
		r = s.explain(c, err)
	}
	if r.status == statusBAD {
		s.line(c.tag, " BAD ", s.text(r))
		return s.mistake()
	}
	s.mistakes = 0
	if c.replied {
		return nil
	}
	if s.box != nil {
		if err := s.catchUp(ctx, telling{expunge: !c.spec.numbered, uid: c.uid, due: c.spec.expunges}); err != nil {
			return err
		}
		s.tellModSeq(c, err == nil)
	}
	if err := s.tellAround(ctx); err != nil {
		return err
	}
	s.tellLimit(c, err == nil)
	switch {
	case err != nil:
		s.line(c.tag, " NO ", s.text(r))
	case c.code != "":
		s.line(c.tag, " OK [", c.code, "] ", c.name, " ", s.inLanguage("completed"))
	default:
		s.line(c.tag, " OK ", c.name, " ", s.inLanguage("completed"))
	}
	return nil
}

// text is what a client reads of a reply.
func (s *session) text(r reply) string {
	r.words = s.inLanguage(r.words)
	return r.text()
}

// syntax is the decoder's error for a handler to return; it is only called when
// decoding has failed.
func (s *session) syntax() error {
	if err := s.dec.Err(); err != nil {
		return err
	}
	return fault.New(fault.Internal, "imapd: decoding failed without an error")
}

// mailboxArgument decodes a space and the name of a mailbox.
func (s *session) mailboxArgument(name *string) bool {
	return s.dec.SP() && s.mailboxName(name)
}

// utf8Names reports whether names of mailboxes are UTF-8, not modified UTF-7, on the
// wire (RFC 6855 §3, RFC 9051 §5.1).
func (s *session) utf8Names() bool { return s.enabled.has(utf8Accept | rev2) }

// mailboxName decodes the name of a mailbox. What is modified UTF-7 to some is a plain
// name to those who write UTF-8.
func (s *session) mailboxName(name *string) bool {
	if s.utf8Names() {
		return s.dec.MailboxUTF8(name)
	}
	return s.dec.Mailbox(name)
}

// appendMailbox appends the name of a mailbox as this client reads it.
func (s *session) appendMailbox(dst []byte, name string) []byte {
	if s.utf8Names() {
		return imapwire.AppendMailboxUTF8(dst, name)
	}
	return imapwire.AppendMailbox(dst, name)
}
