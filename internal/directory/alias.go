package directory

import (
	"context"
	"slices"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Alias is an address whose mail goes to other addresses.
type Alias struct {
	Address addr.Address
	Targets []addr.Address // accounts or aliases
	Created time.Time
}

// AddAlias makes an alias. Its targets must be there, and here: forwarding to other
// servers needs an outgoing queue. Kinds of errors: Invalid, NotFound, Exists,
// Unsupported.
func (d *Directory) AddAlias(ctx context.Context, address addr.Address, targets ...addr.Address) (Alias, error) {
	alias, err := d.newAlias(address, targets)
	if err != nil {
		return Alias{}, err
	}
	err = d.update(ctx, func(w kv.Writer) error {
		if err := mustBeFree(w, alias.Address); err != nil {
			return err
		}
		record := nameRecord{Created: &alias.Created}
		for _, target := range alias.Targets {
			if err := mustExist(w, target); err != nil {
				return err
			}
			record.Alias = append(record.Alias, target.String())
		}
		return put(w, nameKey(alias.Address), record)
	})
	return alias, err
}

func (d *Directory) newAlias(address addr.Address, targets []addr.Address) (Alias, error) {
	address, err := canonical(address)
	if err != nil {
		return Alias{}, err
	}
	alias := Alias{Address: address, Created: d.clock().UTC()}
	for _, target := range targets {
		target, err := canonical(target)
		if err != nil {
			return Alias{}, err
		}
		if target == address {
			return Alias{}, fault.New(fault.Invalid, "alias %s cannot point to itself", address)
		}
		if !slices.Contains(alias.Targets, target) {
			alias.Targets = append(alias.Targets, target)
		}
	}
	if len(alias.Targets) == 0 {
		return Alias{}, fault.New(fault.Invalid, "alias %s needs at least one target", address)
	}
	return alias, nil
}

// mustExist is the error that a target is not there or not here.
func mustExist(r kv.Reader, target addr.Address) error {
	local, err := isLocal(r, target.Domain)
	if err != nil {
		return err
	}
	if !local {
		return fault.New(fault.Unsupported, "target %s is on another server; forwarding there is not built yet", target)
	}
	_, _, ok, err := lookup(r, target)
	if err == nil && !ok {
		return fault.New(fault.NotFound, "target %s does not exist; add it first", target)
	}
	return err
}

// mustNotBeTarget is the error that an alias points to an address. It looks at all
// of them: deleting is rare, and an alias that points nowhere loses mail.
func mustNotBeTarget(r kv.Reader, address addr.Address) error {
	return scan(r, kv.Prefix([]byte{namePrefix}), func(key []byte, name nameRecord) error {
		alias, err := aliasOf(addressOfKey(key), name)
		if err != nil {
			return err
		}
		for _, target := range alias.Targets {
			if base, _ := addr.SplitTag(target.Local, TagSeparator); target == address || address == (addr.Address{Local: base, Domain: target.Domain}) {
				return fault.New(fault.InUse, "alias %s points to %s; delete the alias first", alias.Address, address)
			}
		}
		return nil
	})
}

// DeleteAlias removes an alias. Kinds of errors: NotFound, InUse (another alias
// points to it).
func (d *Directory) DeleteAlias(ctx context.Context, address addr.Address) error {
	address, err := canonical(address)
	if err != nil {
		return err
	}
	return d.update(ctx, func(w kv.Writer) error {
		switch name, ok, err := get[nameRecord](w, nameKey(address)); {
		case err != nil:
			return err
		case ok && name.Account != 0:
			return fault.New(fault.NotFound, "%s is an account, not an alias", address)
		case !ok:
			return fault.New(fault.NotFound, "there is no alias %s", address)
		}
		if err := mustNotBeTarget(w, address); err != nil {
			return err
		}
		return w.Delete(nameKey(address))
	})
}

// Aliases calls fn with every alias, by domain and local part, until fn returns
// false. fn must not call the Directory.
func (d *Directory) Aliases(ctx context.Context, fn func(Alias) bool) error {
	return d.view(ctx, func(r kv.Reader) error {
		var failed error
		err := r.Scan(kv.Prefix([]byte{namePrefix}), func(key, value []byte) bool {
			name, err := decode[nameRecord](key, value)
			if err == nil && name.Account != 0 {
				return true
			}
			var alias Alias
			if err == nil {
				alias, err = aliasOf(addressOfKey(key), name)
			}
			if failed = err; err != nil {
				return false
			}
			return fn(alias)
		})
		if failed != nil {
			return failed
		}
		return err
	})
}

func aliasOf(address addr.Address, name nameRecord) (Alias, error) {
	alias := Alias{Address: address}
	if name.Created != nil {
		alias.Created = *name.Created
	}
	for _, text := range name.Alias {
		target, err := addr.Parse(text)
		if err != nil {
			return Alias{}, fault.New(fault.Corrupt, "directory: alias %s: %w", address, err)
		}
		alias.Targets = append(alias.Targets, target)
	}
	return alias, nil
}

// String shows the alias as people write it.
func (a Alias) String() string {
	targets := make([]string, len(a.Targets))
	for i, t := range a.Targets {
		targets[i] = t.String()
	}
	return a.Address.String() + " -> " + strings.Join(targets, ", ")
}
