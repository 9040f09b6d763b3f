package admin

import (
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// setAccount changes those of an account's settings that are given.
func (a *Admin) setAccount(ctx context.Context, r AccountSettings) (Account, error) {
	address, err := addr.Parse(r.Address)
	if err == nil && r.Language != nil {
		err = a.o.Directory.SetLanguage(ctx, address, *r.Language)
	}
	if err != nil {
		return Account{}, err
	}
	account, err := a.o.Directory.Account(ctx, address)
	if err == nil {
		err = a.setLimits(ctx, store.AccountID(account.ID), &r)
	}
	return accountOf(account), err
}

func (a *Admin) setLimits(ctx context.Context, id store.AccountID, r *AccountSettings) error {
	if r.Quota == nil && r.Messages == nil && r.Mailboxes == nil && r.Metadata == nil {
		return nil
	}
	for _, n := range []*int64{r.Quota, r.Messages, r.Mailboxes, r.Metadata} {
		if n != nil && *n < 0 {
			return fault.New(fault.Invalid, "%d is no limit; want a number above 0, or 0 for no limit", *n)
		}
	}
	return a.o.Store.Account(id).Update(ctx, func(tx *store.Tx) error {
		limit := tx.Quota().Limit
		for _, set := range []struct{ to, what *int64 }{
			{&limit.Bytes, r.Quota},
			{&limit.Messages, r.Messages},
			{&limit.Mailboxes, r.Mailboxes},
			{&limit.Annotations, r.Metadata},
		} {
			if set.what != nil {
				*set.to = *set.what
			}
		}
		tx.SetLimits(limit)
		return nil
	})
}
