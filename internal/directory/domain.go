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
	Name    string // canonical
	Created time.Time
}

// AddDomain takes a domain on. Kinds of errors: Invalid, Exists.
func (d *Directory) AddDomain(ctx context.Context, name string) (Domain, error) {
	name, err := canonicalDomain(name)
	if err != nil {
		return Domain{}, err
	}
	domain := Domain{name, d.clock().UTC()}
	err = d.update(ctx, func(w kv.Writer) error {
		if _, ok, err := get[domainRecord](w, domainKey(name)); err != nil || ok {
			return orExists(err, "domain %s is there already", name)
		}
		return put(w, domainKey(name), domainRecord{domain.Created})
	})
	return domain, err
}

// DeleteDomain gives a domain up, with its keys. While addresses are left in it, it
// is InUse.
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
			all = append(all, Domain{string(key[1:]), rec.Created})
			return nil
		})
	})
	return all, err
}

// IsLocal says whether a domain is ours. What is no domain is not ours.
func (d *Directory) IsLocal(ctx context.Context, domain string) (bool, error) {
	name, err := addr.CanonicalDomain(domain)
	if err != nil {
		return false, nil
	}
	local := false
	err = d.view(ctx, func(r kv.Reader) (err error) {
		local, err = isLocal(r, name)
		return err
	})
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
