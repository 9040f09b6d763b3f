package admin

import (
	"cmp"
	"context"
	"slices"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/store"
)

func (a *Admin) addDomain(ctx context.Context, r Name) (Domain, error) {
	d, err := a.o.Directory.AddDomain(ctx, r.Name)
	if err != nil {
		return Domain{}, err
	}
	_, err = a.o.Directory.EnsureKeys(ctx, d.Name)
	return domainOf(d), err
}

func (a *Admin) listDomains(ctx context.Context, _ Nothing) ([]Domain, error) {
	domains, err := a.o.Directory.Domains(ctx)
	all := make([]Domain, len(domains))
	for i, d := range domains {
		all[i] = domainOf(d)
	}
	c := callerOf(ctx)
	return seen(c, all, func(d Domain) bool { return c.sees(d.Name) }), err
}

func (a *Admin) deleteDomain(ctx context.Context, r Name) (Nothing, error) {
	return Nothing{}, a.o.Directory.DeleteDomain(ctx, r.Name)
}

func (a *Admin) addAccount(ctx context.Context, r Credentials) (Account, error) {
	address, err := addr.Parse(r.Address)
	if err != nil {
		return Account{}, err
	}
	account, err := a.o.Directory.AddAccount(ctx, address, r.Password)
	if err == nil {
		err = a.endow(ctx, account)
	}
	return accountOf(account), err
}

func (a *Admin) importAccounts(ctx context.Context, r []Credentials) (Imported, error) {
	accounts := make([]directory.NewAccount, len(r))
	var fresh []addr.Address
	for i, c := range r {
		address, err := addr.Parse(c.Address)
		if err != nil {
			return Imported{}, fault.New(fault.Invalid, "line %d: %w", c.Line, err)
		}
		accounts[i] = directory.NewAccount{Address: address, Password: c.Password, Line: c.Line}
		if _, err := a.o.Directory.Account(ctx, address); err != nil {
			fresh = append(fresh, address)
		}
	}
	done, err := a.o.Directory.Import(ctx, accounts)
	for i := 0; err == nil && i < len(fresh); i++ {
		var account directory.Account
		if account, err = a.o.Directory.Account(ctx, fresh[i]); err == nil {
			err = a.endow(ctx, account)
		}
	}
	return Imported(done), err
}

func (a *Admin) listAccounts(ctx context.Context, _ Nothing) ([]Account, error) {
	all := []Account{}
	c := callerOf(ctx)
	err := a.o.Directory.Accounts(ctx, func(account directory.Account) bool {
		if c.sees(account.Address.Domain) {
			all = append(all, accountOf(account))
		}
		return true
	})
	return all, err
}

func (a *Admin) showAccount(ctx context.Context, r Name) (AccountDetails, error) {
	account, err := a.account(ctx, r)
	if err != nil {
		return AccountDetails{}, err
	}
	details := AccountDetails{Account: accountOf(account), Aliases: []string{}}
	err = a.o.Directory.Aliases(ctx, func(alias directory.Alias) bool {
		for _, target := range alias.Targets {
			if target == account.Address {
				details.Aliases = append(details.Aliases, alias.Address.String())
			}
		}
		return true
	})
	if err != nil {
		return AccountDetails{}, err
	}
	c := callerOf(ctx)
	details.Aliases = seen(c, details.Aliases, c.seesAddress)
	if details.TOTP, err = a.o.Directory.NeedsTOTP(ctx, account.Address); err != nil {
		return AccountDetails{}, err
	}
	apps, err := a.o.Directory.Apps(ctx, account.Address)
	if err != nil {
		return AccountDetails{}, err
	}
	details.Apps = len(apps)
	if err := a.o.Abuse.Load(ctx); err != nil {
		return AccountDetails{}, err
	}
	if h, held := a.o.Abuse.Held(details.ID); held {
		hold := holdOf(h)
		details.Held = &hold
	}
	administers, err := a.o.Directory.Administers(ctx, account.ID)
	if err != nil {
		return AccountDetails{}, err
	}
	details.Administers = seen(c, slices.Clone(administers), c.sees)
	return details, a.mail(ctx, &details)
}

// mail adds what the store knows of an account.
func (a *Admin) mail(ctx context.Context, details *AccountDetails) error {
	account := a.o.Store.Account(store.AccountID(details.ID))
	mailboxes, err := account.Mailboxes(ctx)
	if err != nil {
		return err
	}
	for _, m := range mailboxes {
		details.Mailboxes = append(details.Mailboxes, Mailbox{Name: m.Name, Messages: m.Messages, Unseen: m.Unseen, Bytes: m.Size})
		details.Messages += int64(m.Messages)
	}
	quota, err := account.Quota(ctx)
	details.Bytes, details.Quota = quota.Used.Bytes, quota.Limit.Bytes
	details.MaxMessages, details.MaxMailboxes, details.MaxMetadata = quota.Limit.Messages, quota.Limit.Mailboxes, quota.Limit.Annotations
	return err
}

func (a *Admin) account(ctx context.Context, r Name) (directory.Account, error) {
	address, err := addr.Parse(r.Name)
	if err != nil {
		return directory.Account{}, err
	}
	return a.o.Directory.Account(ctx, address)
}

func (a *Admin) setPassword(ctx context.Context, r Credentials) (Nothing, error) {
	address, err := addr.Parse(r.Address)
	if err != nil {
		return Nothing{}, err
	}
	if err := a.o.Directory.SetPassword(ctx, address, r.Password); err != nil {
		return Nothing{}, err
	}
	return Nothing{}, a.reopen(ctx)
}

// undeleteAccount wants the address, and maybe another one that it is to have.
func (a *Admin) undeleteAccount(ctx context.Context, r AccountRename) (Account, error) {
	all, err := parseAll([]string{r.Address, cmp.Or(r.To, r.Address)})
	if err != nil {
		return Account{}, err
	}
	if err := callerOf(ctx).stays(all[0], all[1]); err != nil {
		return Account{}, err
	}
	account, err := a.o.Directory.UndeleteAccount(ctx, all[0], all[1])
	return accountOf(account), err
}

func (a *Admin) listDeleted(ctx context.Context, _ Nothing) ([]Account, error) {
	deleted, err := a.o.Directory.Deleted(ctx)
	all := make([]Account, len(deleted))
	for i, account := range deleted {
		all[i] = accountOf(account)
	}
	c := callerOf(ctx)
	return seen(c, all, func(account Account) bool { return c.seesAddress(account.Address) }), err
}

func (a *Admin) renameAccount(ctx context.Context, r AccountRename) (Account, error) {
	all, err := parseAll([]string{r.Address, r.To})
	if err != nil {
		return Account{}, err
	}
	c := callerOf(ctx)
	if err := c.stays(all[0], all[1]); err != nil {
		return Account{}, err
	}
	account, err := a.o.Directory.RenameAccount(ctx, all[0], all[1], r.Alias)
	return accountOf(account), c.pointedTo(r.Address, err)
}

func (a *Admin) deleteAccount(ctx context.Context, r Name) (Account, error) {
	address, err := addr.Parse(r.Name)
	if err != nil {
		return Account{}, err
	}
	account, err := a.o.Directory.DeleteAccount(ctx, address)
	return accountOf(account), callerOf(ctx).pointedTo(r.Name, err)
}
