package queue

import (
	"context"
	"errors"
	"slices"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Change is what the queue has to write in a commit that somebody else makes.
type Change struct {
	Shard kv.Shard
	// Apply writes it. It may be called again from its start, as the engine does. An
	// error from it must roll the commit back, and must be returned so that errors.Is
	// still finds it.
	Apply func(kv.Writer) error
}

// errNotification says that a commit cannot be made with the notification it has.
var errNotification = errors.New("queue: this commit needs another notification")

// commit changes one message. What is to be told to its sender becomes known only
// within the Update, where nothing may be read from elsewhere, while the
// notification quotes the message. So the first run that finds that something is to
// be told gives up, the notification is made outside, and the next run holds if it
// still finds the same.
type commit struct {
	queue  *Queue
	key    key
	change func(*stored, time.Time) // may run several times, on fresh states
	tell   bool                     // what the sender should hear is told now, not just when all is over
	now    time.Time

	notification *Message // nil: none
	about        []told   // what it tells
	handed       bool     // somebody else puts it into a mailbox
	boxed        bool     // it is there
	apart        bool     // it cannot be made together with others

	st   *stored // the message after the change; nil if it is no longer there
	told []told  // what is to be told
}

// maxRuns is how often a commit is tried while others change the same message.
const maxRuns = 20

// run makes the commit. Afterwards st is what was written.
func (c *commit) run(ctx context.Context) error {
	for range maxRuns {
		err := c.once(ctx)
		if !errors.Is(err, errNotification) {
			return err
		}
		c.notification, c.about = nil, c.told
		if len(c.told) == 0 {
			continue
		}
		if c.notification, err = c.queue.notification(ctx, c.st, c.told, c.now); err != nil {
			return err
		}
	}
	return fault.New(fault.InUse, "queue: a message keeps changing")
}

// once makes one Update, in a commit of somebody who knows the sender's mailbox if
// there is one.
func (c *commit) once(ctx context.Context) error {
	q := c.queue
	if c.notification != nil && q.local != nil {
		c.handed = true
		done, err := q.local(ctx, c.notification, Change{c.key.shard(), c.apply})
		c.handed = false
		if done || errors.Is(err, errNotification) {
			c.boxed = err == nil
			return err
		}
		if err != nil {
			q.log.WarnContext(ctx, "a notification is queued, for its mailbox does not take it",
				"id", c.notification.ID, "to", c.notification.Recipients[0].Address.String(), "err", err)
		}
	}
	if n := c.notification; n != nil && n.Header == nil && q.sign != nil {
		n.Header = q.sign(ctx, q.settings.Load().Postmaster, n.Body.Data)
	}
	shard := c.key.shard()
	return q.engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return c.apply(tx.In(shard)) })
}

// apply is the Update.
func (c *commit) apply(w kv.Writer) error {
	if err := c.read(w); err != nil {
		return err
	}
	return c.write(w)
}

// read reads the message and changes it in memory.
func (c *commit) read(w kv.Reader) error {
	c.told = nil
	var err error
	if c.st, err = readMessage(w, c.key); err != nil {
		return err
	}
	if c.st != nil {
		c.change(c.st, c.now)
		if c.tell || c.st.finished() {
			c.told = c.st.tell(c.queue.policyOf, c.now)
		}
	}
	if !slices.Equal(c.told, c.about) {
		return errNotification
	}
	return nil
}

// write writes what has been changed.
func (c *commit) write(w kv.Writer) error {
	if c.st == nil {
		return nil
	}
	if err := c.st.write(w); err != nil || c.notification == nil || c.handed {
		return err
	}
	return Put(w, c.notification)
}
