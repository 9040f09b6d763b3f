package inbound

import (
	"context"
	"iter"

	"posthorn/internal/addr"
	"posthorn/internal/deliver"
	"posthorn/internal/directory"
	"posthorn/internal/filter/abuse"
	"posthorn/internal/obs"
	"posthorn/internal/queue"
	"posthorn/internal/store"
)

// Transaction is one message on its way in, from MAIL on. It holds nothing that
// must be given back; a Content that it gave out does.
type Transaction struct {
	o          *Options
	session    *Session
	id         queue.ID
	from       addr.Address
	params     MailParams
	findings   Findings
	messageID  string     // of the header, once it has been read
	signature  []byte     // that goes in front of what the queue gets
	suspected  abuse.Rule // why it is put into the queue on hold; "": it is not
	recipients []recipient
	out        deliver.Mail // see mail
	carried    deliver.Plan // that has been carried out
}

// recipient is one RCPT that was accepted.
type recipient struct {
	address addr.Address
	params  RcptParams
	to      deliver.Recipient
	foreign bool  // it, or some of those it stands for, gets the message by way of the queue
	err     error // why it cannot have the message after all
}

// ID names the message in trace lines, replies and logs.
func (t *Transaction) ID() string { return string(t.id) }

// Recipients counts the recipients accepted so far.
func (t *Transaction) Recipients() int { return len(t.recipients) }

// Accepted lists the addresses of the recipients accepted so far.
func (t *Transaction) Accepted() iter.Seq2[int, addr.Address] {
	return func(yield func(int, addr.Address) bool) {
		for i, r := range t.recipients {
			if !yield(i, r.address) {
				return
			}
		}
	}
}

// Rcpt adds a recipient. The error is a *Refusal or a fault, and concerns this
// recipient only.
func (t *Transaction) Rcpt(ctx context.Context, to addr.Address, p RcptParams) error {
	f := t.findings
	f.Recipients = len(t.recipients)
	t.session.gatherRecipient(&f, to)
	resolution, found, err := t.resolve(ctx, to)
	if err == nil {
		found.Ownership, err = t.ownership(ctx, to.Local, resolution, p.Since)
	}
	if f.Recipient = found; err == nil {
		err = t.decide(&f)
	}
	if err != nil {
		t.session.guessed(ctx, &f)
		t.session.refused(ctx, t.event(obs.RecipientRefused, to.String()), err)
		return err
	}
	if len(t.recipients) == 0 {
		t.checkSender(ctx)
	}
	as := queue.Recipient{Address: to, Notify: p.Notify, Original: p.Original}
	if t.IsHeld() {
		resolution, found.Leaves = later(to), true
	}
	t.recipients = append(t.recipients, recipient{
		address: to, params: p, foreign: found.Leaves, to: deliver.Recipient{Recipient: as, Resolution: resolution},
	})
	return nil
}

// later is the resolution of a recipient of a message that waits in the queue: who is
// behind the address is asked when the time has come.
func later(to addr.Address) directory.Resolution {
	return directory.Resolution{Outcome: directory.Deliver, Forward: []directory.Forward{{Address: to}}}
}

// overQuota says whether one of the accounts has no room for the message, as far
// as its size is known. The commit has the last word.
func (t *Transaction) overQuota(ctx context.Context, accounts []directory.Recipient) (bool, error) {
	for _, one := range accounts {
		q, err := t.o.Store.Account(store.AccountID(one.ID)).Quota(ctx)
		if err != nil {
			return false, err
		}
		if !q.Room(store.Resources{Messages: 1, Bytes: max(t.findings.DeclaredSize, 1)}) {
			return true, nil
		}
	}
	return false, nil
}

// decide is Decide with a plain error.
func (t *Transaction) decide(f *Findings) error { return t.session.decide(f) }
