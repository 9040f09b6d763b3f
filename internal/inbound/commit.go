package inbound

import (
	"bytes"
	"context"
	"slices"
	"time"

	"posthorn/internal/deliver"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

// LineEnds says what was wrong with the line ends of a message.
type LineEnds struct{ BareCR, BareLF bool }

// Commit ends the message and makes it durable for its recipients. The error, a
// *Refusal or a fault, concerns the whole message: nobody has it. Else there is one
// result for each recipient, in the order in which they were accepted; they may
// differ only for LMTP, the others have one reply for all.
func (c *Content) Commit(ctx context.Context, ends LineEnds) ([]error, error) {
	results, err := c.commit(ctx, ends)
	if err != nil {
		c.refused(ctx, "message refused", err, "size", c.findings.Size)
	}
	return results, err
}

func (c *Content) commit(ctx context.Context, ends LineEnds) ([]error, error) {
	defer c.drop()
	c.findings.BareCR, c.findings.BareLF = ends.BareCR, ends.BareLF
	if err := c.decide(c.findings); err != nil {
		return nil, err
	}
	if c.err != nil {
		return nil, c.err
	}
	incoming := c.incoming
	c.incoming = nil
	m, err := incoming.Finish()
	if err != nil {
		return nil, err
	}
	defer m.Release()
	c.findings.Received = countReceived(m.Parsed.Root.Header) - 1 // the first one is ours
	if err := c.decide(c.findings); err != nil {
		return nil, err
	}
	if err := c.deliver(ctx, m); err != nil {
		return nil, err
	}
	return c.results(ctx), nil
}

// deliver makes the one commit. If accounts cannot have the message, their
// recipients are told so where the protocol can tell them one by one, and the
// others get it; elsewhere nobody gets it, and the client tries again.
func (c *Content) deliver(ctx context.Context, m *store.Message) error {
	for {
		accounts := c.accounts()
		if len(accounts) == 0 {
			return nil
		}
		err := c.o.Store.Update(ctx, accounts, func(tx *store.MultiTx) error {
			return deliver.Deliver(tx, m, accounts)
		})
		failed, ok := deliver.ByAccount(err)
		if !ok || c.peer.Role != LMTP {
			return err
		}
		c.fail(failed)
	}
}

// accounts is who still is to have the message, each once.
func (c *Content) accounts() []store.AccountID {
	var all []store.AccountID
	for _, r := range c.recipients {
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
func (c *Content) fail(accounts deliver.Failures) {
	for i := range c.recipients {
		r := &c.recipients[i]
		for _, id := range r.accounts {
			if err := accounts[id]; err != nil && r.err == nil {
				r.err = err
			}
		}
	}
}

// results logs what became of each recipient and returns it.
func (c *Content) results(ctx context.Context) []error {
	errs := make([]error, len(c.recipients))
	took := c.o.Clock().Sub(c.began).Round(time.Microsecond)
	to := make([]string, 0, len(c.recipients))
	for i, r := range c.recipients {
		errs[i] = r.err
		if r.err == nil {
			to = append(to, r.address.String())
		} else {
			c.refused(ctx, "recipient failed", r.err, "to", r.address.String())
		}
	}
	if len(to) > 0 {
		c.peer.Log.InfoContext(ctx, "message accepted", "id", c.id, "from", c.from.String(), "to", to,
			"size", c.findings.Size, "tls", tlsVersion(c.tls), "took", took)
	}
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
