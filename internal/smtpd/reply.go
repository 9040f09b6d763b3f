package smtpd

import (
	"errors"

	"posthorn/internal/fault"
	"posthorn/internal/inbound"
	"posthorn/internal/smtpwire"
	"posthorn/internal/wire"
)

// code is short for an enhanced code.
type code = smtpwire.EnhancedCode

// Replies that several commands share.
var (
	replyUnknown  = smtpwire.NewReply(500, code{5, 5, 1}, "Unknown command; HELP lists those that are known")
	replyTooLong  = smtpwire.NewReply(500, code{5, 5, 2}, "The line is too long")
	replyNoHello  = smtpwire.NewReply(503, code{5, 5, 1}, "Introduce yourself first: EHLO and your name")
	replyNoLhlo   = smtpwire.NewReply(503, code{5, 5, 1}, "Introduce yourself first: LHLO and your name")
	replyNoMail   = smtpwire.NewReply(503, code{5, 5, 1}, "Begin with MAIL FROM:<address>")
	replyNoRcpt   = smtpwire.NewReply(503, code{5, 5, 1}, "Name a recipient first: RCPT TO:<address>")
	replyInMail   = smtpwire.NewReply(503, code{5, 5, 1}, "Not during a mail transaction; finish it, or RSET")
	replyNoArgs   = smtpwire.NewReply(501, code{5, 5, 4}, "The command takes no arguments")
	replyUnwanted = smtpwire.NewReply(503, code{5, 5, 1}, "You were refused at the greeting; QUIT is all that is left")
	replyDraining = smtpwire.NewReply(421, code{4, 3, 2}, "The server is being restarted; connect again soon")
	replyEnded    = smtpwire.NewReply(421, code{4, 7, 0}, "You were signed out; connect and log in again")
	replyTimeout  = smtpwire.NewReply(421, code{4, 4, 2}, "Nothing came for too long; connect again")
	replyErrors   = smtpwire.NewReply(421, code{4, 7, 0}, "Too many errors; look at what your program sends")
)

// unread gives the last words for a read that failed, and the error if they are to
// be the last.
func unread(err error) (smtpwire.Reply, error) {
	switch {
	case errors.Is(err, wire.ErrWoken):
		return smtpwire.Reply{}, nil
	case errors.Is(err, wire.ErrLineTooLong):
		return replyTooLong, nil
	case errors.Is(err, wire.ErrDraining):
		return replyDraining, err
	case errors.Is(err, wire.ErrEnded):
		return replyEnded, err
	case errors.Is(err, wire.ErrIdleTimeout):
		return replyTimeout, err
	case errors.Is(err, wire.ErrTooManyErrors):
		return replyErrors, err
	}
	return smtpwire.Reply{}, err // nobody is there to hear it
}

// badSyntax is the reply to a command that smtpwire could not parse.
func badSyntax(err error) smtpwire.Reply {
	var syntax *smtpwire.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Reply()
	}
	return faultReply(err)
}

// failed is the reply to what inbound would not, or could not, do.
func failed(err error) smtpwire.Reply {
	var refusal *inbound.Refusal
	if errors.As(err, &refusal) {
		return refusal.Reply
	}
	return faultReply(err)
}

// errSentAway ends the connection after a refusal of the client itself.
var errSentAway = errors.New("smtpd: the client is not wanted")

// refusal is failed as a handler returns it: with an error if the reply is 421,
// which closes the connection (RFC 5321 §3.8).
func (s *session) refusal(err error) (smtpwire.Reply, error) {
	reply := failed(err)
	var refusal *inbound.Refusal
	if errors.As(err, &refusal) && refusal.Abuse {
		s.offended()
	}
	if reply.Code == 421 {
		return reply, errSentAway
	}
	return reply, nil
}

// faultReply is the one table from what went wrong to what the client is told.
// It says what to do, and nothing of the server's inside.
func faultReply(err error) smtpwire.Reply {
	switch fault.KindOf(err) {
	case fault.Invalid:
		return smtpwire.NewReply(554, code{5, 6, 0}, "This cannot be processed; check the message and its addresses")
	case fault.NotFound:
		return smtpwire.NewReply(450, code{4, 2, 1}, "The mailbox is not there at present; try again later")
	case fault.Exists, fault.InUse:
		return smtpwire.NewReply(450, code{4, 2, 0}, "The mailbox is in use; try again later")
	case fault.Denied:
		return smtpwire.NewReply(550, code{5, 7, 1}, "This is not allowed to you")
	case fault.Unauthenticated:
		return smtpwire.NewReply(535, code{5, 7, 8}, "Wrong user or password")
	case fault.OverQuota:
		return smtpwire.NewReply(452, code{4, 2, 2}, "The mailbox is full; try again later")
	case fault.TooLarge:
		return smtpwire.NewReply(552, code{5, 3, 4}, "The message is too large")
	case fault.Limit:
		return smtpwire.NewReply(451, code{4, 7, 1}, "Too much at once; try again later")
	case fault.StorageFull:
		return smtpwire.NewReply(452, code{4, 3, 1}, "The server has no room left; try again later")
	case fault.Unavailable:
		return smtpwire.NewReply(451, code{4, 3, 0}, "A part of the server is out of order; try again later")
	case fault.Unsupported:
		return smtpwire.NewReply(504, code{5, 5, 4}, "This is not supported here")
	case fault.Canceled:
		return smtpwire.NewReply(451, code{4, 3, 2}, "The server is being restarted; try again later")
	case fault.Corrupt, fault.Internal:
	}
	return smtpwire.NewReply(451, code{4, 3, 0}, "Something went wrong on the server; try again later")
}
