package admin

import (
	"cmp"
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/history"
	"posthorn/internal/obs"
)

// HistoryQuery is what is looked for.
type HistoryQuery struct {
	What         string `json:"what"` // a Message-ID, an address, a domain, an IP address or a message's id
	SinceSeconds int64  `json:"since_seconds,omitempty"`
	Limit        int    `json:"limit,omitempty"` // most messages; 0: a hundred
}

// HistoryAnswer is what was found.
type HistoryAnswer struct {
	Messages []MessageHistory `json:"messages"` // the latest ones, in the order in which they began
	More     bool             `json:"more"`     // there are older ones
	Kept     *time.Time       `json:"kept"`     // since when there is a history; nil: there is none
	Days     int              `json:"days"`     // that it is kept; 0: it is not
}

// MessageHistory is what happened to a message and to the notifications about it, or
// on a connection that has led to no message.
type MessageHistory struct {
	ID     string         `json:"id"` // "": no message
	Events []HistoryEvent `json:"events"`
}

// HistoryEvent is one thing that happened. What is not known, or does not apply, is left out.
type HistoryEvent struct {
	Time        time.Time          `json:"time"`
	Kind        string             `json:"kind"`              // the text of the line in the log
	ID          string             `json:"id,omitempty"`      // of the message, or of the notification about it
	Related     string             `json:"related,omitempty"` // of the notification that came of it
	MessageID   string             `json:"message_id,omitempty"`
	Conn        string             `json:"conn,omitempty"`
	Protocol    string             `json:"protocol,omitempty"`
	IP          string             `json:"ip,omitempty"`
	Hello       string             `json:"hello,omitempty"`
	User        string             `json:"user,omitempty"`
	TLS         string             `json:"tls,omitempty"`
	From        string             `json:"from"` // "": the null reverse-path
	To          []HistoryRecipient `json:"to,omitempty"`
	Size        int64              `json:"size,omitempty"`
	Took        float64            `json:"took,omitempty"` // seconds
	Rule        string             `json:"rule,omitempty"`
	Reply       string             `json:"reply,omitempty"`
	Error       string             `json:"error,omitempty"`
	Destination string             `json:"destination,omitempty"`
	Remote      string             `json:"remote,omitempty"` // who gave the reply; "": we did
	Attempts    int                `json:"attempts,omitempty"`
	Next        *time.Time         `json:"next,omitempty"`
	Mailbox     bool               `json:"mailbox,omitempty"`
	Action      string             `json:"action,omitempty"` // what a notification tells
}

// HistoryRecipient is one of those that an event is about.
type HistoryRecipient struct {
	Address  string   `json:"address"`
	Accounts []string `json:"accounts,omitempty"` // who has it in a mailbox
	Queued   bool     `json:"queued,omitempty"`   // it is on its way to other servers
}

func (a *Admin) searchHistory(ctx context.Context, r HistoryQuery) (HistoryAnswer, error) {
	c := callerOf(ctx)
	q := history.Query{What: r.What, Limit: r.Limit}
	if c.seesAddress(r.What) {
		q.Accounts = a.accountsBehind(ctx, r.What)
	}
	if !c.operator { // of what is found, much may not be his
		q.Limit = max(q.Limit, widerSearch)
	}
	if r.SinceSeconds > 0 {
		q.Since = time.Now().Add(-time.Duration(r.SinceSeconds) * time.Second)
	}
	found, err := a.o.History.Search(ctx, q)
	if err != nil {
		return HistoryAnswer{}, err
	}
	names, err := a.accountNames(ctx, found.Lives)
	answer := HistoryAnswer{Messages: []MessageHistory{}, More: found.More, Kept: moment(found.Kept), Days: a.o.History.Days()}
	for _, life := range found.Lives {
		m := MessageHistory{ID: life.Message, Events: make([]HistoryEvent, len(life.Events))}
		for j, e := range life.Events {
			m.Events[j] = historyEvent(e, names)
		}
		if m, his := c.part(m); his {
			answer.Messages = append(answer.Messages, m)
		}
	}
	if !c.operator {
		answer.trim(cmp.Or(r.Limit, usualLimit))
	}
	return answer, err
}

const (
	usualLimit  = 100
	widerSearch = 5000
)

// trim leaves the latest messages; that there are more is said of these alone.
func (a *HistoryAnswer) trim(limit int) {
	over := len(a.Messages) - limit
	a.More = over > 0
	if a.More {
		a.Messages = a.Messages[over:]
	}
}

// accountsBehind are the accounts of an address, so that what reached them by way of an
// alias is found, too; none if it is no address of ours.
func (a *Admin) accountsBehind(ctx context.Context, what string) []uint64 {
	address, err := addr.Parse(what)
	if err != nil {
		return nil
	}
	account, err := a.o.Directory.Account(ctx, address)
	if err != nil {
		return nil // then there is only what speaks of the address itself
	}
	return []uint64{uint64(account.ID)}
}

// accountNames finds the addresses of the accounts in lives. One that has been deleted has none.
func (a *Admin) accountNames(ctx context.Context, lives []history.Life) (map[uint64]string, error) {
	names := map[uint64]string{}
	for _, life := range lives {
		for _, e := range life.Events {
			for _, to := range e.To {
				for _, id := range to.Accounts {
					names[id] = ""
				}
			}
		}
	}
	left := len(names)
	if left == 0 {
		return names, nil
	}
	err := a.o.Directory.Accounts(ctx, func(account directory.Account) bool {
		if _, ok := names[uint64(account.ID)]; ok {
			names[uint64(account.ID)] = account.Address.String()
			left--
		}
		return left > 0
	})
	return names, err
}

func historyEvent(e *obs.Event, names map[uint64]string) HistoryEvent {
	h := HistoryEvent{
		Time: e.Time.UTC(), Kind: e.Kind.String(), ID: e.Message, Related: e.Related, MessageID: e.MessageID,
		Conn: e.Conn, Protocol: e.Protocol, Hello: e.Hello, User: e.User, TLS: e.TLS,
		From: e.From, Size: e.Size, Took: e.Took.Seconds(), Rule: e.Rule, Reply: e.Reply, Error: e.Error,
		Destination: e.Destination, Remote: e.Host, Attempts: e.Attempts, Next: moment(e.Next), Mailbox: e.Mailbox, Action: e.Action,
	}
	if e.Remote.IsValid() {
		h.IP = e.Remote.String()
	}
	for _, to := range e.To {
		r := HistoryRecipient{Address: to.Address, Queued: to.Queued}
		for _, id := range to.Accounts {
			name := names[id]
			if name == "" {
				name = "a deleted account"
			}
			r.Accounts = append(r.Accounts, name)
		}
		h.To = append(h.To, r)
	}
	return h
}
