package admin

import (
	"cmp"
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
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
		err = a.setLimits(ctx, account, &r)
	}
	return accountOf(account), err
}

func (a *Admin) setLimits(ctx context.Context, account directory.Account, r *AccountSettings) error {
	if r.Quota == nil && r.Messages == nil && r.Mailboxes == nil && r.Metadata == nil {
		return nil
	}
	for _, n := range []*int64{r.Quota, r.Messages, r.Mailboxes, r.Metadata} {
		if n != nil && *n < 0 {
			return fault.New(fault.Invalid, "%d is no limit; want a number above 0, or 0 for no limit", *n)
		}
	}
	domain, err := a.o.Directory.Domain(ctx, account.Address.Domain)
	if err != nil {
		return err
	}
	c := callerOf(ctx)
	return a.o.Store.Account(store.AccountID(account.ID)).Update(ctx, func(tx *store.Tx) error {
		limit := tx.Quota().Limit
		for _, set := range []struct {
			name     string
			to, what *int64
			allowed  int64 // by the operator, for all of the domain; 0: he has not said
		}{
			{"quota", &limit.Bytes, r.Quota, domain.Limits.Quota},
			{"messages", &limit.Messages, r.Messages, 0},
			{"mailboxes", &limit.Mailboxes, r.Mailboxes, 0},
			{"metadata", &limit.Annotations, r.Metadata, 0},
		} {
			if set.what == nil {
				continue
			}
			if most := cmp.Or(set.allowed, *set.to); !c.operator && exceeds(*set.what, most) {
				return fault.New(fault.Denied, "%s of %s: the operator of the server allows %d at most", set.name, account.Address, max(most, 0))
			}
			*set.to = *set.what
		}
		tx.SetLimits(limit)
		return nil
	})
}

// exceeds says that a limit, of which 0 is none, is above another one.
func exceeds(limit, most int64) bool { return most != 0 && (limit == 0 || limit > most) }
