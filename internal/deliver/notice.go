package deliver

import (
	"posthorn/internal/addr"
	"posthorn/internal/dsn"
	"posthorn/internal/queue"
	"posthorn/internal/smtpwire"
)

// ReplyLooped is what is said of a message that is Looped.
func ReplyLooped(to addr.Address) smtpwire.Reply {
	return smtpwire.NewReply(554, smtpwire.EnhancedCode{5, 4, 6}, "<"+to.String()+"> has forwarded this message before; it goes in circles")
}

// Tell adds to a plan what the sender is to hear as soon as it is carried out: that
// the message has arrived, if he has asked for that (RFC 3461 §5.2.3), or that
// it goes in circles. It is queued in the same commit, so that it is told once.
func (r *Router) Tell(plan Plan, mail *Mail) (Plan, error) {
	if mail.Envelope == nil || mail.Envelope.From.IsZero() {
		return plan, nil
	}
	report := r.report(mail)
	if report == nil {
		return plan, nil
	}
	report.ID = string(nextID(mail.Envelope.ID, report.Date, len(plan.Queue)+1))
	notice, err := queue.NewNotification(report)
	if err == nil {
		plan.Queue, plan.notice = append(plan.Queue, notice), report
	}
	return plan, err
}

// report gathers what is to be told, but for its ID; nil: nothing.
func (r *Router) report(mail *Mail) *dsn.Report {
	e, now := mail.Envelope, r.Clock()
	var all []dsn.Recipient
	for _, to := range mail.To {
		if one, ok := to.told(); ok && to.Notify.Wants(one.Action) {
			one.LastAttempt = now
			all = append(all, one)
		}
	}
	if all == nil {
		return nil
	}
	return &dsn.Report{
		Date: now, Host: r.Hostname,
		From: addr.Address{Local: "postmaster", Domain: r.Hostname}, To: e.From, Language: e.Language,
		QueueID: string(e.ID), Arrived: e.Created, EnvelopeID: e.EnvelopeID, Return: e.Return,
		Original: dsn.Original{Data: mail.Header}, Recipients: all,
	}
}

// told is what can be said of a recipient already.
func (to *Recipient) told() (one dsn.Recipient, ok bool) {
	one = dsn.Recipient{Address: to.Address, Original: to.Original}
	switch to.Fate {
	case Kept:
		one.Action = dsn.Delivered
	case Spread:
		one.Action = dsn.Expanded
	case Looped:
		one.Action, one.Reply = dsn.Failed, ReplyLooped(to.Address)
	case PassedOn:
		return one, false // the next server will tell, or the queue
	}
	return one, true
}
