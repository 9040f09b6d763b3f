package directory

import (
	"context"
	"slices"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Who administers a domain besides the operator: accounts, by their numbers, so that
// the right goes with the person through a change of address, and to nobody who gets
// the address later. It ends with the domain, and with the account, also if that is
// brought back.

// DomainLimits are what the operator allows the admins of a domain; 0: anything.
type DomainLimits struct {
	Accounts int   `json:"accounts,omitempty"` // at most so many, whoever adds them
	Quota    int64 `json:"quota,omitempty"`    // bytes, of each account
}

// AddAdmin lets an account administer a domain. Kinds of errors: Invalid, NotFound, Exists.
func (d *Directory) AddAdmin(ctx context.Context, domain string, address addr.Address) error {
	return d.changeAdmins(ctx, domain, address, func(rec *domainRecord, account *Account) error {
		if slices.Contains(rec.Admins, account.ID) {
			return fault.New(fault.Exists, "%s administers %s already", account.Address, domain)
		}
		rec.Admins = append(rec.Admins, account.ID)
		return nil
	})
}

// RemoveAdmin takes that back. Kinds of errors: Invalid, NotFound.
func (d *Directory) RemoveAdmin(ctx context.Context, domain string, address addr.Address) error {
	return d.changeAdmins(ctx, domain, address, func(rec *domainRecord, account *Account) error {
		i := slices.Index(rec.Admins, account.ID)
		if i < 0 {
			return fault.New(fault.NotFound, "%s does not administer %s", account.Address, domain)
		}
		rec.Admins = slices.Delete(rec.Admins, i, i+1)
		return nil
	})
}

func (d *Directory) changeAdmins(ctx context.Context, domain string, address addr.Address, fn func(*domainRecord, *Account) error) error {
	address, err := canonical(address)
	if err != nil {
		return err
	}
	_, err = d.changeDomain(ctx, domain, func(w kv.Writer, rec *domainRecord) error {
		account, err := findAccount(w, address)
		if err != nil {
			return err
		}
		return fn(rec, &account)
	})
	return err
}

// SetDomainLimits says what the admins of a domain may do. Kinds of errors: Invalid, NotFound.
func (d *Directory) SetDomainLimits(ctx context.Context, name string, fn func(*DomainLimits)) (Domain, error) {
	return d.changeDomain(ctx, name, func(_ kv.Writer, rec *domainRecord) error {
		limits := rec.limits()
		if fn(&limits); limits.Accounts < 0 || limits.Quota < 0 {
			return fault.New(fault.Invalid, "a limit of a domain cannot be below 0, which is no limit")
		}
		rec.Limits = &limits
		return nil
	})
}

func (rec *domainRecord) limits() DomainLimits {
	if rec.Limits == nil {
		return DomainLimits{}
	}
	return *rec.Limits
}

// changeDomain reads a domain with addresses of its own, lets fn change it, and writes
// it back.
func (d *Directory) changeDomain(ctx context.Context, name string, fn func(kv.Writer, *domainRecord) error) (domain Domain, err error) {
	if name, err = canonicalDomain(name); err != nil {
		return Domain{}, err
	}
	err = d.update(ctx, func(w kv.Writer) error {
		rec, err := mustOwn(w, name)
		if err == nil {
			err = fn(w, &rec)
		}
		if err == nil {
			domain, err = domainOf(name, rec)
		}
		if err != nil {
			return err
		}
		return put(w, domainKey(name), rec)
	})
	return domain, err
}

// Admins lists the accounts that administer a domain. Kinds of errors: Invalid, NotFound.
func (d *Directory) Admins(ctx context.Context, domain string) (all []Account, err error) {
	if domain, err = canonicalDomain(domain); err != nil {
		return nil, err
	}
	err = d.view(ctx, func(r kv.Reader) error {
		all = nil
		rec, err := mustOwn(r, domain)
		if err != nil {
			return err
		}
		for _, id := range rec.Admins {
			account, err := readAccount(r, id)
			if err != nil {
				return err
			}
			all = append(all, account)
		}
		return nil
	})
	return all, err
}

// Administers lists the domains that an account administers, and the other names of
// these; sorted.
func (d *Directory) Administers(ctx context.Context, id AccountID) ([]string, error) {
	all, generation, ok := d.admins.get(struct{}{})
	if ok {
		return all[id], nil
	}
	err := d.view(ctx, func(r kv.Reader) error {
		domains, err := readDomains(r)
		if err != nil {
			return err
		}
		all = map[AccountID][]string{}
		for name, rec := range domains {
			owner := rec
			if rec.AliasOf != "" {
				owner = domains[rec.AliasOf]
			}
			for _, admin := range owner.Admins {
				all[admin] = append(all[admin], name)
			}
		}
		for _, names := range all {
			slices.Sort(names)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.admins.put(struct{}{}, all, generation)
	return all[id], nil
}

// dismiss takes from an account all that it administers.
func dismiss(w kv.Writer, id AccountID) error {
	domains, err := readDomains(w)
	if err != nil {
		return err
	}
	for name, rec := range domains {
		i := slices.Index(rec.Admins, id)
		if i < 0 {
			continue
		}
		rec.Admins = slices.Delete(rec.Admins, i, i+1)
		if err := put(w, domainKey(name), rec); err != nil {
			return err
		}
	}
	return nil
}

// mustHaveRoom is the error that a domain may have no further account.
func mustHaveRoom(r kv.Reader, domain string) error {
	rec, _, err := get[domainRecord](r, domainKey(domain))
	most := rec.limits().Accounts
	if err != nil || most == 0 {
		return err
	}
	accounts := 0
	err = r.Scan(kv.Prefix(namesKey(domain)), func(key, value []byte) bool {
		if name, err := decode[nameRecord](key, value); err != nil || name.Account != 0 {
			accounts++
		}
		return accounts < most
	})
	if err == nil && accounts >= most {
		err = fault.New(fault.Limit, "domain %s has %d accounts, which is the most that it may have", domain, most)
	}
	return err
}

// checkAdmins is part of Verify.
func (v *verification) checkAdmins() {
	for name, domain := range v.domains {
		if domain.AliasOf != "" && (len(domain.Admins) > 0 || domain.Limits != nil) {
			v.report("domain %s is an alias, but has admins or limits of its own", name)
		}
		for i, id := range domain.Admins {
			switch account, ok := v.accounts[id]; {
			case !ok:
				v.report("domain %s is administered by account %d, which has no record", name, id)
			case !account.Deleted.IsZero():
				v.report("domain %s is administered by account %d (%s), which is deleted", name, id, account.Address)
			case slices.Contains(domain.Admins[:i], id):
				v.report("domain %s is administered by account %d (%s) twice", name, id, account.Address)
			}
		}
	}
}
