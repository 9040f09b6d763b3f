package inbound

import (
	"context"
	"slices"

	"posthorn/internal/addr"
	"posthorn/internal/deliver"
	"posthorn/internal/dsn"
	"posthorn/internal/queue"
	"posthorn/internal/store"
)

// mail is the message for those recipients who can have it. It is valid as long as m is.
func (t *Transaction) mail(ctx context.Context, m *store.Message) *deliver.Mail {
	mail, travels := &t.out, false
	*mail = deliver.Mail{To: slices.Grow(mail.To[:0], len(t.recipients))}
	for i := range t.recipients {
		if r := &t.recipients[i]; r.err == nil {
			mail.To = append(mail.To, &r.to)
			travels = travels || r.foreign || r.params.Notify&dsn.Success != 0
		}
	}
	if travels {
		header := m.Parsed.Root.Header
		mail.Envelope = t.envelope(m)
		mail.Envelope.Language = t.language(ctx)
		mail.Header = header[min(mail.Envelope.Body.Skip, int64(len(header))):]
	}
	return mail
}

// envelope is what the queue gets of a message, but for its recipients.
func (t *Transaction) envelope(m *store.Message) *queue.Message {
	inline, id := m.Body()
	wishes, skip := t.wishes(m.Parsed.Root.Header), len(appendReturnPath(nil, t.from))
	return &queue.Message{
		ID: t.id, From: t.from, Account: uint64(t.session.account), Created: t.o.Clock(), Header: t.signature,
		Hold: t.suspected != "",
		// RFC 5321 §4.4: the Return-Path is for the final delivery, which is not ours.
		Body:       queue.Body{Data: inline, Blob: id, Size: m.Size, Skip: int64(skip)},
		Return:     t.params.Return,
		EnvelopeID: t.params.EnvelopeID,
		// RFC 6152 §3: what the message is counts, not what the client has declared.
		EightBit: m.Parsed.Has8Bit, Binary: t.params.Binary,
		// RFC 6531 §3.6: SMTPUTF8 may have been said without need, and not every server has it.
		UTF8:       t.params.UTF8 && needsUTF8(m.Parsed, skip),
		RequireTLS: t.params.RequireTLS, TLSOptional: wishes.tlsOptional,
		Priority: wishes.priority, NotBefore: t.params.NotBefore, DeliverBy: t.params.DeliverBy,
	}
}

// language is that of the sender, if he is one of ours and has said it.
func (t *Transaction) language(ctx context.Context) string {
	user, err := addr.Parse(t.session.user)
	if err != nil {
		return ""
	}
	account, err := t.o.Directory.Account(ctx, user)
	if err != nil {
		return "" // he is told in another language
	}
	return account.Language
}
