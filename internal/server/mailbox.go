package server

import (
	"context"
	"io"

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
		results[i] = verdict(d.deliverOne(ctx, j, j.Message.Recipients[number].Address))
	}
	return results
}

func (d *Data) deliverOne(ctx context.Context, j *queue.Job, to addr.Address) error {
	accounts, err := d.accounts(ctx, to)
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		return fault.New(fault.NotFound, "there is no mailbox <%s>", to)
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
	return d.Store.Update(ctx, accounts, func(tx *store.MultiTx) error { return deliver.Deliver(tx, m, accounts) })
}

// verdict is what became of a delivery to one of our mailboxes.
func verdict(err error) queue.Result {
	if err == nil {
		return queue.Result{Outcome: queue.Accepted, Mailbox: true, Reply: smtpwire.NewReply(250, smtpwire.EnhancedCode{2, 1, 5}, "In the mailbox")}
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		return queue.Result{Outcome: queue.Refused, Reply: smtpwire.NewReply(550, smtpwire.EnhancedCode{5, 1, 1}, err.Error())}
	case fault.OverQuota:
		return queue.Result{Reply: smtpwire.NewReply(452, smtpwire.EnhancedCode{4, 2, 2}, "The mailbox is full")}
	}
	return queue.Result{Reply: smtpwire.NewReply(451, smtpwire.EnhancedCode{4, 3, 0}, "The mailbox does not take the message now")}
}

// accounts are those behind an address; none if it is not ours or takes no mail.
func (d *Data) accounts(ctx context.Context, to addr.Address) ([]store.AccountID, error) {
	r, err := d.Directory.Resolve(ctx, to)
	if err != nil || r.Outcome != directory.Deliver {
		return nil, err
	}
	if len(r.Forward) > 0 {
		return nil, fault.New(fault.Unavailable, "mail for %s cannot be forwarded at present", to)
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
