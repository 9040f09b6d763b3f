package inbound

import (
	"context"
	"io"
	"time"

	"posthorn/internal/message"
	"posthorn/internal/obs"
	"posthorn/internal/store"
)

// Content is a message that is being received. Exactly one of Commit, Abort and a
// Refused that gives an error ends it.
type Content struct {
	tx       *Transaction
	findings Findings
	incoming *store.Incoming // nil once it is known that the message will be refused
	sink     io.Writer       // incoming, or what mends the message on the way there
	mender   *mender         // nil unless it is on that way
	examined *examination    // likewise
	signer   *signer         // nil if nothing is to be signed
	err      error           // of the sink
	began    time.Time
	ended    time.Time // when the client had sent it all
}

// Receive begins to receive the message, for the recipients accepted so far, of
// which there must be one. The trace lines are written in front; if the sender is
// checked, at the end, with what the checks found (examination.go).
func (t *Transaction) Receive(ctx context.Context) *Content {
	c := &Content{tx: t, findings: t.findings, incoming: t.o.Store.NewIncoming(ctx), began: t.o.Clock()}
	if t.session.authenticates() {
		c.examined = t.examine(ctx, c.incoming)
		c.sink = c.examined
		return c
	}
	trace, err := c.incoming.Write(t.trace(c.began).append(make([]byte, 0, 512)))
	c.sink, c.err = c.signed(trace), err
	if t.session.peer.Role == Submission {
		// RFC 6409 §8: a submission server may mend what clients get wrong, as no other server may.
		c.mender = &mender{w: c.sink, from: t.author(), date: c.began, id: t.ID() + "@" + t.o.Hostname, hostname: t.o.Hostname}
		if c.sink = c.mender; !t.params.Binary {
			c.sink = message.NewCRLFWriter(c.mender)
		}
	}
	return c
}

// drainFactor says how many times the largest message a client may send before we
// stop listening for its end. Up to there it gets a proper reply.
const drainFactor = 2

// Write takes the next bytes of the message. It fails only when the client has
// sent so much more than it may that it is not worth while to wait for the end;
// everything else is said by Commit.
func (c *Content) Write(p []byte) (int, error) {
	c.findings.Size += int64(len(p))
	if limit := c.tx.session.MaxSize(); limit > 0 && c.findings.Size > limit {
		c.drop()
		if c.findings.Size > drainFactor*limit {
			return 0, c.tx.decide(&c.findings)
		}
	}
	if c.incoming != nil {
		if _, err := c.sink.Write(p); err != nil {
			c.err = err
			c.drop()
		}
	}
	return len(p), nil
}

// Refused says before the end that the message will be refused, and why. It is ended
// then.
func (c *Content) Refused(ctx context.Context, ends LineEnds) error {
	c.findings.BareCR, c.findings.BareLF = ends.BareCR, ends.BareLF
	err := c.tx.decide(&c.findings)
	if err == nil {
		err = c.err
	}
	if err != nil {
		c.drop()
		c.refused(ctx, err)
	}
	return err
}

// refused tells why nobody gets the message.
func (c *Content) refused(ctx context.Context, err error) {
	e := c.tx.event(obs.MessageRefused)
	e.Size = c.findings.Size
	c.tx.session.refused(ctx, e, err)
}

// drop gives back what was kept of a message that will be refused.
func (c *Content) drop() {
	c.examined.drop()
	if c.incoming != nil {
		c.incoming.Abort()
		c.incoming = nil
	}
}

// Abort gives the message up: the client went away, or was sent away.
func (c *Content) Abort(ctx context.Context, reason error) {
	c.drop()
	e := c.tx.event(obs.BrokenOff)
	e.Size, e.Error = c.findings.Size, reason.Error()
	c.tx.session.trail().Tell(ctx, e)
}
