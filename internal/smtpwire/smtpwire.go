// Package smtpwire owns the grammar of SMTP and LMTP: command lines, paths,
// parameters, replies, and where a message ends in the bytes after DATA.
//
// It does no I/O, keeps no state of a session, and decides nothing: whether a
// command is in order, a mailbox exists or a message is wanted is not its
// business. What it parses is a copy, so a reader's buffer may be used again; only
// DotReader hands out parts of the bytes that it was fed.
//
// Invariants: no input makes it panic; a Reply never leaves its own lines, whatever
// text it is given; and of all bytes after DATA only CRLF.CRLF ends a message, so
// that no sequence of CR, LF and dots makes two messages of one. In a chunk after
// BDAT nothing ends anything: its length counts.
//
// Flow: a line goes through ParseCommand, its arguments through ParseMail, ParseRcpt
// or a parser of the command's own; the answer is a Reply, rendered by Append;
// after the 354 every buffer goes through DotReader.Feed until it says done, and what
// comes in chunks through LineReader.Feed.
package smtpwire

// SyntaxError says what is wrong with a command, in words for the person at the
// other end. Its reply is always 501.
type SyntaxError struct {
	Enhanced EnhancedCode
	Text     string
}

func (e *SyntaxError) Error() string { return e.Text }

// Reply is the answer that a command with this error gets.
func (e *SyntaxError) Reply() Reply { return NewReply(501, e.Enhanced, e.Text) }

// What a command may have wrong, by RFC 3463 §3.
var (
	badSender    = EnhancedCode{5, 1, 7} // bad sender's mailbox address syntax
	badRecipient = EnhancedCode{5, 1, 3} // bad destination mailbox address syntax
	badSyntax    = EnhancedCode{5, 5, 2} // syntax error
	badArguments = EnhancedCode{5, 5, 4} // invalid command arguments
)
