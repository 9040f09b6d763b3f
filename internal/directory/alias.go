package directory

import (
	"context"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Alias is an address whose mail goes to other addresses. One with several is a
// group.
type Alias struct {
	Address addr.Address
	Targets []addr.Address // accounts, aliases, or addresses elsewhere
	Senders Senders        // who may write to it
	Created time.Time
}

// AddAlias makes an alias that anybody may write to. Its targets in our domains must
// be there. Kinds of errors: Invalid, NotFound, Exists; Unavailable if another directory cannot be asked.
func (d *Directory) AddAlias(ctx context.Context, address addr.Address, to ...addr.Address) (Alias, error) {
	return d.AddGroup(ctx, address, Anyone, to...)
}

// AddGroup is AddAlias for one that not everybody may write to.
func (d *Directory) AddGroup(ctx context.Context, address addr.Address, senders Senders, to ...addr.Address) (Alias, error) {
	return d.setAlias(ctx, address, senders, to, func(r kv.Reader, address addr.Address) (addr.Address, time.Time, error) {
		return address, d.clock().UTC(), mustBeFree(r, address)
	})
}

// ChangeAlias gives an alias other targets, and says anew who may write to it. Kinds of
// errors: those of AddAlias; NotFound if it is not there.
func (d *Directory) ChangeAlias(ctx context.Context, address addr.Address, senders Senders, to ...addr.Address) (Alias, error) {
	return d.setAlias(ctx, address, senders, to, func(r kv.Reader, address addr.Address) (addr.Address, time.Time, error) {
		before, err := findAlias(r, address)
		return before.Address, before.Created, err
	})
}

// setAlias writes an alias. place says whether it may be there, under which address, and since when.
func (d *Directory) setAlias(ctx context.Context, address addr.Address, senders Senders, to []addr.Address,
	place func(kv.Reader, addr.Address) (addr.Address, time.Time, error),
) (Alias, error) {
	address, err := canonical(address)
	if err != nil {
		return Alias{}, err
	}
	if err := senders.check(); err != nil {
		return Alias{}, err
	}
	if len(to) == 0 {
		return Alias{}, fault.New(fault.Invalid, "alias %s needs at least one target", address)
	}
	if err := d.meet(ctx, to...); err != nil {
		return Alias{}, err
	}
	alias := Alias{Senders: senders}
	err = d.update(ctx, func(w kv.Writer) (err error) {
		if alias.Address, alias.Created, err = place(w, address); err != nil {
			return err
		}
		if alias.Targets, err = targets(w, alias.Address, to); err != nil {
			return err
		}
		return put(w, nameKey(alias.Address), nameRecord{Alias: spell(alias.Targets), Senders: senders, Created: &alias.Created})
	})
	return alias, err
}

// DeleteAlias removes an alias. Kinds of errors: NotFound, InUse (something else
// points to it).
func (d *Directory) DeleteAlias(ctx context.Context, address addr.Address) error {
	address, err := canonical(address)
	if err != nil {
		return err
	}
	return d.update(ctx, func(w kv.Writer) error {
		alias, err := findAlias(w, address)
		if err != nil {
			return err
		}
		if err := mustNotBeTarget(w, alias.Address); err != nil {
			return err
		}
		return w.Delete(nameKey(alias.Address))
	})
}

func findAlias(r kv.Reader, address addr.Address) (Alias, error) {
	address, _, err := home(r, address)
	if err != nil {
		return Alias{}, err
	}
	switch name, ok, err := get[nameRecord](r, nameKey(address)); {
	case err != nil:
		return Alias{}, err
	case ok && name.Account != 0:
		return Alias{}, fault.New(fault.NotFound, "%s is an account, not an alias", address)
	case !ok:
		return Alias{}, fault.New(fault.NotFound, "there is no alias %s", address)
	default:
		return aliasOf(address, name)
	}
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
	alias := Alias{Address: address, Senders: name.Senders}
	if name.Created != nil {
		alias.Created = *name.Created
	}
	var err error
	if alias.Targets, err = parseAll(name.Alias); err != nil {
		return Alias{}, fault.New(fault.Corrupt, "directory: alias %s: %w", address, err)
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
