package roster

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/store"
)

// Apply makes a server what a Plan says, and tells of each Change that is done. What was
// done before an error stays done; a Plan made then has the rest.
func (s Server) Apply(ctx context.Context, p *Plan, told func(*Change)) error {
	a := &application{Server: s, Plan: p, told: told}
	for _, step := range []func(context.Context) error{
		a.addDomains, a.limitDomains, a.addAccounts, a.addAliases, a.changeAliases, a.changeDomains, a.forwards, a.changeAccounts,
		a.release, a.deleteAliases, a.deleteAccounts, a.deleteDomains,
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("after %d of %d changes: %w", a.done, len(p.Changes), err)
		}
	}
	return nil
}

// application is an Apply under way. Everything was looked at before.
type application struct {
	Server
	*Plan
	told func(*Change)
	done int
}

// of lists the changes of some sort.
func (a *application) of(verb, kind string) (all []*Change) {
	for i := range a.Changes {
		if c := &a.Changes[i]; c.Verb == verb && c.Kind == kind {
			all = append(all, c)
		}
	}
	return all
}

// each carries changes out, one after the other, and tells of them.
func (a *application) each(changes []*Change, do func(*Change) error) error {
	for _, c := range changes {
		if err := do(c); err != nil {
			return err
		}
		a.done++
		a.told(c)
	}
	return nil
}

// addDomains begins with those that others are aliases of.
func (a *application) addDomains(ctx context.Context) error {
	added := a.of(Add, "domain")
	slices.SortStableFunc(added, func(x, y *Change) int { return cmp.Compare(x.domain.AliasOf, y.domain.AliasOf) })
	return a.each(added, func(c *Change) (err error) {
		if c.domain.AliasOf == "" {
			_, err = a.Directory.AddDomain(ctx, c.Name)
		} else {
			_, err = a.Directory.AddDomainAlias(ctx, c.Name, c.domain.AliasOf)
		}
		if err == nil {
			_, err = a.Directory.EnsureKeys(ctx, c.Name)
		}
		return err
	})
}

// addAccounts makes accounts as they are to be, so that none is open for a moment that is
// to be closed. What they forward waits for its targets.
func (a *application) addAccounts(ctx context.Context) error {
	added := a.of(Add, "account")
	if len(added) == 0 {
		return nil
	}
	fresh := make([]directory.NewAccount, len(added))
	for i, c := range added {
		fresh[i] = directory.NewAccount{
			Address: address(c.Name), Password: c.account.Password, Source: c.account.Directory,
			Settings: c.account.settings(), Line: c.account.line,
		}
		fresh[i].Settings.Forward = nil
	}
	if _, err := a.Directory.Import(ctx, fresh); err != nil {
		return err
	}
	if err := a.setQuotas(ctx, added); err != nil {
		return err
	}
	return a.each(added, func(*Change) error { return nil })
}

// addAliases makes those first that others point to.
func (a *application) addAliases(ctx context.Context) error {
	return a.each(pointedToFirst(a.of(Add, "alias")), func(c *Change) error {
		_, err := a.Directory.AddGroup(ctx, address(c.Name), c.alias.senders(), addresses(c.alias.Targets)...)
		return err
	})
}

func (a *application) changeAliases(ctx context.Context) error {
	return a.each(a.of(Modify, "alias"), func(c *Change) error {
		_, err := a.Directory.ChangeAlias(ctx, address(c.Name), c.alias.senders(), addresses(c.alias.Targets)...)
		return err
	})
}

// pointedToFirst sorts changes of aliases.
func pointedToFirst(changes []*Change) []*Change {
	aliases, named := map[string]Alias{}, map[string]*Change{}
	for _, c := range changes {
		aliases[c.Name], named[c.Name] = c.alias, c
	}
	names, _ := ordered(aliases)
	for i, name := range names {
		changes[i] = named[name]
	}
	return changes
}

// limitDomains says what domains may have, before they get it.
func (a *application) limitDomains(ctx context.Context) error {
	for _, c := range slices.Concat(a.of(Add, "domain"), a.of(Modify, "domain")) {
		if !c.changes("limits") {
			continue
		}
		_, err := a.Directory.SetDomainLimits(ctx, c.Name, func(l *directory.DomainLimits) {
			*l = directory.DomainLimits{Accounts: int(c.domain.Limits.Accounts), Quota: c.domain.Limits.Quota}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// changeDomains sets, of new ones too, what needs accounts and aliases.
func (a *application) changeDomains(ctx context.Context) error {
	set := func(c *Change) error {
		if c.changes("admins") {
			if err := a.setAdmins(ctx, c); err != nil {
				return err
			}
		}
		if !c.changes("catch_all") {
			return nil
		}
		_, err := a.Directory.SetCatchAll(ctx, c.Name, address(*c.domain.CatchAll))
		return err
	}
	for _, c := range a.of(Add, "domain") {
		if err := set(c); err != nil {
			return err
		}
	}
	return a.each(a.of(Modify, "domain"), set)
}

func (a *application) setAdmins(ctx context.Context, c *Change) error {
	var before []string
	if have := a.before.domains[c.Name].Admins; have != nil {
		before = *have
	}
	for _, admin := range before {
		if !slices.Contains(*c.domain.Admins, admin) {
			if err := a.Directory.RemoveAdmin(ctx, c.Name, address(admin)); err != nil {
				return err
			}
		}
	}
	for _, admin := range *c.domain.Admins {
		if !slices.Contains(before, admin) {
			if err := a.Directory.AddAdmin(ctx, c.Name, address(admin)); err != nil {
				return err
			}
		}
	}
	return nil
}

// forwards completes new accounts.
func (a *application) forwards(ctx context.Context) error {
	for _, c := range a.of(Add, "account") {
		if !c.changes("forward") {
			continue
		}
		if _, err := a.Directory.Set(ctx, address(c.Name), directory.Settings{Forward: c.account.settings().Forward}); err != nil {
			return err
		}
	}
	return nil
}

func (a *application) changeAccounts(ctx context.Context) error {
	modified := a.of(Modify, "account")
	if err := a.setQuotas(ctx, modified); err != nil {
		return err
	}
	return a.each(modified, func(c *Change) error {
		if c.changes("password") {
			if err := a.Directory.SetPassword(ctx, address(c.Name), c.account.Password); err != nil {
				return err
			}
		}
		settings := c.account.settings()
		if !c.changes("state") {
			settings.State = nil // to set it anew would open an account that is locked
		}
		_, err := a.Directory.Set(ctx, address(c.Name), settings)
		return err
	})
}

// quotasAtOnce is how many are written at a time, so that they share what a commit costs.
const quotasAtOnce = 32

// setQuotas writes what the store keeps of accounts.
func (a *application) setQuotas(ctx context.Context, changes []*Change) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(quotasAtOnce)
	for _, c := range changes {
		if !c.changes("quota") {
			continue
		}
		group.Go(func() error {
			account, err := a.Directory.Account(ctx, address(c.Name))
			if err != nil {
				return err
			}
			q := c.account.Quota
			return a.Store.Account(store.AccountID(account.ID)).Update(ctx, func(tx *store.Tx) error {
				tx.SetLimits(store.Resources{Bytes: q.Bytes, Messages: q.Messages, Mailboxes: q.Mailboxes, Annotations: q.Metadata})
				return nil
			})
		})
	}
	return group.Wait()
}

// changes says whether a setting is among those that change.
func (c *Change) changes(key string) bool {
	return slices.ContainsFunc(c.Settings, func(s Setting) bool { return s.Key == key })
}

// release ends what points to something that is deleted, from what is deleted, too.
func (a *application) release(ctx context.Context) error {
	for _, c := range a.of(Delete, "domain") {
		if c.domain.CatchAll != nil && *c.domain.CatchAll != "" {
			if _, err := a.Directory.SetCatchAll(ctx, c.Name, addr.Address{}); err != nil {
				return err
			}
		}
	}
	for _, c := range a.of(Delete, "account") {
		f := c.account.Forward
		if f == nil || !slices.ContainsFunc(f.To, func(target string) bool { return a.gone[target] || a.gone[untagged(target)] }) {
			continue
		}
		if _, err := a.Directory.Set(ctx, address(c.Name), directory.Settings{Forward: &directory.Forwarding{}}); err != nil {
			return err
		}
	}
	return nil
}

// deleteAliases ends with those that others point to.
func (a *application) deleteAliases(ctx context.Context) error {
	deleted := pointedToFirst(a.of(Delete, "alias"))
	slices.Reverse(deleted)
	return a.each(deleted, func(c *Change) error { return a.Directory.DeleteAlias(ctx, address(c.Name)) })
}

func (a *application) deleteAccounts(ctx context.Context) error {
	return a.each(a.of(Delete, "account"), func(c *Change) error {
		_, err := a.Directory.DeleteAccount(ctx, address(c.Name))
		return err
	})
}

// deleteDomains ends with those that others are aliases of.
func (a *application) deleteDomains(ctx context.Context) error {
	deleted := a.of(Delete, "domain")
	slices.SortStableFunc(deleted, func(x, y *Change) int { return cmp.Compare(y.domain.AliasOf, x.domain.AliasOf) })
	return a.each(deleted, func(c *Change) error { return a.Directory.DeleteDomain(ctx, c.Name) })
}
