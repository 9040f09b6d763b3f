package admin

import (
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/store"
)

// POP3Settings say how an account's mail is seen by POP3. In a request nil is: as it is.
type POP3Settings struct {
	Address string  `json:"address"`
	Folder  *string `json:"folder,omitempty"` // "" and INBOX are the same
	Unread  *bool   `json:"unread,omitempty"` // only unread mail is shown
	Mark    *bool   `json:"mark,omitempty"`   // what is fetched is marked as read
	Trash   *bool   `json:"trash,omitempty"`  // what is deleted goes to Trash
	Expire  *int    `json:"expire,omitempty"` // days after which fetched mail is deleted; 0: as for everybody; -1: never
}

// setPOP3 changes the settings that are given, and tells all.
func (a *Admin) setPOP3(ctx context.Context, r POP3Settings) (POP3Settings, error) {
	address, err := addr.Parse(r.Address)
	if err != nil {
		return POP3Settings{}, err
	}
	account, err := a.o.Directory.Account(ctx, address)
	if err != nil {
		return POP3Settings{}, err
	}
	if r.Folder != nil && *r.Folder != "" {
		mailbox, err := a.o.Store.Account(store.AccountID(account.ID)).Mailbox(ctx, *r.Folder)
		if err != nil {
			return POP3Settings{}, err
		}
		if r.Folder = &mailbox.Name; mailbox.ID == store.InboxID {
			r.Folder = new(string)
		}
	}
	if r != (POP3Settings{Address: r.Address}) {
		account, err = a.o.Directory.SetPOP3(ctx, address, func(p *directory.POP3) {
			set(&p.Folder, r.Folder)
			set(&p.Unread, r.Unread)
			set(&p.Mark, r.Mark)
			set(&p.Trash, r.Trash)
			set(&p.Expire, r.Expire)
		})
	}
	p := account.POP3
	return POP3Settings{account.Address.String(), &p.Folder, &p.Unread, &p.Mark, &p.Trash, &p.Expire}, err
}

// set changes a setting, if it is given.
func set[T any](to, what *T) {
	if what != nil {
		*to = *what
	}
}
