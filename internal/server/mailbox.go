package server

import (
	"context"
	"io"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/deliver"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/queue"
	"posthorn/internal/smtpwire"
	"posthorn/internal/store"
)

// notify is the queue's Local: it puts a notification into its recipient's mailbox,
// if that is here, in one commit with what the queue has to write.
func (d *Data) notify(ctx context.Context, n *queue.Message, with queue.Change) (bool, error) {
	accounts, err := d.accounts(ctx, n.Recipients[0].Address)
	if err != nil || len(accounts) == 0 {
		return false, err
	}
	m, err := d.receive(ctx, n.From, func(w io.Writer) error {
		_, err := w.Write(n.Body.Data)
		return err
	})
	if err != nil {
		return false, err
	}
	defer m.Release()
	err = d.Store.UpdateWith(ctx, accounts, []kv.Shard{with.Shard}, func(tx *store.MultiTx) error {
		if err := with.Apply(tx.In(with.Shard)); err != nil {
			return err
		}
		return deliver.Deliver(tx, m, accounts)
	})
	_, theirs := deliver.ByAccount(err)
	return !theirs, err // a mailbox that is full may have room later: the queue tries again
}

// deliver brings a job to recipients in our own domains.
func (d *Data) deliver(ctx context.Context, j *queue.Job) []queue.Result {
	results := make([]queue.Result, len(j.Recipients))
	for i, number := range j.Recipients {
		to := &deliver.Recipient{Recipient: j.Message.Recipients[number]}
		results[i] = verdict(to, d.deliverOne(ctx, j, to))
	}
	return results
}

// deliverOne gives a message to all behind one recipient, in one commit.
func (d *Data) deliverOne(ctx context.Context, j *queue.Job, to *deliver.Recipient) (err error) {
	to.Resolution, err = d.Directory.ResolveFrom(ctx, j.Message.From, to.Address)
	if err != nil {
		return err
	}
	switch to.Resolution.Outcome {
	case directory.Deliver:
	case directory.Suspended:
		return fault.New(fault.Unavailable, "mailbox <%s> is suspended", to.Address)
	default:
		return fault.New(fault.NotFound, "there is no mailbox <%s>", to.Address)
	}
	content, err := j.Open(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	m, err := d.receive(ctx, j.Message.From, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(content, 0, content.Size()))
		return err
	})
	if err != nil {
		return err
	}
	defer m.Release()
	inline, blob := m.Body()
	e := *j.Message
	e.ID, e.Hold, e.Rewritten = e.ID.Beside(time.Now()), false, addr.Address{}
	e.Header = nil // it is in the body now
	e.Body = queue.Body{Data: inline, Blob: blob, Size: m.Size, Skip: m.Size - content.Size()}
	plan, err := d.router.Plan(ctx, &deliver.Mail{Envelope: &e, Header: m.Parsed.Root.Header, To: []*deliver.Recipient{to}})
	if err != nil || to.Fate == deliver.Looped {
		return err
	}
	err = d.Store.UpdateWith(ctx, plan.Accounts, plan.Shards(), func(tx *store.MultiTx) error { return plan.Carry(tx, m) })
	if err == nil {
		for _, event := range plan.Events(j.Message, time.Now()) {
			d.trail.Tell(ctx, event)
		}
	}
	return err
}

// verdict is what became of a delivery to an address of ours.
func verdict(to *deliver.Recipient, err error) queue.Result {
	switch {
	case err != nil:
	case to.Fate == deliver.Kept:
		return queue.Result{Outcome: queue.Accepted, Mailbox: true, Reply: smtpwire.NewReply(250, smtpwire.EnhancedCode{2, 1, 5}, "In the mailbox")}
	case to.Fate == deliver.Looped:
		return queue.Result{Outcome: queue.Refused, Reply: deliver.ReplyLooped(to.Address)}
	default:
		return queue.Result{
			Outcome: queue.Accepted, Notifies: to.Fate == deliver.PassedOn,
			Reply: smtpwire.NewReply(250, smtpwire.EnhancedCode{2, 1, 5}, "Passed on"),
		}
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		return queue.Result{Outcome: queue.Refused, Reply: smtpwire.NewReply(550, smtpwire.EnhancedCode{5, 1, 1}, err.Error())}
	case fault.OverQuota:
		return queue.Result{Reply: smtpwire.NewReply(452, smtpwire.EnhancedCode{4, 2, 2}, "The mailbox is full")}
	}
	return queue.Result{Reply: smtpwire.NewReply(451, smtpwire.EnhancedCode{4, 3, 0}, "The mailbox does not take the message now")}
}

// accounts are those behind an address; none if it is not ours, takes no mail, or
// passes it on: that is the queue's to do.
func (d *Data) accounts(ctx context.Context, to addr.Address) ([]store.AccountID, error) {
	r, err := d.Directory.Resolve(ctx, to)
	if err != nil || r.Outcome != directory.Deliver || len(r.Forward) > 0 {
		return nil, err
	}
	accounts := make([]store.AccountID, len(r.Recipients))
	for i, one := range r.Recipients {
		accounts[i] = store.AccountID(one.ID)
	}
	return accounts, nil
}

// receive makes a message for mailboxes of what write writes.
func (d *Data) receive(ctx context.Context, from addr.Address, write func(io.Writer) error) (*store.Message, error) {
	in := d.Store.NewIncoming(ctx)
	// RFC 5321 §4.4: the final delivery says whom the message comes from.
	_, err := io.WriteString(in, "Return-Path: <"+from.String()+">\r\n")
	if err == nil {
		err = write(in)
	}
	if err != nil {
		in.Abort()
		return nil, err
	}
	return in.Finish()
}
