package imapwire

import "posthorn/internal/message"

// AppendEnvelope appends an ENVELOPE. Header values are sent as they are in the
// message, encoded words and all (RFC 3501 §7.4.2).
func AppendEnvelope(dst []byte, e *message.Envelope) []byte {
	if e == nil {
		return append(dst, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"...)
	}
	sender, replyTo := e.Sender, e.ReplyTo
	// RFC 3501 §7.4.2: the server fills these in from From if they are absent.
	if len(sender) == 0 {
		sender = e.From
	}
	if len(replyTo) == 0 {
		replyTo = e.From
	}
	dst = append(dst, '(')
	dst = append(AppendNString(dst, e.Date), ' ')
	dst = append(AppendNString(dst, e.Subject), ' ')
	for _, list := range [...][]message.Address{e.From, sender, replyTo, e.To, e.Cc, e.Bcc} {
		dst = append(appendAddresses(dst, list), ' ')
	}
	dst = append(AppendNString(dst, e.InReplyTo), ' ')
	return append(AppendNString(dst, e.MessageID), ')')
}

func appendAddresses(dst []byte, list []message.Address) []byte {
	if len(list) == 0 {
		return append(dst, "NIL"...)
	}
	dst = append(dst, '(')
	for i := range list {
		a := &list[i]
		dst = append(dst, '(')
		dst = append(AppendNString(dst, a.Name), ' ')
		dst = append(AppendNString(dst, a.Route), ' ')
		dst = append(AppendNString(dst, a.Mailbox), ' ')
		dst = append(AppendNString(dst, a.Host), ')')
	}
	return append(dst, ')')
}
