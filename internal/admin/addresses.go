package admin

import (
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
)

// Which addresses lead where: aliases, groups, forwards, other names of domains.

func (a *Admin) addAlias(ctx context.Context, r Alias) (Alias, error) {
	all, err := parseAll(append([]string{r.Address}, r.Targets...))
	if err != nil {
		return Alias{}, err
	}
	alias, err := a.o.Directory.AddGroup(ctx, all[0], directory.Senders(r.Senders), all[1:]...)
	return aliasOf(alias), err
}

func (a *Admin) listAliases(ctx context.Context, _ Nothing) ([]Alias, error) {
	all := []Alias{}
	c := callerOf(ctx)
	err := a.o.Directory.Aliases(ctx, func(alias directory.Alias) bool {
		if c.sees(alias.Address.Domain) {
			all = append(all, aliasOf(alias))
		}
		return true
	})
	return all, err
}

func (a *Admin) deleteAlias(ctx context.Context, r Name) (Nothing, error) {
	address, err := addr.Parse(r.Name)
	if err != nil {
		return Nothing{}, err
	}
	return Nothing{}, callerOf(ctx).pointedTo(r.Name, a.o.Directory.DeleteAlias(ctx, address))
}

// aliasDomain wants the name of the new domain, and AliasOf.
func (a *Admin) aliasDomain(ctx context.Context, r Domain) (Domain, error) {
	d, err := a.o.Directory.AddDomainAlias(ctx, r.Name, r.AliasOf)
	if err != nil {
		return Domain{}, err
	}
	_, err = a.o.Directory.EnsureKeys(ctx, d.Name) // its users write under it, too
	return domainOf(d), err
}

// setCatchAll wants the name and CatchAll, which may be empty.
func (a *Admin) setCatchAll(ctx context.Context, r Domain) (Domain, error) {
	var to addr.Address
	if r.CatchAll != "" {
		var err error
		if to, err = addr.Parse(r.CatchAll); err != nil {
			return Domain{}, err
		}
	}
	d, err := a.o.Directory.SetCatchAll(ctx, r.Name, to)
	return domainOf(d), err
}

// forwardAccount wants the address, Forward and Keeps. An empty Forward ends it.
func (a *Admin) forwardAccount(ctx context.Context, r Account) (Account, error) {
	all, err := parseAll(append([]string{r.Address}, r.Forward...))
	if err != nil {
		return Account{}, err
	}
	account, err := a.o.Directory.SetForward(ctx, all[0], r.Keeps, all[1:]...)
	return accountOf(account), err
}
