package queue

import (
	"context"
	"errors"
	"io"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/dsn"
	"posthorn/internal/smtpwire"
)

// notification makes the message that tells the sender what has become of his. It
// belongs to the same slice, so that it can be queued in the same commit.
func (q *Queue) notification(ctx context.Context, st *stored, all []told, now time.Time) (*Message, error) {
	id, settings := newIDIn(st.key.slice(), now), q.settings.Load()
	report := &dsn.Report{
		ID: string(id), Date: now, Host: settings.Hostname, From: settings.Postmaster, To: st.From, Language: st.Language,
		QueueID: string(st.ID), Arrived: st.Created, EnvelopeID: st.EnvelopeID, Return: st.Return,
		Original: q.original(ctx, st),
	}
	if st.RequireTLS {
		report.Return = dsn.ReturnHeader // RFC 8689 §5
	}
	for _, one := range all {
		report.Recipients = append(report.Recipients, q.described(st, one))
	}
	m, err := NewNotification(report)
	if err != nil {
		return nil, err
	}
	m.Priority = st.Priority
	m.RequireTLS = st.RequireTLS // RFC 8689 §5: protected as the message was
	return m, nil
}

// NewNotification makes the message that brings a report to whom it is for. Its ID
// is the report's.
func NewNotification(r *dsn.Report) (*Message, error) {
	data, err := dsn.Build(r)
	if err != nil {
		return nil, err
	}
	m := NewLetter(ID(r.ID), r.Date, r.To, data)
	m.Language, m.UTF8 = r.Language, m.UTF8 || needsUTF8(r.From)
	return m, nil
}

// NewLetter makes the message that brings somebody what the server writes to him.
func NewLetter(id ID, at time.Time, to addr.Address, data []byte) *Message {
	return &Message{
		ID: id, Created: at,
		// RFC 3461 §6.1: from the null sender, with no NOTIFY but NEVER.
		Recipients: []Recipient{{Address: to, Notify: dsn.Never}},
		Body:       Body{Data: data},
		EightBit:   hasHighBit(data),
		UTF8:       needsUTF8(to),
	}
}

// described is what a notification says of one recipient.
func (q *Queue) described(st *stored, one told) dsn.Recipient {
	p, to := &st.progress[one.number], st.Recipients[one.number]
	r := dsn.Recipient{
		Address: to.Address, Original: to.Original, Action: one.action, Expired: p.State == Expired,
		Reply: p.Reply, Remote: p.Remote, LastAttempt: p.Last,
	}
	if one.action == dsn.Delayed {
		r.RetryUntil = q.policyOf(st.destination(one.number)).expiry(st.Message)
	}
	if p.State == Expired && st.DeliverBy.Return && !st.DeliverBy.At.After(p.Last) && !st.DeliverBy.At.IsZero() {
		r.Status = smtpwire.EnhancedCode{5, 4, 7} // RFC 2852 §4.1.4
	}
	return r
}

// maxReturned is how much of a message is given back.
const maxReturned = 128 << 10

// original reads the message that a notification quotes. One that cannot be read
// is not quoted.
func (q *Queue) original(ctx context.Context, st *stored) dsn.Original {
	content, err := q.open(ctx, st.key, st.Message)
	if err == nil {
		defer content.Close()
		data := make([]byte, min(content.Size(), maxReturned))
		if _, err = content.ReadAt(data, 0); err == nil || errors.Is(err, io.EOF) {
			return dsn.Original{Data: data, Whole: int64(len(data)) == content.Size()}
		}
	}
	q.log.WarnContext(ctx, "a notification cannot quote its message", "id", st.ID, "err", err)
	return dsn.Original{}
}

// needsUTF8 says that an address cannot travel without SMTPUTF8.
func needsUTF8(a addr.Address) bool {
	if canonical, err := a.Canonical(); err == nil {
		a = canonical
	}
	return !a.IsASCII()
}

func hasHighBit(data []byte) bool {
	for _, c := range data {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
