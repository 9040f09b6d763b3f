package admin

import (
	"context"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/queue"
)

// QueueFilter picks what is still to be delivered, recipient by recipient. What is
// set must match; the zero QueueFilter picks all.
type QueueFilter struct {
	IDs          []string `json:"ids,omitempty"`
	Sender       string   `json:"sender,omitempty"`        // part of the address; "<>": none
	Recipient    string   `json:"recipient,omitempty"`     // part of the address
	Domain       string   `json:"domain,omitempty"`        // of the recipient, or where it was rerouted to
	Error        string   `json:"error,omitempty"`         // part of the last reply
	Remote       string   `json:"remote,omitempty"`        // part of who gave it, name or address
	OlderSeconds int64    `json:"older_seconds,omitempty"` // since the message was queued
	NewerSeconds int64    `json:"newer_seconds,omitempty"`
	Held         bool     `json:"held,omitempty"`    // only what is on hold
	Untried      bool     `json:"untried,omitempty"` // only what was never tried
	Limit        int      `json:"limit,omitempty"`   // most messages that are listed; 0: all
}

// QueueList is what a filter picks.
type QueueList struct {
	Messages []QueuedMessage `json:"messages"` // each with the recipients that are picked
	More     bool            `json:"more"`     // there are more than the limit
	// Damaged are the messages that cannot be read; only if all were asked for.
	Damaged []DamagedMessage `json:"damaged,omitempty"`
}

// DamagedMessage is a queued message that cannot be read. It can be deleted.
type DamagedMessage struct {
	ID    string `json:"id"` // or the place of its records, if its id is lost: "q/03/17"
	Error string `json:"error"`
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
	Operation string      `json:"operation"` // retry, hold, release, reroute, bounce or delete
	// Route, of reroute: a domain, a host with its port, or the name of a route of the
	// configuration; "": back to the domain of each recipient.
	Route  string `json:"route,omitempty"`
	Reason string `json:"reason,omitempty"` // of bounce: for the sender
	DryRun bool   `json:"dry_run"`          // change nothing, only say what would be changed
}

// QueueAffected says what an order has changed, or would change.
type QueueAffected struct {
	Messages   []string `json:"messages"`
	Recipients int      `json:"recipients"`
	DryRun     bool     `json:"dry_run"`
	Missing    []string `json:"missing,omitempty"` // of the ids, those that are not queued
	Damaged    []string `json:"damaged,omitempty"` // of the ids, those that can only be deleted
}

func (a *Admin) listQueue(ctx context.Context, r QueueFilter) (QueueList, error) {
	list := QueueList{Messages: []QueuedMessage{}}
	f, err := a.scoped(ctx, &r)
	if err != nil {
		return list, err
	}
	err = a.o.Queue.List(ctx, f, func(s queue.Status) bool {
		if list.More = r.Limit > 0 && len(list.Messages) == r.Limit; list.More {
			return false
		}
		list.Messages = append(list.Messages, queuedOf(s, s.Matching))
		return true
	})
	if everything := (QueueFilter{Limit: r.Limit}); err != nil || f.Only != nil || !reflect.DeepEqual(r, everything) {
		return list, err
	}
	damaged, err := a.o.Queue.Damaged(ctx)
	for _, d := range damaged {
		list.Damaged = append(list.Damaged, DamagedMessage{string(d.ID), d.Err.Error()})
	}
	return list, err
}

func (a *Admin) showQueue(ctx context.Context, r Name) (QueuedMessage, error) {
	only, err := a.within(ctx, callerOf(ctx))
	if err != nil {
		return QueuedMessage{}, err
	}
	s, err := a.o.Queue.Show(ctx, queue.ID(r.Name))
	if fault.Is(err, fault.Corrupt) && only != nil {
		err = unknownMessage(r.Name)
	}
	if err != nil {
		return QueuedMessage{}, err
	}
	var his []int
	for i := range s.Progress {
		if only == nil || only(s.Message, s.Message.Recipients[i].Address) {
			his = append(his, i)
		}
	}
	if len(his) == 0 {
		return QueuedMessage{}, unknownMessage(r.Name)
	}
	return queuedOf(s, his), nil
}

func unknownMessage(id string) error {
	return fault.New(fault.NotFound, "queue: there is no message %s", id)
}

func (a *Admin) operateQueue(ctx context.Context, r QueueOrder) (QueueAffected, error) {
	operation, ok := map[string]queue.Operation{
		"retry": queue.Retry, "hold": queue.Hold, "release": queue.Release,
		"reroute": queue.Reroute, "bounce": queue.Bounce, "delete": queue.Delete,
	}[r.Operation]
	if !ok {
		return QueueAffected{}, fault.New(fault.Invalid, "there is no operation %q on the queue", r.Operation)
	}
	if !callerOf(ctx).operator && !slices.Contains(orders(), r.Operation) {
		return QueueAffected{}, notForYou("queue/" + r.Operation)
	}
	f, err := a.scoped(ctx, &r.Filter)
	if err != nil {
		return QueueAffected{}, err
	}
	route, err := a.destination(ctx, r.Route)
	if err != nil {
		return QueueAffected{}, err
	}
	done, err := a.o.Queue.Operate(ctx, f, queue.Order{Operation: operation, Route: route, Reason: r.Reason, Preview: r.DryRun})
	affected := QueueAffected{
		Messages: texts(done.Messages), Recipients: done.Recipients, DryRun: r.DryRun,
		Missing: texts(done.Missing), Damaged: texts(done.Damaged),
	}
	if f.Only != nil {
		affected.Missing = slices.DeleteFunc(slices.Clone(r.Filter.IDs), func(id string) bool { return slices.Contains(f.IDs, queue.ID(id)) })
	}
	return affected, err
}

func texts(ids []queue.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}

// destination is where mail can be rerouted to, in the form in which the queue and
// the way out know it.
func (a *Admin) destination(ctx context.Context, to string) (string, error) {
	if to == "" || to == everyDomain {
		return to, nil
	}
	if host, port, err := net.SplitHostPort(to); err == nil {
		number, err := strconv.ParseUint(port, 10, 16)
		name, nameless := addr.CanonicalDomain(host)
		ip, noIP := netip.ParseAddr(host)
		switch {
		case err != nil || number == 0:
		case noIP == nil:
			return netip.AddrPortFrom(ip, uint16(number)).String(), nil
		case nameless == nil:
			return net.JoinHostPort(name, port), nil
		}
		return "", noDestination(to)
	}
	if ip, err := netip.ParseAddr(to); err == nil {
		return netip.AddrPortFrom(ip, smtpPort).String(), nil
	}
	name, err := addr.CanonicalDomain(to)
	if err != nil {
		return "", noDestination(to)
	}
	local, err := a.o.Directory.IsLocal(ctx, name)
	if err == nil && local {
		err = fault.New(fault.Invalid, "%s is a domain of this server: there is no mailbox here for addresses of other domains", to)
	}
	return name, err
}

const (
	everyDomain = "*" // the route of all domains that have none of their own
	smtpPort    = 25
)

func noDestination(to string) error {
	return fault.New(fault.Invalid, `mail cannot be sent to %q; want a domain ("example.org"), a host and its port ("mail.example.org:25", "192.0.2.1:25"), or the name of a route`, to)
}

// scoped is what a filter picks of what concerns the caller. Of ids, those of others are
// left out: damaged messages are nobody's but the operator's.
func (a *Admin) scoped(ctx context.Context, r *QueueFilter) (f queue.Filter, err error) {
	f = r.filter()
	if f.Only, err = a.within(ctx, callerOf(ctx)); err == nil && f.Only != nil && f.IDs != nil {
		f.IDs, err = a.inQueue(ctx, r.IDs, f.Only)
	}
	return f, err
}

func (f *QueueFilter) filter() queue.Filter {
	var ids []queue.ID
	for _, id := range f.IDs {
		ids = append(ids, queue.ID(id))
	}
	return queue.Filter{
		IDs: ids, Sender: f.Sender, Recipient: f.Recipient, Domain: f.Domain, Error: f.Error, Remote: f.Remote,
		OlderThan: time.Duration(f.OlderSeconds) * time.Second, NewerThan: time.Duration(f.NewerSeconds) * time.Second,
		Held: f.Held, Untried: f.Untried,
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
