package admin

import (
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/wire"
)

// Session is a connection on which somebody is logged in.
type Session struct {
	ID          string    `json:"id"` // of the connection, as log and audit trail call it
	User        string    `json:"user"`
	Protocol    string    `json:"protocol"` // of the listener
	Remote      string    `json:"remote"`
	Client      string    `json:"client,omitempty"` // what the program calls itself
	TLS         string    `json:"tls,omitempty"`    // its version
	Mechanism   string    `json:"mechanism"`
	AppPassword string    `json:"app_password,omitempty"` // the name of the one that it was begun with
	Since       time.Time `json:"since"`
}

// SessionEnd names the sessions that are to end: one, or all of an account.
type SessionEnd struct {
	Address string `json:"address,omitempty"`
	ID      string `json:"id,omitempty"`
}

// SessionsEnded tells how many end of those that this server has; there may be others.
type SessionsEnded struct {
	Here int `json:"here"`
}

// listSessions lists those of an account, or all of this server.
func (a *Admin) listSessions(ctx context.Context, r Name) ([]Session, error) {
	user := ""
	if r.Name != "" {
		account, err := a.account(ctx, r)
		if err != nil {
			return nil, err
		}
		user = account.Address.String()
	}
	names := appNames{a: a}
	all := []Session{}
	for _, s := range a.o.Sessions.List(user) {
		all = append(all, Session{
			ID: s.ID, User: s.User, Protocol: s.Protocol, Remote: s.Remote.Addr().String(), Client: s.Client, TLS: s.TLS,
			Mechanism: s.Mechanism, AppPassword: names.of(ctx, &s), Since: s.Since.UTC().Truncate(time.Second),
		})
	}
	return all, nil
}

// appNames finds the names of app passwords.
type appNames struct {
	a     *Admin
	known map[[2]string]string // by user and ID
}

func (n *appNames) of(ctx context.Context, s *wire.Session) string {
	key := [2]string{s.User, s.Credential}
	if name, ok := n.known[key]; ok || s.Credential == "" {
		return name
	}
	if n.known == nil {
		n.known = map[[2]string]string{}
	}
	n.known[key] = s.Credential // one that is gone, or cannot be read, goes by its ID
	if address, err := addr.Parse(s.User); err == nil {
		apps, _ := n.a.o.Directory.Apps(ctx, address)
		for _, app := range apps {
			n.known[[2]string{s.User, string(app.ID)}] = app.Name
		}
	}
	return n.known[key]
}

// endSessions signs an account out, or ends one session, on whatever node it is.
func (a *Admin) endSessions(ctx context.Context, r SessionEnd) (ended SessionsEnded, err error) {
	switch {
	case (r.Address == "") == (r.ID == ""):
		return ended, fault.New(fault.Invalid, "want the address of an account, or the ID of a session")
	case r.ID != "":
		for _, s := range a.o.Sessions.List("") {
			if s.ID == r.ID {
				ended.Here++
			}
		}
		return ended, a.o.Directory.EndSession(ctx, r.ID)
	}
	account, err := a.account(ctx, Name{r.Address})
	if err != nil {
		return ended, err
	}
	ended.Here = len(a.o.Sessions.List(account.Address.String()))
	return ended, a.o.Directory.SignOut(ctx, account.Address)
}
