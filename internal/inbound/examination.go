package inbound

import (
	"bytes"
	"context"
	"io"

	"posthorn/internal/dkim"
	"posthorn/internal/dmarc"
	"posthorn/internal/fault"
)

// examination takes in a message whose sender is checked. What the checks find is to
// stand at the top of the message, so that it is held back until they have ended:
// at the end of a message that is signed; else, as soon as its header is known and
// memory is short.
//
// The order is: the header is gathered, and begins the checks; the body passes by
// the verifier of signatures into the hold; pass waits for the checks, writes the top,
// and lets everything go on.
type examination struct {
	tx  *Transaction
	ctx context.Context
	to  io.Writer

	header []byte // as it came
	line   int    // where the line under way begins in it
	seen   int    // how much of it has been searched for line ends
	inBody bool   // the header has ended

	signatures *dkim.Verifier // nil: there are none
	policies   *pending[dmarc.Policies]
	expire     context.CancelFunc // ends the lookups of both
	held       hold
	found      *Authentication // what was found, once the message has passed
}

// examine begins with a message; to is where it goes.
func (t *Transaction) examine(ctx context.Context, to io.Writer) *examination {
	return &examination{tx: t, ctx: ctx, to: to, held: hold{dir: t.o.TempDir}}
}

// Write takes the next bytes of the message. Kinds of error: TooLarge if the header
// is, those of the hold, and those of where the message goes.
func (e *examination) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if e.inBody {
			return n, e.body(p)
		}
		rest, err := e.gather(p)
		if err != nil {
			return 0, err
		}
		p = rest
	}
	return n, nil
}

// gather takes the next bytes of the header, in pieces so small that not much of the
// body is taken for it.
func (e *examination) gather(p []byte) (rest []byte, err error) {
	taken := min(len(p), 4<<10)
	e.header = append(e.header, p[:taken]...)
	end := e.headerEnd()
	if end >= 0 {
		taken -= len(e.header) - end
		e.header = e.header[:end]
	}
	switch {
	case len(e.header) > maxHeader:
		return nil, fault.New(fault.TooLarge, "inbound: the header has more than %d bytes", maxHeader)
	case end >= 0:
		err = e.headerEnds()
	}
	return p[taken:], err
}

// headerEnd is where the body begins; -1: it has not yet.
func (e *examination) headerEnd() int {
	for {
		n := bytes.IndexByte(e.header[e.seen:], '\n') + 1
		if n == 0 {
			e.seen = len(e.header)
			return -1
		}
		e.seen += n
		line := e.header[e.line:e.seen]
		if len(line) == 1 || len(line) == 2 && line[0] == '\r' {
			return e.seen
		}
		e.line = e.seen
	}
}

// headerEnds begins the checks that need the header.
func (e *examination) headerEnds() error {
	e.inBody = true
	o := e.tx.o
	ctx, cancel := context.WithTimeout(e.ctx, checkTime)
	e.expire = cancel
	e.signatures = dkim.NewVerifier(ctx, o.Resolver, o.Clock(), e.header)
	if authors := authorDomains(e.header); len(authors) > 0 {
		e.policies = begin(ctx, func(ctx context.Context) dmarc.Policies {
			return dmarc.Lookup(ctx, o.Resolver, authors)
		})
	}
	_, err := e.held.Write(withoutResults(e.header, o.Hostname))
	return err
}

// body takes the next bytes of the body.
func (e *examination) body(p []byte) error {
	if e.signatures != nil {
		_, _ = e.signatures.Write(p) // never fails
	} else if e.found == nil && !e.held.fits(len(p)) {
		if err := e.pass(); err != nil {
			return err
		}
	}
	var err error
	if e.found != nil {
		_, err = e.to.Write(p)
	} else {
		_, err = e.held.Write(p)
	}
	return err
}

// finish ends the message, and says what was found.
func (e *examination) finish() (*Authentication, error) {
	if !e.inBody {
		if err := e.headerEnds(); err != nil {
			return nil, err
		}
	}
	if e.found == nil {
		if err := e.pass(); err != nil {
			return nil, err
		}
	}
	return e.found, nil
}

// pass waits for the checks and lets the message go on, with what they found on top.
func (e *examination) pass() error {
	t := e.tx
	a := t.session.sender.wait()
	if e.signatures != nil {
		a.DKIM = e.signatures.Findings()
	}
	a.DMARC = e.policies.wait().Evaluate(a.evidence(t.ID()))
	e.found = a
	top := t.trace(t.o.Clock())
	top.results = appendResults(nil, t.o.Hostname, t.from, t.session.peer.Remote, a)
	if _, err := e.to.Write(top.append(make([]byte, 0, 1024))); err != nil {
		return err
	}
	return e.held.release(e.to)
}

// drop ends the examination, at whatever point it is. A nil one is none.
func (e *examination) drop() {
	if e == nil {
		return
	}
	if e.expire != nil {
		e.expire()
	}
	e.signatures.Close()
	e.policies.stop()
	e.tx.session.sender.stop()
	e.held.drop()
}
