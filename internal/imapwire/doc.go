// Package imapwire is the grammar of IMAP (RFC 3501, RFC 9051 and extensions): what
// clients say and what servers answer, as Go values and as bytes.
//
// It owns the syntax and nothing else: it does no I/O, keeps no state of a session
// and knows of no mailbox. What a command means is imapd's business; in particular
// everything the grammar allows is parsed, offered or not.
//
// Reading. A Decoder walks over one command, which a Source gives it as lines and
// literals. Its methods follow the grammar's own words, say whether they succeeded,
// and remember the first failure, so that a command reads like its definition:
//
//	if !d.SP() || !d.NumSet(&set) || !d.SP() || !d.Fetch(&o) || !d.End() {
//		return d.Err()
//	}
//
// Nothing decoded refers to the Source's buffers. However a peer sends it, a command
// holds at most the Source's line and Decoder.Limit bytes of literals and further
// lines; only the messages of APPEND are larger, and those are streamed.
//
// Answers are decoded by the same Decoder (response.go), as far as a client needs.
//
// Writing. Functions that append to a []byte, in the manner of strconv. Their output
// is always valid, whatever odd bytes a message is made of.
//
// Names of mailboxes and header values are UTF-8 in Go; names are modified UTF-7 on
// the wire unless the client has enabled UTF-8. Flags, dates and numbers are as the
// RFCs write them.
package imapwire
