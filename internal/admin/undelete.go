package admin

import (
	"context"
	"errors"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// UndeleteOrder says which deleted mail of an account is to be brought back.
type UndeleteOrder struct {
	Name         string `json:"name"`                    // the account's address
	Mailbox      string `json:"mailbox,omitempty"`       // only what was in this one
	SinceSeconds int64  `json:"since_seconds,omitempty"` // only what was deleted within this time
	To           string `json:"to,omitempty"`            // into this mailbox; default: the one where it was
	Restore      bool   `json:"restore,omitempty"`       // do it; without, only tell what there is
}

// Deleted is mail that was deleted at one time from one mailbox.
type Deleted struct {
	When     time.Time `json:"when"`
	Mailbox  string    `json:"mailbox"`
	To       string    `json:"to"` // where it is brought back
	Messages int       `json:"messages"`
}

// undelete brings deleted mail back, one commit for each deletion, the oldest first.
func (a *Admin) undelete(ctx context.Context, o UndeleteOrder) ([]Deleted, error) {
	account, err := a.account(ctx, Name{o.Name})
	if err != nil {
		return nil, err
	}
	mail := a.o.Store.Account(store.AccountID(account.ID))
	if o.To != "" {
		if err := store.CheckName(store.CanonicalName(o.To)); err != nil {
			return nil, err
		}
	}
	lost, err := mail.Lost(ctx)
	if err != nil {
		return nil, err
	}
	names, err := namesOf(ctx, mail, lost)
	if err != nil {
		return nil, err
	}
	all := []Deleted{}
	for _, l := range lost {
		name := names[l.Mailbox]
		if o.Mailbox != "" && name != store.CanonicalName(o.Mailbox) ||
			o.SinceSeconds > 0 && time.Since(l.When) > time.Duration(o.SinceSeconds)*time.Second {
			continue
		}
		to := name
		if o.To != "" {
			to = store.CanonicalName(o.To)
		}
		n, err := bringBack(ctx, mail, l, to, o.Restore)
		if err != nil {
			return all, err
		}
		d := Deleted{When: l.When.UTC(), Mailbox: name, To: to, Messages: n}
		if last := len(all) - 1; last >= 0 && all[last].When.Equal(d.When) && all[last].Mailbox == name {
			all[last].Messages += n
		} else if n > 0 {
			all = append(all, d)
		}
	}
	return all, nil
}

// namesOf names the mailboxes that mail was deleted from, also those that are gone.
func namesOf(ctx context.Context, mail *store.Account, lost []store.Lost) (map[store.MailboxID]string, error) {
	names := map[store.MailboxID]string{}
	for _, l := range lost {
		names[l.Mailbox] = store.Inbox // of one that was gone before that could be told
	}
	for _, l := range lost {
		if l.Name != "" {
			names[l.Mailbox] = l.Name
		}
	}
	boxes, err := mail.Mailboxes(ctx)
	for _, b := range boxes {
		names[b.ID] = b.Name
	}
	return names, err
}

// errOnlyAsked rolls back what was done to see what could be.
var errOnlyAsked = errors.New("admin: it was only asked")

// bringBack restores what one deletion took away, and says how much that is.
func bringBack(ctx context.Context, mail *store.Account, l store.Lost, to string, restore bool) (n int, err error) {
	err = mail.Update(ctx, func(tx *store.Tx) error {
		box, err := tx.Mailbox(to)
		if fault.Is(err, fault.NotFound) {
			box, err = tx.CreateMailbox(to, "")
		}
		if err != nil {
			return err
		}
		uids, err := tx.Restore(l.Mailbox, l.UIDs, box.ID)
		if n = len(uids); err == nil && (n == 0 || !restore) {
			return errOnlyAsked
		}
		return err
	})
	if errors.Is(err, errOnlyAsked) {
		err = nil
	}
	return n, err
}
