package smtpclient

import (
	"fmt"

	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
)

// Stage is how far a conversation has come.
type Stage uint8

// The stages, in their order.
const (
	AtGreeting Stage = iota // nothing was said yet
	AtHello                 // EHLO, HELO or LHLO
	AtTLS                   // STARTTLS and the handshake
	AtAuth
	AtMail
	AtRcpt
	AtData // DATA, until the server is ready for the message
	AtEnd  // the message, until the server has it
	AtQuit
	numStages
)

var stageNames = [numStages]string{"greeting", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "end of DATA", "QUIT"}

func (s Stage) String() string {
	if s < numStages {
		return stageNames[s]
	}
	return fmt.Sprintf("smtpclient.Stage(%d)", uint8(s))
}

// Error is what went wrong, and when. Its kinds:
//
//   - Denied: the server refuses for good (5yz);
//   - Unavailable: it does so for now (4yz), or the connection broke, or it took too long;
//   - Invalid: it does not speak SMTP;
//   - Unsupported: it lacks an extension without which the message must not be sent;
//   - TooLarge: it takes no messages of that size;
//   - Unauthenticated: it does not accept our credentials, or we do not dare to send them;
//   - Canceled: our own context has ended;
//   - Internal: an argument that cannot be said.
//
// Those with Source have whatever kind that has.
type Error struct {
	Stage  Stage
	Reply  smtpwire.Reply        // what the server said; zero if it did not say anything
	Status smtpwire.EnhancedCode // what it is called if nobody has said it (RFC 3463)
	Source bool                  // it is not the server's: the message could not be read
	err    error
}

func (e *Error) Error() string { return "smtp: " + e.Stage.String() + ": " + e.err.Error() }

// Unwrap gives the error that carries the kind.
func (e *Error) Unwrap() error { return e.err }

// newError makes an error that is not in the words of the server.
func newError(stage Stage, kind fault.Kind, format string, args ...any) *Error {
	return wrap(stage, smtpwire.Reply{}, fault.New(kind, format, args...))
}

// lacks is the error of a message that needs what the server does not have.
func lacks(stage Stage, status smtpwire.EnhancedCode, format string, args ...any) *Error {
	return &Error{Stage: stage, Status: status, err: fault.New(fault.Unsupported, format, args...)}
}

// wrap makes an error of one that has a kind.
func wrap(stage Stage, reply smtpwire.Reply, err error) *Error {
	return &Error{Stage: stage, Reply: reply, Status: status(stage, fault.KindOf(err)), err: err}
}

// status is what the codes of RFC 3463 and RFC 5248 have for a failure.
func status(stage Stage, kind fault.Kind) smtpwire.EnhancedCode {
	switch {
	case kind == fault.Unauthenticated:
		return smtpwire.EnhancedCode{4, 7, 8} // credentials invalid
	case kind == fault.TooLarge:
		return smtpwire.EnhancedCode{5, 3, 4} // message too big for system
	case kind == fault.Invalid:
		return smtpwire.EnhancedCode{4, 5, 0} // some protocol error
	case kind == fault.Unavailable && stage == AtTLS:
		return smtpwire.EnhancedCode{4, 7, 10} // encryption needed
	case kind == fault.Unavailable:
		return smtpwire.EnhancedCode{4, 4, 2} // bad connection
	}
	return smtpwire.EnhancedCode{4, 3, 0} // some system error: our own
}

// refused is the error of a reply that is not the one that was hoped for.
func (c *Client) refused(stage Stage, reply smtpwire.Reply) *Error {
	kind := fault.Unavailable
	switch reply.Class() {
	case 2, 3:
		// It cannot be the reply to what was said: of what follows on the connection
		// nobody knows what it is the reply to.
		kind = fault.Invalid
		c.conn.broken = fault.New(kind, "the server is out of step; it says: %v", reply)
	case 5:
		kind = fault.Denied
	}
	return wrap(stage, reply, fault.New(kind, "the server says: %v", reply))
}
