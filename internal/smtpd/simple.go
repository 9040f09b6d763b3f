package smtpd

import (
	"context"
	"errors"

	"posthorn/internal/smtpwire"
)

// errQuit ends the connection after the last reply.
var errQuit = errors.New("smtpd: goodbye")

// noop does nothing, with any argument (RFC 5321 §4.1.1.9).
func (s *session) noop(context.Context, string) (smtpwire.Reply, error) {
	return smtpwire.NewReply(250, code{2, 0, 0}, "Here"), nil
}

// quit ends the session (RFC 5321 §4.1.1.10).
func (s *session) quit(_ context.Context, args string) (smtpwire.Reply, error) {
	if args != "" {
		return replyNoArgs, nil
	}
	return smtpwire.NewReply(221, code{2, 0, 0}, "Goodbye"), errQuit
}

// vrfy tells nothing (RFC 5321 §7.3): who collects addresses may try RCPT, which
// is counted.
func (s *session) vrfy(_ context.Context, args string) (smtpwire.Reply, error) {
	if args == "" {
		return smtpwire.NewReply(501, code{5, 5, 4}, "Say VRFY and an address"), nil
	}
	return smtpwire.NewReply(252, code{2, 0, 0}, "Not told; send the message and see"), nil
}

// help is for people at a terminal (RFC 5321 §4.1.1.8).
func (s *session) help(context.Context, string) (smtpwire.Reply, error) {
	return smtpwire.NewReply(214, code{2, 0, 0},
		"EHLO HELO LHLO MAIL RCPT DATA BDAT BURL RSET NOOP VRFY HELP QUIT STARTTLS AUTH",
		"EHLO lists what is offered here; RFC 5321 tells the rest"), nil
}

// refuse answers commands that are known but not offered: lists are not expanded
// (EXPN, RFC 5321 §7.3), queues not turned around (ETRN, TURN, ATRN; RFC 5321
// appendix F.1), terminals not written to (SEND, SOML, SAML; appendix F.6).
func (s *session) refuse(context.Context, string) (smtpwire.Reply, error) {
	return smtpwire.NewReply(502, code{5, 5, 1}, "The command is not offered here"), nil
}

// web hangs up on what was meant for a web server. A browser can be made to send
// a form here, whose body would be taken for commands.
func (s *session) web(context.Context, string) (smtpwire.Reply, error) {
	return smtpwire.NewReply(421, code{4, 7, 0}, "This is a mail server"), errQuit
}
