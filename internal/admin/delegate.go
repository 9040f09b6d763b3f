package admin

import (
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/store"
)

// Who administers a domain besides the operator, and what the operator allows them.

// DomainAdmin is an account that administers a domain.
type DomainAdmin struct {
	Domain  string `json:"domain"`
	Address string `json:"address"`
}

// DomainSettings are those of a domain that can be changed; nil: as it is.
type DomainSettings struct {
	Domain   string `json:"domain"`
	Accounts *int64 `json:"accounts,omitempty"` // at most so many; 0: no limit
	Quota    *int64 `json:"quota,omitempty"`    // bytes that a new account may have, and that its admins may give; 0: no limit
}

func (a *Admin) addDomainAdmin(ctx context.Context, r DomainAdmin) (Nothing, error) {
	return a.changeAdmin(ctx, r, a.o.Directory.AddAdmin)
}

func (a *Admin) removeDomainAdmin(ctx context.Context, r DomainAdmin) (Nothing, error) {
	return a.changeAdmin(ctx, r, a.o.Directory.RemoveAdmin)
}

func (a *Admin) changeAdmin(ctx context.Context, r DomainAdmin, change func(context.Context, string, addr.Address) error) (Nothing, error) {
	address, err := addr.Parse(r.Address)
	if err != nil {
		return Nothing{}, err
	}
	return Nothing{}, change(ctx, r.Domain, address)
}

func (a *Admin) listDomainAdmins(ctx context.Context, r Name) ([]Account, error) {
	admins, err := a.o.Directory.Admins(ctx, r.Name)
	all := make([]Account, len(admins))
	for i, account := range admins {
		all[i] = accountOf(account)
	}
	return all, err
}

func (a *Admin) setDomain(ctx context.Context, r DomainSettings) (Domain, error) {
	d, err := a.o.Directory.SetDomainLimits(ctx, r.Domain, func(l *directory.DomainLimits) {
		if r.Accounts != nil {
			l.Accounts = int(*r.Accounts)
		}
		set(&l.Quota, r.Quota)
	})
	return domainOf(d), err
}

// endow gives a new account the quota that its domain allows, if it sets one.
func (a *Admin) endow(ctx context.Context, account directory.Account) error {
	domain, err := a.o.Directory.Domain(ctx, account.Address.Domain)
	if err != nil || domain.Limits.Quota == 0 {
		return err
	}
	return a.o.Store.Account(store.AccountID(account.ID)).Update(ctx, func(tx *store.Tx) error {
		limit := tx.Quota().Limit
		limit.Bytes = domain.Limits.Quota
		tx.SetLimits(limit)
		return nil
	})
}
