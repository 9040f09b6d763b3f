package directory

import (
	"context"
	"slices"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/srs"
)

// borrowed says that another directory knows the account, and can be asked.
func (a *Account) borrowed() bool { return a.Source != "" && a.Source != FromProvider }

// Find is Account for somebody who has proven who he is by other means than a password:
// another directory may have him, and must have him still. He gets an account if he
// has none. Kinds of errors: NotFound, Unavailable.
func (d *Directory) Find(ctx context.Context, address addr.Address) (Account, error) {
	account, err := d.locate(ctx, address)
	if err == nil && account.ID == 0 {
		return d.Adopt(ctx, account.Address, account.Source)
	}
	return account, err
}

// locate finds an account here or elsewhere. The one of somebody who has been met
// nowhere yet has no ID.
func (d *Directory) locate(ctx context.Context, address addr.Address) (Account, error) {
	account, err := d.Account(ctx, address)
	switch {
	case err == nil && !account.borrowed():
		return account, nil
	case err == nil:
		in, err := d.elsewhere(ctx, account.Address)
		if err == nil {
			account.Source = in.Name
		}
		return account, err
	case !fault.Is(err, fault.NotFound) || len(d.sources()) == 0:
		return account, err
	}
	own, free, viewErr := d.vacant(ctx, address)
	if viewErr != nil || !free {
		return Account{}, firstOf(viewErr, err)
	}
	in, err := d.elsewhere(ctx, own)
	if err != nil {
		return Account{}, err
	}
	return Account{Address: own, Source: in.Name, Created: d.clock().UTC(), credential: d.hash.Nobody()}, nil
}

// homeOf is home.
func (d *Directory) homeOf(ctx context.Context, address addr.Address) (own addr.Address, local bool, err error) {
	err = d.view(ctx, func(r kv.Reader) (err error) {
		own, local, err = home(r, address)
		return err
	})
	return own, local, err
}

func firstOf(errs ...error) error {
	return errs[slices.IndexFunc(errs, func(err error) bool { return err != nil })]
}

// vacant says whether an address is in a domain of ours and names nothing, and what it is
// called there.
func (d *Directory) vacant(ctx context.Context, address addr.Address) (own addr.Address, free bool, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		var local bool
		if own, local, err = home(r, address); err != nil || !local || srs.Is(own.Local) {
			return err
		}
		_, taken, err := get[nameRecord](r, nameKey(own))
		free = !taken
		return err
	})
	return own, free, err
}

// Adopt makes the account of somebody whom another directory knows, unless there is one.
// The caller has made sure that it does. Kinds of errors: Invalid, NotFound (the domain),
// Exists (an alias).
func (d *Directory) Adopt(ctx context.Context, address addr.Address, source string) (Account, error) {
	address, err := canonical(address)
	if err != nil {
		return Account{}, err
	}
	var account Account
	added := false
	err = d.update(ctx, func(w kv.Writer) (err error) {
		if account, err = findAccount(w, address); err == nil || !fault.Is(err, fault.NotFound) {
			return err
		}
		account, err = d.addAccount(w, address, source, newPassword{hash: d.hash.Nobody()})
		added = err == nil
		return err
	})
	if added {
		d.log.InfoContext(ctx, "account made for somebody in another directory", "account", address.String(), "directory", source)
	}
	return account, err
}

// discover makes the account for an address of which our own directory does not know,
// if another one does.
func (d *Directory) discover(ctx context.Context, a addr.Address) (found bool, err error) {
	if len(d.sources()) == 0 {
		return false, nil
	}
	a.Local, _ = addr.SplitTag(a.Local, TagSeparator)
	own, free, err := d.vacant(ctx, a)
	if err != nil || !free {
		return false, err
	}
	in, err := d.elsewhere(ctx, own)
	switch {
	case fault.Is(err, fault.NotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	_, err = d.Adopt(ctx, own, in.Name)
	return err == nil, err
}

// Elsewhere says whether another directory has an address of ours that names nothing here.
// It makes no account. Kind of error: Unavailable.
func (d *Directory) Elsewhere(ctx context.Context, address addr.Address) (bool, error) {
	if len(d.sources()) == 0 {
		return false, nil
	}
	own, free, err := d.vacant(ctx, address)
	if err != nil || !free {
		return false, err
	}
	_, err = d.elsewhere(ctx, own)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// meet makes accounts for those among some addresses whom only other directories know, so
// that something here can point to them.
func (d *Directory) meet(ctx context.Context, all ...addr.Address) error {
	for _, one := range all {
		if _, err := d.discover(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// heedOthers lets other directories have their say in an answer: who is there that our own
// does not know, and who is not there any more.
func (d *Directory) heedOthers(ctx context.Context, a addr.Address, answer Resolution) (Resolution, error) {
	if answer.Outcome == NoSuchUser || answer.caught {
		found, err := d.discover(ctx, a)
		if err != nil {
			return Resolution{}, err
		}
		if found {
			if answer, err = d.resolveWithout(ctx, a, nil); err != nil {
				return Resolution{}, err
			}
		}
	}
	var gone map[AccountID]bool
	for _, one := range answer.borrowed {
		there, err := d.expects(ctx, one.Address)
		if err != nil {
			return Resolution{}, err
		}
		if !there {
			if gone == nil {
				gone = map[AccountID]bool{}
			}
			gone[one.ID] = true
		}
	}
	if gone == nil {
		return answer, nil
	}
	return d.resolveWithout(ctx, a, gone)
}

func (d *Directory) resolveWithout(ctx context.Context, a addr.Address, gone map[AccountID]bool) (answer Resolution, err error) {
	err = d.view(ctx, func(r kv.Reader) (err error) {
		answer, err = resolve(r, a, gone)
		return err
	})
	return answer, err
}

// mustBeOwn is the error that the password of an account is for another directory to keep.
func (d *Directory) mustBeOwn(a *Account) error {
	if a.borrowed() && d.source(a.Source) != nil {
		return fault.New(fault.Denied, "the password of %s is kept in the directory %s; change it there", a.Address, a.Source)
	}
	return nil
}
