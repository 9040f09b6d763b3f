package outbound

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/queue"
	"posthorn/internal/smtpclient"
	"posthorn/internal/smtpwire"
)

// end is how a session ended for a delivery.
type end uint8

const (
	served  end = iota // the server was asked for every recipient
	wornOut            // not yet for all, but the connection has done what it could
	lost               // the connection broke, or the server takes nothing from us
	stale              // the connection had broken before we came
)

// maxRecipients is how many recipients a transaction has at most if the server does
// not say: RFC 5321 §4.5.3.1.8 asks every server for so many.
const maxRecipients = 100

// transfer sends the message to all recipients that are waiting, in as many
// transactions as it takes.
func (d *delivery) transfer(ctx context.Context, s *session) end {
	content, err := d.open(ctx)
	var f form
	if err == nil {
		defer content.Close()
		f, err = d.form(ctx, content, s)
	}
	if err != nil {
		d.complain(ctx, err)
		d.settle(unreadable(err))
		d.waiting = nil
		return served
	}
	limit := maxRecipients
	if n, ok := s.client.Limit("RCPTMAX"); ok {
		limit = n
	}
	for first := true; len(d.waiting) > 0; first = false {
		switch {
		case s.client.Reusable():
		case first && s.reused:
			return stale
		case first: // and so would be the next connection
			d.note(ours(queue.Unreachable, code{4, 5, 0}, "%s says more than it was asked", s.remote))
			return lost
		default:
			return wornOut
		}
		n := min(limit, len(d.waiting))
		batch, rest := d.waiting[:n], d.waiting[n:]
		outcomes := s.client.Send(ctx, d.envelope(batch, f), f.reader())
		if s.reused && isStale(outcomes) {
			return stale
		}
		s.reused = false
		for _, o := range outcomes {
			if e, ok := o.Err.(*smtpclient.Error); ok && e.Source {
				d.complain(ctx, e)
				break
			}
		}
		again, gone := d.record(batch, outcomes, s)
		d.waiting = append(again, rest...)
		if gone {
			return lost
		}
	}
	return served
}

// complain tells the operator what a sender should not have to read.
func (d *delivery) complain(ctx context.Context, err error) {
	d.out.log.ErrorContext(ctx, "a queued message cannot be read", "id", d.message.ID, "err", err)
}

// record judges the outcomes of a transaction. It returns the recipients that the
// same host should be asked for once more, and whether the connection is gone.
func (d *delivery) record(positions []int, outcomes []smtpclient.Outcome, s *session) (again []int, gone bool) {
	company := false
	for _, o := range outcomes {
		company = company || o.Err == nil
	}
	for n, i := range positions {
		v := judge(outcomes[n], s.remote, company)
		if v.result.Outcome == queue.Accepted {
			v.result.TLS = s.tls
		}
		v.result.Mailbox = s.door.lmtp && v.result.Outcome == queue.Accepted
		gone = gone || v.lost
		if v.final {
			d.settleOne(i, v.result)
			continue
		}
		d.noteOne(i, v.result)
		if v.crowded || v.lost {
			again = append(again, i)
		}
	}
	return again, gone
}

// isStale says that a connection that had waited was of no use: the server has hung
// up in the meantime, and was never given anything.
func isStale(outcomes []smtpclient.Outcome) bool {
	for _, o := range outcomes {
		e, ok := o.Err.(*smtpclient.Error)
		if !ok || e.Stage >= smtpclient.AtEnd || fault.Is(e, fault.Canceled) || !e.Reply.IsZero() && e.Reply.Code != 421 ||
			e.Reply.IsZero() && !fault.Is(e, fault.Unavailable) && !fault.Is(e, fault.Invalid) {
			return false
		}
	}
	return true
}

// form is how the bytes of a message travel.
type form struct {
	body   smtpclient.BodyType
	size   int64
	reader func() io.Reader
}

// form finds the form that a server takes.
func (d *delivery) form(ctx context.Context, content queue.Content, s *session) (form, error) {
	f := form{size: content.Size(), reader: func() io.Reader { return io.NewSectionReader(content, 0, content.Size()) }}
	takes := s.client.Supports("8BITMIME")
	switch {
	case d.message.Binary:
		f.body = smtpclient.BodyBinary
		takes = s.client.Supports("BINARYMIME") && s.client.Supports("CHUNKING")
	case d.message.EightBit:
		f.body = smtpclient.Body8Bit
	}
	if takes || f.body == smtpclient.Body7Bit {
		return f, nil
	}
	// What was signed is the message as it was. It goes without signatures that would
	// not hold, which says the same to those that verify them, and less to the others.
	signatures := int64(len(d.message.Header))
	body := io.NewSectionReader(content, signatures, content.Size()-signatures)
	changed, err := makeSevenBit(ctx, body, body.Size())
	switch {
	case fault.Is(err, fault.Unsupported):
		return f, nil // which the server will not take
	case err != nil:
		return form{}, err
	case changed != nil:
		f.size, f.reader = 0, changed.reader
	}
	f.body = smtpclient.Body7Bit
	return f, nil
}

// envelope makes the envelope of a transaction.
func (d *delivery) envelope(positions []int, f form) *smtpclient.Message {
	m := d.message
	e := &smtpclient.Message{
		From: m.ReversePath(), Size: f.size, Body: f.body, UTF8: m.UTF8, RequireTLS: d.mustEncrypt(), Priority: m.Priority,
		Ret: m.Return.String(), EnvID: smtpwire.EncodeXtext(m.EnvelopeID), By: deliverBy(m.DeliverBy),
	}
	for _, i := range positions {
		to := &m.Recipients[d.recipients[i]]
		e.To = append(e.To, smtpclient.Recipient{To: to.Address, Notify: to.Notify.String(), ORcpt: originalRecipient(to.Original)})
	}
	return e
}

// deliverBy spells the value of BY: what is left of the time, or how long it is over
// (RFC 2852 §4).
func deliverBy(by queue.DeliverBy) string {
	if by.At.IsZero() {
		return ""
	}
	left, mode := int(time.Until(by.At).Seconds()), ";N"
	if by.Return {
		left, mode = max(1, left), ";R" // the queue sees to it that it is not over yet
	}
	value := strconv.Itoa(left) + mode
	if by.Trace {
		value += "T"
	}
	return value
}

// originalRecipient spells the value of ORCPT (RFC 3461 §4.2). An address in UTF-8
// would need a type of its own (RFC 6533 §3), and is left out: it is of no use to a
// server that did not know it before.
func originalRecipient(original string) string {
	kind, address, ok := strings.Cut(original, ";")
	if !ok || !isASCII(original) {
		return ""
	}
	return kind + ";" + smtpwire.EncodeXtext(address)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= 0x80 }) < 0
}
