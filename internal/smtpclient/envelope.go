package smtpclient

import (
	"context"
	"io"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/smtpwire"
)

// Send sends a message to all its recipients and says what became of each, in
// their order. The body is read once, and not at all if nobody may have it.
func (c *Client) Send(ctx context.Context, m *Message, body io.Reader) []Outcome {
	defer c.conn.until(ctx)()
	c.messages++
	t := &transaction{c: c, m: m, outcomes: make([]Outcome, len(m.To))}
	if err := c.check(m); err != nil {
		t.fail(err)
	} else {
		t.run(body)
	}
	for i := range t.outcomes {
		t.outcomes[i].Err = c.conn.blame(ctx, t.outcomes[i].Err)
	}
	return t.outcomes
}

// transaction is one message on its way.
type transaction struct {
	c        *Client
	m        *Message
	outcomes []Outcome
	refusal  error          // to MAIL
	accepted []int          // the recipients that the server takes the message for
	start    smtpwire.Reply // to DATA, if that was sent with the envelope
}

func (t *transaction) run(body io.Reader) {
	if err := t.envelope(); err != nil {
		t.fail(err)
		t.accepted = nil
	}
	if len(t.accepted) == 0 {
		if t.start.Class() == 3 {
			t.sendNothing()
		}
		return
	}
	if t.bdat() {
		t.chunks(body)
		return
	}
	if t.start.IsZero() {
		t.c.conn.command("DATA")
		var err error
		if t.start, err = t.c.conn.reply(AtData, t.c.o.Timeouts.DataStart); err != nil {
			t.fail(err)
			return
		}
	}
	if t.start.Class() != 3 {
		t.fail(t.c.refused(AtData, t.start))
		return
	}
	t.data(body)
}

// fail says that all recipients of whom nothing is known yet do not get the message.
func (t *transaction) fail(err error) {
	for i := range t.outcomes {
		if o := &t.outcomes[i]; o.Err == nil {
			t.failOne(i, err)
		}
	}
}

func (t *transaction) failOne(i int, err error) {
	o := &t.outcomes[i]
	o.Err, o.Notifies = err, false
	if e, ok := err.(*Error); ok && !e.Reply.IsZero() {
		o.Reply = e.Reply
	}
}

// bdat says that the content goes in chunks. Everybody has DATA, so only what
// needs chunks gets them.
func (t *transaction) bdat() bool { return t.m.Body == BodyBinary }

// step is a command, and what to do with its reply. If that is not to go on, no
// more commands are sent than have been already.
type step struct {
	line    string
	stage   Stage
	timeout time.Duration
	reply   func(smtpwire.Reply) (goOn bool)
}

// inFlight is how many commands may be under way. Their replies must fit into the
// server's buffers, or both would wait for each other (RFC 2920 §3.1).
const inFlight = 64

// envelope sends everything that comes before the content. An error concerns all
// recipients.
func (t *transaction) envelope() error {
	patience := t.c.o.Timeouts.Command
	mail := t.c.mailCommand(t.m)
	if !isLine(mail) {
		return newError(AtMail, fault.Internal, "not a command: %q", mail)
	}
	var steps []step
	if t.c.open {
		steps = append(steps, step{"RSET", AtMail, patience, t.begun})
	}
	steps = append(steps, step{mail, AtMail, patience, func(r smtpwire.Reply) bool {
		t.c.open = t.c.open || r.Class() == 2
		return t.begun(r)
	}})
	for i := range t.m.To {
		steps = t.addRecipient(steps, i)
	}
	if t.c.Supports("PIPELINING") && !t.bdat() {
		steps = append(steps, step{"DATA", AtData, t.c.o.Timeouts.DataStart, func(r smtpwire.Reply) bool {
			t.start = r
			return true
		}})
	}
	if err := t.c.converse(steps); err != nil && t.refusal == nil {
		return err
	}
	return t.refusal
}

// begun looks at the reply to RSET or MAIL.
func (t *transaction) begun(r smtpwire.Reply) bool {
	if r.Class() != 2 && t.refusal == nil {
		t.refusal = t.c.refused(AtMail, r)
	}
	return t.refusal == nil
}

func (t *transaction) addRecipient(steps []step, i int) []step {
	to := &t.m.To[i]
	line := t.c.rcptCommand(to)
	switch {
	case !isASCII(to.To) && !t.c.Supports("SMTPUTF8"): // RFC 6531 §3.2
		t.failOne(i, lacks(AtRcpt, smtpwire.EnhancedCode{5, 6, 7}, "the address is in UTF-8, which the server does not take (SMTPUTF8)"))
		return steps
	case !isLine(line):
		t.failOne(i, newError(AtRcpt, fault.Internal, "not a command: %q", line))
		return steps
	}
	return append(steps, step{line, AtRcpt, t.c.o.Timeouts.Command, func(r smtpwire.Reply) bool {
		switch {
		case t.refusal != nil: // which says more than what now follows
			return true
		case r.Class() != 2:
			t.failOne(i, t.c.refused(AtRcpt, r))
			return true
		}
		t.outcomes[i].Reply = r
		t.outcomes[i].Notifies = t.c.Supports("DSN")
		t.accepted = append(t.accepted, i)
		return true
	}})
}

// converse sends commands and reads their replies, several at a time if the server
// likes that. An error means that replies are missing, those of the last steps.
func (c *Client) converse(steps []step) error {
	window := 1
	if c.Supports("PIPELINING") {
		window = inFlight
	}
	sent, goOn := 0, true
	for read := 0; read < len(steps); read++ {
		for goOn && sent < len(steps) && sent < read+window {
			c.conn.command(steps[sent].line)
			sent++
		}
		if read == sent {
			return nil
		}
		reply, err := c.conn.reply(steps[read].stage, steps[read].timeout)
		if err != nil {
			return err
		}
		goOn = steps[read].reply(reply) && goOn
	}
	return nil
}
