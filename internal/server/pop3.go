package server

import (
	"cmp"
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/pop3d"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

func (s *Server) pop3(o *wire.Options, set settings) {
	o.PreAuthTotal = 3 * time.Minute
	o.IdleTimeout = 10 * time.Minute // RFC 1939 §3
	o.Busy = "-ERR [SYS/TEMP] Too many connections, try again later\r\n"
	o.Serve = pop3d.New(pop3d.Options{
		Hostname:   set.Hostname,
		Store:      s.data.Store,
		Gate:       s.gate(set),
		Locks:      s.maildrops,
		Accounts:   maildrops{s.data.Directory, set.POP3.Expire},
		LoginDelay: set.POP3.LoginDelay,
		Recorder:   s.data.Audit,
	}).Serve
}

// maildrops know from the directory how accounts want their mail to be shown.
type maildrops struct {
	directory *directory.Directory
	expire    int // days, of accounts that have no setting of their own; 0: never
}

func (m maildrops) Settings(ctx context.Context, name string) (pop3d.Settings, error) {
	address, err := addr.Parse(name)
	if err != nil {
		return pop3d.Settings{}, err
	}
	account, err := m.directory.Account(ctx, address)
	return m.of(&account), err
}

// of are the settings of an account.
func (m maildrops) of(a *directory.Account) pop3d.Settings {
	p := a.POP3
	expire := cmp.Or(p.Expire, m.expire)
	if expire == directory.Never {
		expire = 0
	}
	return pop3d.Settings{Folder: p.Folder, Unread: p.Unread, Mark: p.Mark, Trash: p.Trash, Expire: expire, Language: a.Language}
}

func (m maildrops) Shortest(ctx context.Context) (days int, differ bool, err error) {
	shortest, err := m.directory.ShortestExpiry(ctx)
	if days = m.expire; shortest > 0 && (days == 0 || shortest < days) {
		days = shortest
	}
	return days, shortest > 0, err
}

// expireMail deletes what clients have fetched by POP3 so long ago that it is not to be
// kept any more.
func (d *Data) expireMail(ctx context.Context) error { return d.expireMailOf(ctx, time.Now()) }

func (d *Data) expireMailOf(ctx context.Context, now time.Time) error {
	m := maildrops{d.Directory, d.config.Load().POP3.Expire}
	var due []directory.Account
	err := d.Directory.Accounts(ctx, func(a directory.Account) bool {
		if m.of(&a).Expire > 0 {
			due = append(due, a)
		}
		return true
	})
	for i := range due {
		if err != nil {
			break
		}
		a, s := &due[i], m.of(&due[i])
		var n int
		if n, err = pop3d.Expire(ctx, d.Store.Account(store.AccountID(a.ID)), s, now); n > 0 {
			d.trail.Log.InfoContext(ctx, "fetched mail has expired", "account", a.Address.String(), "messages", n, "days", s.Expire)
			d.deletedByAge(a, cmp.Or(s.Folder, store.Inbox), n, s.Expire)
		}
	}
	return err
}
