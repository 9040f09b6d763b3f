package imapwire

import "strings"

// Inbox is the name of the mailbox whose name has no case (RFC 3501 §5.1).
const Inbox = "INBOX"

// Mailbox decodes a mailbox name, given in modified UTF-7, into UTF-8.
func (d *Decoder) Mailbox(name *string) bool {
	var s string
	if !d.AString(&s) {
		return false
	}
	*name = MailboxName(s)
	return true
}

// MailboxUTF8 decodes a mailbox name that is UTF-8 on the wire, as it is once the
// client has enabled that (RFC 6855 §3, RFC 9051 §5.1).
func (d *Decoder) MailboxUTF8(name *string) bool {
	if !d.AString(name) {
		return false
	}
	if strings.EqualFold(*name, Inbox) {
		*name = Inbox
	}
	return true
}

// MailboxName is the UTF-8 of a name in modified UTF-7.
func MailboxName(s string) string {
	if strings.EqualFold(s, Inbox) {
		return Inbox
	}
	return DecodeUTF7(s)
}

// AppendMailbox appends a name in modified UTF-7.
func AppendMailbox(dst []byte, name string) []byte {
	return AppendAString(dst, EncodeUTF7(name))
}

// AppendMailboxUTF8 appends a name in UTF-8, quoted where it is no atom.
func AppendMailboxUTF8(dst []byte, name string) []byte {
	if all(name, atomChar) {
		return AppendAString(dst, name)
	}
	return AppendStringUTF8(dst, name)
}
