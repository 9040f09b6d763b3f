package admin

import (
	"context"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/queue"
)

// QueueFilter picks what is still to be delivered, recipient by recipient. What is
// set must match; the zero QueueFilter picks all.
type QueueFilter struct {
	IDs          []string `json:"ids,omitempty"`
	Sender       string   `json:"sender,omitempty"`    // part of the address; "<>": none
	Recipient    string   `json:"recipient,omitempty"` // part of the address
	Domain       string   `json:"domain,omitempty"`    // of the recipient
	Error        string   `json:"error,omitempty"`     // part of the last reply
	OlderSeconds int64    `json:"older_seconds,omitempty"`
	Held         bool     `json:"held,omitempty"`  // only what is on hold
	Limit        int      `json:"limit,omitempty"` // most messages that are listed; 0: all
}

// QueueList is what a filter picks.
type QueueList struct {
	Messages []QueuedMessage `json:"messages"` // each with the recipients that are picked
	More     bool            `json:"more"`     // there are more than the limit
}

// QueuedMessage is a message that has not reached all of its recipients.
type QueuedMessage struct {
	ID         string            `json:"id"`
	From       string            `json:"from"` // "": the null reverse-path
	Size       int64             `json:"size"`
	Created    time.Time         `json:"created"`
	Priority   int               `json:"priority"`
	EnvelopeID string            `json:"envelope_id,omitempty"`
	Recipients []QueuedRecipient `json:"recipients"`
}

// QueuedRecipient is how far a message has got to a recipient.
type QueuedRecipient struct {
	Address  string     `json:"address"`
	State    string     `json:"state"`
	Held     bool       `json:"held"`
	Attempts int        `json:"attempts"`
	Next     *time.Time `json:"next,omitempty"`   // when it is tried again
	Last     *time.Time `json:"last,omitempty"`   // when it was tried last
	Reply    string     `json:"reply,omitempty"`  // what was said then
	Remote   string     `json:"remote,omitempty"` // by whom; "": by us
	Route    string     `json:"route,omitempty"`  // that the operator has chosen
}

// QueueOrder is what to do with all that a filter picks.
type QueueOrder struct {
	Filter    QueueFilter `json:"filter"`
	Operation string      `json:"operation"` // retry, hold, release, bounce or delete
	Reason    string      `json:"reason,omitempty"`
	DryRun    bool        `json:"dry_run"` // change nothing, only say what would be changed
}

// QueueAffected says what an order has changed, or would change.
type QueueAffected struct {
	Messages   []string `json:"messages"`
	Recipients int      `json:"recipients"`
	DryRun     bool     `json:"dry_run"`
}

func (a *Admin) listQueue(ctx context.Context, r QueueFilter) (QueueList, error) {
	list := QueueList{Messages: []QueuedMessage{}}
	err := a.o.Queue.List(ctx, r.filter(), func(s queue.Status) bool {
		if list.More = r.Limit > 0 && len(list.Messages) == r.Limit; list.More {
			return false
		}
		list.Messages = append(list.Messages, queuedOf(s, s.Matching))
		return true
	})
	return list, err
}

func (a *Admin) showQueue(ctx context.Context, r Name) (QueuedMessage, error) {
	s, err := a.o.Queue.Show(ctx, queue.ID(r.Name))
	if err != nil {
		return QueuedMessage{}, err
	}
	all := make([]int, len(s.Progress))
	for i := range all {
		all[i] = i
	}
	return queuedOf(s, all), nil
}

func (a *Admin) operateQueue(ctx context.Context, r QueueOrder) (QueueAffected, error) {
	operation, ok := map[string]queue.Operation{
		"retry": queue.Retry, "hold": queue.Hold, "release": queue.Release, "bounce": queue.Bounce, "delete": queue.Delete,
	}[r.Operation]
	if !ok {
		return QueueAffected{}, fault.New(fault.Invalid, "there is no operation %q on the queue", r.Operation)
	}
	done, err := a.o.Queue.Operate(ctx, r.Filter.filter(), queue.Order{Operation: operation, Reason: r.Reason, Preview: r.DryRun})
	affected := QueueAffected{Messages: make([]string, len(done.Messages)), Recipients: done.Recipients, DryRun: r.DryRun}
	for i, id := range done.Messages {
		affected.Messages[i] = string(id)
	}
	return affected, err
}

func (f *QueueFilter) filter() queue.Filter {
	var ids []queue.ID
	for _, id := range f.IDs {
		ids = append(ids, queue.ID(id))
	}
	return queue.Filter{
		IDs: ids, Sender: f.Sender, Recipient: f.Recipient, Domain: f.Domain, Error: f.Error,
		OlderThan: time.Duration(f.OlderSeconds) * time.Second, Held: f.Held,
	}
}

// queuedOf describes a message with some of its recipients.
func queuedOf(s queue.Status, numbers []int) QueuedMessage {
	m := s.Message
	q := QueuedMessage{
		ID: string(m.ID), Size: m.Size(), Created: m.Created.UTC(), Priority: m.Priority, EnvelopeID: m.EnvelopeID,
		Recipients: make([]QueuedRecipient, len(numbers)),
	}
	if !m.From.IsZero() {
		q.From = m.From.String()
	}
	for i, number := range numbers {
		p := &s.Progress[number]
		r := &q.Recipients[i]
		*r = QueuedRecipient{
			Address: m.Recipients[number].Address.String(), State: p.State.String(), Held: p.Held,
			Attempts: p.Attempts, Last: moment(p.Last), Remote: p.Remote, Route: p.Route,
		}
		if !p.Reply.IsZero() {
			r.Reply = p.Reply.String()
		}
		if p.State == queue.Pending && !p.Held {
			r.Next = moment(p.Next)
		}
	}
	return q
}

// moment is a time as it travels; nil: never.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
