package inbound

import (
	"context"

	"posthorn/internal/deliver"
	"posthorn/internal/filter/abuse"
	"posthorn/internal/obs"
	"posthorn/internal/store"
)

// LineEnds says what was wrong with the line ends of a message.
type LineEnds struct{ BareCR, BareLF bool }

// Commit ends the message and makes it durable for its recipients. The error, a
// *Refusal or a fault, concerns the whole message: nobody has it. Else there is one
// result for each recipient, in the order in which they were accepted; they may
// differ only for LMTP, the others have one reply for all.
func (c *Content) Commit(ctx context.Context, ends LineEnds) ([]error, error) {
	c.findings.BareCR, c.findings.BareLF = ends.BareCR, ends.BareLF
	c.ended = c.tx.o.Clock()
	if err := c.commit(ctx); err != nil {
		c.refused(ctx, err)
		return nil, err
	}
	c.tx.session.acquaint()
	return c.results(ctx), nil
}

func (c *Content) commit(ctx context.Context) error {
	defer c.drop()
	if err := c.tx.decide(&c.findings); err != nil {
		return err
	}
	if c.mender != nil && c.err == nil {
		c.err = c.mender.finish()
	}
	if c.examined != nil && c.err == nil {
		c.findings.Authentication, c.err = c.examined.finish()
	}
	if c.err != nil {
		return c.err
	}
	m, err := c.incoming.Finish()
	c.incoming = nil
	if err != nil {
		return err
	}
	defer m.Release()
	c.tx.messageID = m.Parsed.Root.Envelope.MessageID
	all, ours := hops(m.Parsed.Root.Header, c.tx.o.Hostname)
	c.findings.Received, c.findings.OwnReceived = all-1, ours-1 // the first one says that it is here now
	if err := c.tx.decide(&c.findings); err != nil {
		return err
	}
	c.tx.suspect(ctx, m.Size)
	c.tx.signature = c.sign(ctx, m)
	return c.tx.deliver(ctx, m)
}

// suspect puts the message into the queue on hold, for all of its recipients, if its
// sender's account may be stolen.
func (t *Transaction) suspect(ctx context.Context, size int64) {
	if t.suspected = t.session.suspect(ctx, abuse.Act{Recipients: len(t.recipients), Size: size}); t.suspected == "" {
		return
	}
	for i := range t.recipients {
		r := &t.recipients[i]
		r.to.Resolution, r.foreign = later(r.address), true
	}
}

// deliver makes the one commit, of mailboxes and queue. If accounts cannot have the message, their
// recipients are told so where the protocol can tell them one by one, and the
// others get it; elsewhere nobody gets it, and the client tries again.
func (t *Transaction) deliver(ctx context.Context, m *store.Message) error {
	for {
		plan, err := t.plan(ctx, m)
		if err != nil || plan.IsEmpty() {
			return err
		}
		if len(plan.Accounts) > 0 {
			m.Describe()
		}
		t.carried = plan
		err = t.o.Store.UpdateWith(ctx, plan.Accounts, plan.Shards(), func(tx *store.MultiTx) error {
			return plan.Carry(tx, m)
		})
		failed, ok := deliver.ByAccount(err)
		if !ok || t.session.peer.Role != LMTP {
			return err
		}
		t.fail(failed)
	}
}

// plan says who gets the message, and what its sender is told at once. Recipients in
// whose forwards it goes in circles are refused where that can be said; if others do get
// it, the sender is told by mail.
func (t *Transaction) plan(ctx context.Context, m *store.Message) (deliver.Plan, error) {
	router, mail := &t.session.acceptor.router, t.mail(ctx, m)
	plan, err := router.Plan(ctx, mail)
	if err != nil {
		return plan, err
	}
	alone := plan.IsEmpty() || t.session.peer.Role == LMTP
	for i := range t.recipients {
		if r := &t.recipients[i]; alone && r.err == nil && r.to.Fate == deliver.Looped {
			f := t.findings
			f.Recipient = Recipient{Address: r.address, Standing: Local, Looped: true}
			if r.err = t.decide(&f); t.session.peer.Role != LMTP {
				return plan, r.err
			}
		}
	}
	if t.session.peer.Role == LMTP {
		return plan, nil // who handed the message over tells the sender
	}
	plan, err = router.Tell(plan, mail)
	t.signNotices(ctx, plan.Queue)
	return plan, err
}

// fail takes the recipients out that have one of these accounts behind them. One
// that stands for several accounts fails as a whole: its sender tries again, and
// nobody must get the message twice.
func (t *Transaction) fail(accounts deliver.Failures) {
	for i := range t.recipients {
		r := &t.recipients[i]
		for _, one := range r.to.Resolution.Recipients {
			if err := accounts[store.AccountID(one.ID)]; err != nil && r.err == nil {
				r.err = err
			}
		}
	}
}

// results tells what became of each recipient and returns it.
func (c *Content) results(ctx context.Context) []error {
	t := c.tx
	errs := make([]error, len(t.recipients))
	for i, r := range t.recipients {
		errs[i] = r.err
		if r.err != nil {
			t.session.refused(ctx, t.event(obs.RecipientFailed, r.address.String()), r.err)
		}
	}
	c.accepted(ctx)
	return errs
}
