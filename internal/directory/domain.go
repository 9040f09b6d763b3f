package directory

import (
	"context"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Domain is a domain whose mail is ours.
type Domain struct {
	Name     string // canonical
	Created  time.Time
	AliasOf  string       // "": it has addresses of its own
	CatchAll addr.Address // gets mail for addresses that are not there; zero: nobody does
	Limits   DomainLimits // of what its admins may do
}

// AddDomain takes a domain on. Kinds of errors: Invalid, Exists.
func (d *Directory) AddDomain(ctx context.Context, name string) (Domain, error) {
	return d.addDomain(ctx, name, "")
}

// AddDomainAlias takes a domain on in which every address is the one of the same
// name in another domain of ours. Kinds of errors: Invalid, NotFound, Exists.
func (d *Directory) AddDomainAlias(ctx context.Context, name, of string) (Domain, error) {
	of, err := canonicalDomain(of)
	if err != nil {
		return Domain{}, err
	}
	return d.addDomain(ctx, name, of)
}

func (d *Directory) addDomain(ctx context.Context, name, aliasOf string) (Domain, error) {
	name, err := canonicalDomain(name)
	if err != nil {
		return Domain{}, err
	}
	domain := Domain{Name: name, Created: d.clock().UTC(), AliasOf: aliasOf}
	err = d.update(ctx, func(w kv.Writer) error {
		if _, ok, err := get[domainRecord](w, domainKey(name)); err != nil || ok {
			return orExists(err, "domain %s is there already", name)
		}
		if aliasOf != "" {
			if _, err := mustOwn(w, aliasOf); err != nil {
				return err
			}
		}
		return put(w, domainKey(name), domainRecord{Created: domain.Created, AliasOf: aliasOf})
	})
	return domain, err
}

// SetCatchAll says who gets the mail for addresses of a domain that are not there:
// one address, here or elsewhere; zero: nobody, such mail is refused. Kinds of
// errors: Invalid, NotFound.
func (d *Directory) SetCatchAll(ctx context.Context, name string, to addr.Address) (Domain, error) {
	if err := d.meet(ctx, to); err != nil {
		return Domain{}, err
	}
	return d.changeDomain(ctx, name, func(w kv.Writer, rec *domainRecord) error {
		rec.CatchAll = ""
		if to.IsZero() {
			return nil
		}
		all, err := targets(w, addr.Address{}, []addr.Address{to})
		if err == nil {
			rec.CatchAll = all[0].String()
		}
		return err
	})
}

// DeleteDomain gives a domain up, with its keys. While addresses or aliases of it are
// left, it is InUse.
func (d *Directory) DeleteDomain(ctx context.Context, name string) error {
	name, err := canonicalDomain(name)
	if err != nil {
		return err
	}
	return d.update(ctx, func(w kv.Writer) error {
		if err := mustServe(w, name); err != nil {
			return err
		}
		var left addr.Address
		first := kv.Prefix(namesKey(name))
		first.Limit = 1
		if err := w.Scan(first, func(key, _ []byte) bool { left = addressOfKey(key); return false }); err != nil {
			return err
		}
		if !left.IsZero() {
			return fault.New(fault.InUse, "domain %s still has addresses (%s); delete them first", name, left)
		}
		domains, err := readDomains(w)
		if err != nil {
			return err
		}
		for alias, rec := range domains {
			if rec.AliasOf == name {
				return fault.New(fault.InUse, "domain %s is an alias of %s; delete it first", alias, name)
			}
		}
		if err := deleteKeys(w, name); err != nil {
			return err
		}
		return w.Delete(domainKey(name))
	})
}

// Domains lists all domains by name.
func (d *Directory) Domains(ctx context.Context) ([]Domain, error) {
	var all []Domain
	err := d.view(ctx, func(r kv.Reader) error {
		all = nil
		return scan(r, kv.Prefix([]byte{domainPrefix}), func(key []byte, rec domainRecord) error {
			domain, err := domainOf(string(key[1:]), rec)
			all = append(all, domain)
			return err
		})
	})
	return all, err
}

// Domain finds a domain. Kinds of errors: Invalid, NotFound.
func (d *Directory) Domain(ctx context.Context, name string) (domain Domain, err error) {
	if name, err = canonicalDomain(name); err != nil {
		return Domain{}, err
	}
	err = d.view(ctx, func(r kv.Reader) error {
		if err := mustServe(r, name); err != nil {
			return err
		}
		rec, _, err := get[domainRecord](r, domainKey(name))
		if err == nil {
			domain, err = domainOf(name, rec)
		}
		return err
	})
	return domain, err
}

func domainOf(name string, rec domainRecord) (Domain, error) {
	domain := Domain{Name: name, Created: rec.Created, AliasOf: rec.AliasOf, Limits: rec.limits()}
	if rec.CatchAll == "" {
		return domain, nil
	}
	to, err := addr.Parse(rec.CatchAll)
	if err != nil {
		return domain, fault.New(fault.Corrupt, "directory: the catch-all of %s: %w", name, err)
	}
	domain.CatchAll = to
	return domain, nil
}

// domains are all of them, for whoever looks at everything.
type domains map[string]domainRecord

func readDomains(r kv.Reader) (domains, error) {
	all := domains{}
	err := scan(r, kv.Prefix([]byte{domainPrefix}), func(key []byte, rec domainRecord) error {
		all[string(key[1:])] = rec
		return nil
	})
	return all, err
}

// home is what an address is called here, as far as it is here.
func (all domains) home(a addr.Address) addr.Address {
	c, err := canonical(a)
	domain, ok := all[c.Domain]
	if err != nil || !ok {
		return a
	}
	if domain.AliasOf != "" {
		c.Domain = domain.AliasOf
	}
	return c
}

// IsLocal says whether a domain is ours. What is no domain is not ours.
func (d *Directory) IsLocal(ctx context.Context, domain string) (bool, error) {
	name, err := addr.CanonicalDomain(domain)
	if err != nil {
		return false, nil
	}
	local, generation, ok := d.domains.get(name)
	if ok {
		return local, nil
	}
	err = d.view(ctx, func(r kv.Reader) (err error) {
		local, err = isLocal(r, name)
		return err
	})
	if err == nil {
		d.domains.put(name, local, generation)
	}
	return local, err
}

func isLocal(r kv.Reader, canonicalName string) (bool, error) {
	_, ok, err := r.Get(domainKey(canonicalName))
	return ok, err
}

// mustServe is the error that a domain is not ours.
func mustServe(r kv.Reader, name string) error {
	switch local, err := isLocal(r, name); {
	case err != nil:
		return err
	case !local:
		return fault.New(fault.NotFound, "domain %s is not served here; add it with: posthorn domain add %s", name, name)
	}
	return nil
}

// mustOwn reads a domain that has addresses of its own; the error is that it is not
// ours, or an alias.
func mustOwn(r kv.Reader, name string) (domainRecord, error) {
	if err := mustServe(r, name); err != nil {
		return domainRecord{}, err
	}
	rec, _, err := get[domainRecord](r, domainKey(name))
	if err == nil && rec.AliasOf != "" {
		err = fault.New(fault.Invalid, "domain %s is an alias of %s; what is to be there belongs into that", name, rec.AliasOf)
	}
	return rec, err
}

func canonicalDomain(name string) (string, error) {
	c, err := addr.CanonicalDomain(name)
	if err == nil && c[0] == '[' {
		return "", fault.New(fault.Invalid, "%s is an address literal; want a domain like example.test", name)
	}
	return c, err
}

// orExists is err, or without one the error that something exists.
func orExists(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return fault.New(fault.Exists, format, args...)
}
