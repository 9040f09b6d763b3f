package queue

import (
	"context"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Filter picks recipients that are still pending. One that is set must match; the
// zero Filter picks all.
type Filter struct {
	IDs       []ID
	Account   uint64        // who has submitted the message
	Sender    string        // part of the reverse-path, in any case; "<>": the null one
	Recipient string        // part of the address, in any case
	Domain    string        // of the address, or the route, as a whole, in any case
	Error     string        // part of the last reply, in any case
	Remote    string        // part of who gave it, in any case
	OlderThan time.Duration // since the message was taken over
	NewerThan time.Duration
	Held      bool // only those on hold
	Untried   bool // only those that were never tried
	// Only is asked about each recipient besides; nil: all are meant.
	Only func(m *Message, to addr.Address) bool
}

// Status is a message and how far its recipients have got.
type Status struct {
	Message  *Message   // its Body without Data
	Progress []Progress // one for each recipient
	Matching []int      // the recipients that the filter has picked
}

func (st *stored) status(matching []int) Status { return Status{st.Message, st.progress, matching} }

// matching lists the recipients of a message that a filter picks.
func (f *Filter) matching(st *stored, now time.Time) []int {
	if !f.matchesMessage(st, now) {
		return nil
	}
	var numbers []int
	for i := range st.progress {
		if f.matchesRecipient(st, i) {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

func (f *Filter) matchesMessage(st *stored, now time.Time) bool {
	age := now.Sub(st.Created)
	switch {
	case f.Account != 0 && st.Account != f.Account,
		f.Sender == "<>" && !st.From.IsZero(),
		f.Sender != "<>" && !contains(st.From.String(), f.Sender),
		f.OlderThan > 0 && age < f.OlderThan,
		f.NewerThan > 0 && age > f.NewerThan:
		return false
	}
	return true
}

func (f *Filter) matchesRecipient(st *stored, i int) bool {
	p, to := &st.progress[i], st.Recipients[i].Address
	switch {
	case p.State != Pending,
		f.Held && !p.Held,
		f.Untried && p.Attempts > 0,
		!contains(to.String(), f.Recipient),
		!contains(p.Remote, f.Remote),
		f.Error != "" && !contains(p.Reply.String(), f.Error),
		f.Only != nil && !f.Only(st.Message, to):
		return false
	}
	return f.Domain == "" || DomainOf(to) == f.Domain || strings.EqualFold(p.Route, f.Domain)
}

// normal is the filter in the form in which it is compared.
func (f Filter) normal() Filter {
	for _, part := range []*string{&f.Sender, &f.Recipient, &f.Error, &f.Remote} {
		*part = strings.ToLower(*part)
	}
	f.Domain = DomainOf(addr.Address{Domain: f.Domain})
	return f
}

// contains finds part, in lower case, in text; the empty part is in all of them.
func contains(text, part string) bool {
	return part == "" || strings.Contains(strings.ToLower(text), part)
}

// List calls fn with the messages that have a recipient which the filter picks,
// slice by slice, in each the oldest first, until it returns false. It is not one
// snapshot. What is damaged is left out: Damaged lists that.
func (q *Queue) List(ctx context.Context, f Filter, fn func(Status) bool) error {
	f = f.normal()
	return q.find(ctx, &f, func(_ int, found []*stored, now time.Time) (bool, error) {
		for _, st := range found {
			if !fn(st.status(f.matching(st, now))) {
				return false, nil
			}
		}
		return true, nil
	})
}

// Show gives a message; fault.NotFound if it is not queued, fault.Corrupt if it is
// damaged.
func (q *Queue) Show(ctx context.Context, id ID) (Status, error) {
	found, err := q.named(ctx, id)
	switch {
	case err != nil:
		return Status{}, err
	case found == nil:
		return Status{}, fault.New(fault.NotFound, "queue: there is no message %s", id)
	}
	return found.status(nil), nil
}

// named reads a message by its name; nil if there is none. fault.Corrupt: it is
// damaged.
func (q *Queue) named(ctx context.Context, id ID) (found *stored, err error) {
	if err := id.checkName(); err != nil {
		return nil, err
	}
	slice := sliceOfName(id)
	err = q.engine.View(ctx, sliceShard(slice), func(r kv.Reader) error {
		k, ok, err := locate(r, slice, id)
		if err == nil && ok {
			found, err = readMessage(r, k)
		}
		return err
	})
	if fault.Is(err, fault.Corrupt) {
		err = unreadable(id, err)
	}
	return found, err
}

// batch is how many messages are read or changed at once.
const batch = 200

// find hands the messages that a filter picks to fn, in batches, each of one slice,
// outside of the engine, until it returns false.
func (q *Queue) find(ctx context.Context, f *Filter, fn func(slice int, found []*stored, now time.Time) (bool, error)) error {
	now := time.Now()
	if f.IDs != nil {
		return q.findIDs(ctx, f, now, fn)
	}
	for slice := range numSlices {
		for from, more := uint64(0), true; more; {
			found, err := q.findBatch(ctx, f, makeKey(slice, from), now)
			if err != nil {
				return err
			}
			if goOn, err := fn(slice, found, now); err != nil || !goOn {
				return err
			}
			if more = len(found) == batch; more {
				from = found[batch-1].key.serial() + 1
			}
		}
	}
	return nil
}

// findBatch reads the next messages of a slice that a filter picks.
func (q *Queue) findBatch(ctx context.Context, f *Filter, from key, now time.Time) (found []*stored, err error) {
	err = q.engine.View(ctx, from.shard(), func(r kv.Reader) error {
		found = nil
		return readMessages(r, from.slice(), messagesFrom(from.serial()), func(st *stored) bool {
			if f.matching(st, now) != nil {
				found = append(found, st)
			}
			return len(found) < batch
		}, func(key, error) {})
	})
	return found, err
}

// findIDs is find for messages that are named.
func (q *Queue) findIDs(ctx context.Context, f *Filter, now time.Time, fn func(slice int, found []*stored, now time.Time) (bool, error)) error {
	for _, id := range f.IDs {
		st, err := q.named(ctx, id)
		if err != nil {
			return err
		}
		if st == nil || f.matching(st, now) == nil {
			continue
		}
		if goOn, err := fn(st.key.slice(), []*stored{st}, now); err != nil || !goOn {
			return err
		}
	}
	return nil
}
