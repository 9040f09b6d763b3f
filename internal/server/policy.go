package server

import (
	"context"
	"log/slog"
	"time"

	"posthorn/internal/config"
	"posthorn/internal/filter/lists"
	"posthorn/internal/filter/rates"
	"posthorn/internal/inbound"
)

// policy is what the configuration says about mail that comes in.
func policy(set settings) inbound.Policy {
	p, limits := inbound.DefaultPolicy(), set.Limits
	p.MaxSize, p.MaxRecipients = limits.MaxMessageSize, limits.MaxRecipients
	p.Exempt, p.RelayFrom = limits.Exempt, set.Relay.Networks
	p.GreetDelay, p.Tarpit = limits.GreetDelay, limits.Tarpit
	p.Rates = inbound.Rates{
		inbound.Connections:       {Count: limits.ConnsPerMinute, Per: time.Minute},
		inbound.ClientErrors:      {Count: limits.ErrorsPerHour, Per: time.Hour},
		inbound.ClientMessages:    {Count: limits.MessagesPerMinute, Per: time.Minute},
		inbound.ClientRecipients:  {Count: limits.RecipientsPerMinute, Per: time.Minute},
		inbound.UnknownRecipients: {Count: limits.UnknownPerHour, Per: time.Hour},
		inbound.UserMessages:      {Count: limits.UserMessagesPerHour, Per: time.Hour},
		inbound.UserRecipients:    {Count: limits.UserRecipientsPerHour, Per: time.Hour},
	}
	p.Suspicion = suspicion(&set.Abuse, set.Abuse.Suspicion)
	p.Users = map[string]*inbound.Allowance{}
	for _, a := range set.Allowances {
		for _, user := range a.Users {
			p.Users[user] = &inbound.Allowance{
				MaxSize: a.MaxMessageSize, MaxRecipients: a.MaxRecipients,
				Messages:   rates.Limit{Count: a.MessagesPerHour, Per: time.Hour},
				Recipients: rates.Limit{Count: a.RecipientsPerHour, Per: time.Hour},
				Suspicion:  suspicion(&set.Abuse, allowed(&a, &limits)),
			}
		}
	}
	return p
}

// register is what all doors know of those who knock. It outlives reloads.
type register struct {
	allow, deny *lists.List
	rates       *rates.Table
	known       *rates.Table // from whom a message was accepted
}

func newRegister(c config.Lists, log *slog.Logger) *register {
	open := func(name string, paths []string) *lists.List {
		return lists.New(lists.Options{Name: name, Paths: paths, Logger: log})
	}
	return &register{open("allow", c.Allow), open("deny", c.Deny), rates.New(time.Now()), rates.New(time.Now())}
}

// use goes over to other files, and reads them.
func (r *register) use(c config.Lists) {
	r.allow.Use(c.Allow)
	r.deny.Use(c.Deny)
}

// listsEvery is how often it is looked whether the files of the lists have changed.
const listsEvery = 3 * time.Second

// startWatching reads the files of the lists again when they change, and what else there is.
func (r *register) startWatching(refresh func()) *background {
	return startBackground(func(ctx context.Context) {
		ticker := time.NewTicker(listsEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				r.allow.Refresh()
				r.deny.Refresh()
				refresh()
			}
		}
	})
}
