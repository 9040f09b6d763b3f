package admin

import (
	"context"
	"slices"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/obs"
	"posthorn/internal/queue"
)

// What an admin of domains gets to see of what concerns other people, too.

// within picks what of the queue concerns a caller: what his users have sent, what they
// forward, and what is for them; nil: everything.
func (a *Admin) within(ctx context.Context, c *caller) (func(*queue.Message, addr.Address) bool, error) {
	if c.operator {
		return nil, nil
	}
	his := map[uint64]bool{}
	err := a.o.Directory.Accounts(ctx, func(account directory.Account) bool {
		if c.sees(account.Address.Domain) {
			his[uint64(account.ID)] = true
		}
		return true
	})
	return func(m *queue.Message, to addr.Address) bool {
		return his[m.Account] || !m.Rewritten.IsZero() && c.sees(m.Rewritten.Domain) || c.sees(to.Domain)
	}, err
}

// inQueue gives the ids of those messages that concern a caller.
func (a *Admin) inQueue(ctx context.Context, ids []string, only func(*queue.Message, addr.Address) bool) (his []queue.ID, err error) {
	his = []queue.ID{}
	for _, id := range ids {
		s, err := a.o.Queue.Show(ctx, queue.ID(id))
		switch {
		case fault.Is(err, fault.NotFound), fault.Is(err, fault.Corrupt):
			continue
		case err != nil:
			return nil, err
		}
		if slices.ContainsFunc(s.Message.Recipients, func(r queue.Recipient) bool { return only(s.Message, r.Address) }) {
			his = append(his, queue.ID(id))
		}
	}
	return his, nil
}

// orders are what an admin of domains can have done to the queue. What is on hold the
// operator has put there, or the server for a good reason; and where mail goes is
// nothing for users to choose.
func orders() []string { return []string{"retry", "bounce", "delete"} }

// part is what of a message's history concerns a caller; false: nothing.
func (c *caller) part(m MessageHistory) (MessageHistory, bool) {
	if c.operator {
		return m, true
	}
	known := c.correspondents(m)
	part := MessageHistory{ID: m.ID}
	for _, e := range m.Events {
		his := e.User != "" && c.seesAddress(e.User)
		had := len(e.To) > 0
		e.To = slices.DeleteFunc(slices.Clone(e.To), func(to HistoryRecipient) bool {
			return !c.seesAddress(to.Address) && !known[strings.ToLower(to.Address)]
		})
		if had && len(e.To) == 0 || !had && !his {
			continue
		}
		for i := range e.To {
			e.To[i].Accounts = slices.DeleteFunc(slices.Clone(e.To[i].Accounts), func(name string) bool { return !c.seesAddress(name) })
		}
		if e.User != "" && !his { // it is not his to know where other people are
			e.User, e.IP, e.Hello, e.TLS, e.Conn = "", "", "", "", ""
		}
		part.Events = append(part.Events, e)
	}
	return part, len(part.Events) > 0
}

// correspondents are those to whom a caller's users have sent or forwarded a message.
func (c *caller) correspondents(m MessageHistory) map[string]bool {
	known := map[string]bool{}
	for _, e := range m.Events {
		if e.Kind == obs.AuthFailed.String() || e.User == "" || !c.seesAddress(e.User) {
			continue
		}
		for _, to := range e.To {
			known[strings.ToLower(to.Address)] = true
		}
	}
	return known
}

// pointedTo is an error as a caller may read it who has wanted to end an address: what
// still points to it may be somebody else's.
func (c *caller) pointedTo(address string, err error) error {
	if c.operator || !fault.Is(err, fault.InUse) {
		return err
	}
	return fault.New(fault.InUse, "mail still goes to %s from an alias, a forward or a catch-all, maybe of another domain; end that first", address)
}

// stays is the error that an account would leave its domain, which is the operator's
// affair.
func (c *caller) stays(from, to addr.Address) error {
	if c.operator || strings.EqualFold(from.Domain, to.Domain) {
		return nil
	}
	return fault.New(fault.Denied, "only the operator of the server can move %s to another domain", from)
}
