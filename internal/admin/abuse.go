package admin

import (
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/filter/abuse"
	"posthorn/internal/history"
	"posthorn/internal/obs"
	"posthorn/internal/queue"
)

// Accounts that somebody else may have the password of.

// AccountHold says that the mail of an account is held, and why.
type AccountHold struct {
	Address string    `json:"address"`
	Rule    string    `json:"rule"`
	Why     string    `json:"why"`
	Since   time.Time `json:"since"`
}

// AccountReleased says what was on hold, and is delivered now.
type AccountReleased struct {
	Address    string `json:"address"`
	Messages   int    `json:"messages"`
	Recipients int    `json:"recipients"`
}

// SecureOrder is an account that is to be taken from whoever has stolen it.
type SecureOrder struct {
	Address      string `json:"address"`
	SinceSeconds int64  `json:"since_seconds,omitempty"` // of what it has sent, only what is not older; 0: all that is known
	Limit        int    `json:"limit,omitempty"`         // likewise, most messages; 0: a thousand
	DryRun       bool   `json:"dry_run"`                 // change nothing, only say what would be changed
}

// Secured says what was done, or would be.
type Secured struct {
	Address string        `json:"address"`
	DryRun  bool          `json:"dry_run"`
	Source  string        `json:"source,omitempty"` // the other directory, where its password must be changed
	Apps    []string      `json:"apps"`             // app passwords that are removed
	Forward []string      `json:"forward,omitempty"`
	Queue   QueueAffected `json:"queue"` // what is deleted
	Sent    []SentMessage `json:"sent"`  // what it has submitted, the latest
	More    bool          `json:"more"`  // and more before that
	Days    int           `json:"days"`  // that this is known; 0: it is not
}

// SentMessage is a message that an account has submitted.
type SentMessage struct {
	ID   string          `json:"id"`
	Time time.Time       `json:"time"`
	From string          `json:"from"`
	IP   string          `json:"ip,omitempty"`
	Size int64           `json:"size"`
	To   []SentRecipient `json:"to"`
}

// SentRecipient is what became of it for one recipient.
type SentRecipient struct {
	Address string `json:"address"`
	State   string `json:"state"` // "in a mailbox", "queued", or as in the log: "delivered", "failed", ...
	Remote  string `json:"remote,omitempty"`
}

func holdOf(h abuse.Hold) AccountHold {
	return AccountHold{Address: h.Address, Rule: string(h.Rule), Why: h.Why(), Since: h.Since}
}

func (a *Admin) listHeld(ctx context.Context, _ Nothing) ([]AccountHold, error) {
	err := a.o.Abuse.Load(ctx)
	all := []AccountHold{}
	for _, h := range a.o.Abuse.List() {
		all = append(all, holdOf(h))
	}
	return all, err
}

// releaseAccount lets the mail of an account go that was held.
func (a *Admin) releaseAccount(ctx context.Context, r Name) (AccountReleased, error) {
	account, err := a.account(ctx, r)
	if err != nil {
		return AccountReleased{}, err
	}
	id, address := uint64(account.ID), account.Address.String()
	_, unheld := a.o.Abuse.Release(ctx, id)
	if unheld != nil && !fault.Is(unheld, fault.NotFound) {
		return AccountReleased{}, unheld
	}
	done, err := a.o.Queue.Operate(ctx, queue.Filter{Account: id, Held: true}, queue.Order{Operation: queue.Release})
	if err == nil && unheld != nil && len(done.Messages) == 0 {
		err = fault.New(fault.NotFound, "the mail of %s is not held; posthorn account list --held tells whose is", address)
	}
	return AccountReleased{address, len(done.Messages), done.Recipients}, err
}

// secureAccount closes an account first, so that nothing more comes; what still does is
// held. Then it takes out of the queue what was not yet sent.
func (a *Admin) secureAccount(ctx context.Context, r SecureOrder) (Secured, error) {
	account, err := a.account(ctx, Name{r.Address})
	if err != nil {
		return Secured{}, err
	}
	id := uint64(account.ID)
	done := Secured{Address: account.Address.String(), DryRun: r.DryRun, Source: account.Source, Forward: spell(account.Forward), Days: a.o.History.Days()}
	var apps []directory.AppPassword
	if r.DryRun {
		apps, err = a.o.Directory.Apps(ctx, account.Address)
	} else {
		apps, err = a.lock(ctx, id, account.Address)
	}
	if err != nil {
		return done, err
	}
	done.Apps = make([]string, len(apps))
	for i, app := range apps {
		done.Apps[i] = app.Name
	}
	affected, err := a.o.Queue.Operate(ctx, queue.Filter{Account: id}, queue.Order{Operation: queue.Delete, Preview: r.DryRun})
	done.Queue = QueueAffected{Messages: texts(affected.Messages), Recipients: affected.Recipients, DryRun: r.DryRun}
	if err == nil {
		done.Sent, done.More, err = a.sent(ctx, account.Address, r)
	}
	return done, err
}

func (a *Admin) lock(ctx context.Context, id uint64, address addr.Address) ([]directory.AppPassword, error) {
	if err := a.o.Abuse.Secure(ctx, id, address.String()); err != nil {
		return nil, err
	}
	return a.o.Directory.Lock(ctx, address)
}

const usualSent = 1000

// sent lists what an account has submitted, and where it is.
func (a *Admin) sent(ctx context.Context, address addr.Address, r SecureOrder) ([]SentMessage, bool, error) {
	q := history.Query{What: address.String(), Submitted: true, Limit: r.Limit}
	if q.Limit <= 0 {
		q.Limit = usualSent
	}
	if r.SinceSeconds > 0 {
		q.Since = time.Now().Add(-time.Duration(r.SinceSeconds) * time.Second)
	}
	found, err := a.o.History.Search(ctx, q)
	all := make([]SentMessage, len(found.Lives))
	for i, life := range found.Lives {
		all[i] = sentOf(life)
	}
	return all, found.More, err
}

func sentOf(life history.Life) SentMessage {
	m := SentMessage{ID: life.Message, To: []SentRecipient{}}
	places := map[string]int{}
	for _, e := range life.Events {
		if e.Message != life.Message {
			continue // a notification about it
		}
		if e.Kind == obs.Accepted {
			m.Time, m.From, m.Size = e.Time.UTC(), e.From, e.Size
			if e.Remote.IsValid() {
				m.IP = e.Remote.String()
			}
		}
		for _, to := range e.To {
			place, known := places[to.Address]
			switch {
			case e.Kind == obs.Accepted && !known:
				places[to.Address] = len(m.To)
				m.To = append(m.To, SentRecipient{Address: to.Address, State: firstState(to)})
			case known && e.Kind != obs.Accepted && e.Kind != obs.Notified:
				m.To[place].State, m.To[place].Remote = e.Kind.String(), e.Host
			}
		}
	}
	return m
}

func firstState(to obs.EventRecipient) string {
	if to.Queued {
		return "queued"
	}
	return "in a mailbox"
}

// stragglers are the messages that were still under way when an account was secured: by
// then its sessions have ended.
const stragglers = 30 * time.Second

// reopen ends what secureAccount began with accounts that are their owners' again. It is
// called by all that gives them a new password, or makes them active.
func (a *Admin) reopen(ctx context.Context) error {
	if err := a.o.Abuse.Load(ctx); err != nil {
		return err
	}
	over := map[uint64]time.Time{} // since when
	for _, h := range a.o.Abuse.List() {
		if h.Rule == abuse.Secured {
			over[h.Account] = h.Since
		}
	}
	if len(over) == 0 {
		return nil
	}
	err := a.o.Directory.Accounts(ctx, func(account directory.Account) bool {
		if !account.Locked.IsZero() {
			delete(over, uint64(account.ID))
		}
		return true
	})
	for id, since := range over {
		thiefs := max(1, time.Since(since.Add(stragglers)))
		if err == nil {
			_, err = a.o.Queue.Operate(ctx, queue.Filter{Account: id, OlderThan: thiefs}, queue.Order{Operation: queue.Delete})
		}
		if err == nil {
			_, err = a.o.Abuse.Release(ctx, id)
		}
		if err == nil || fault.Is(err, fault.NotFound) {
			_, err = a.o.Queue.Operate(ctx, queue.Filter{Account: id, Held: true}, queue.Order{Operation: queue.Release})
		}
	}
	return err
}
