package inbound

import (
	"bytes"
	"context"
	"slices"

	"posthorn/internal/deliver"
	"posthorn/internal/message"
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
	if err := c.commit(ctx); err != nil {
		c.refused(ctx, err)
		return nil, err
	}
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
	c.findings.Received = countReceived(m.Parsed.Root.Header) - 1 // the first one is ours
	if err := c.tx.decide(&c.findings); err != nil {
		return err
	}
	return c.tx.deliver(ctx, m)
}

// deliver makes the one commit, of mailboxes and queue. If accounts cannot have the message, their
// recipients are told so where the protocol can tell them one by one, and the
// others get it; elsewhere nobody gets it, and the client tries again.
func (t *Transaction) deliver(ctx context.Context, m *store.Message) error {
	out := t.outgoing(m)
	for {
		accounts := t.accounts()
		if len(accounts) == 0 && out == nil {
			return nil
		}
		err := t.o.Store.UpdateWith(ctx, accounts, out.shards(), func(tx *store.MultiTx) error {
			if err := out.put(tx); err != nil {
				return err
			}
			return deliver.Deliver(tx, m, accounts)
		})
		failed, ok := deliver.ByAccount(err)
		if !ok || t.session.peer.Role != LMTP {
			return err
		}
		t.fail(failed)
	}
}

// accounts is who still is to have the message, each once.
func (t *Transaction) accounts() []store.AccountID {
	var all []store.AccountID
	for _, r := range t.recipients {
		if r.err == nil {
			all = append(all, r.accounts...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fail takes the recipients out that have one of these accounts behind them. One
// that stands for several accounts fails as a whole: its sender tries again, and
// nobody must get the message twice.
func (t *Transaction) fail(accounts deliver.Failures) {
	for i := range t.recipients {
		r := &t.recipients[i]
		for _, id := range r.accounts {
			if err := accounts[id]; err != nil && r.err == nil {
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

// countReceived counts the Received fields of a header.
func countReceived(header []byte) int {
	n := 0
	for f := range message.Fields(header) {
		if bytes.EqualFold(f.Name, []byte("Received")) {
			n++
		}
	}
	return n
}
