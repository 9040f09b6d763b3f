package directory

import (
	"context"
	"encoding/binary"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// The end of an account, and what may come instead of it. A deleted account has no
// address any more, and so is gone for everybody; its record and its mail stay for
// KeepDeleted. Then it is removed for good: first the record says so, so that nobody
// brings back what has half gone, then the store removes the mail, then the record goes.

// KeepDeleted is how long a deleted account can be brought back.
const KeepDeleted = 30 * 24 * time.Hour

// DeleteAccount deletes an account and returns what it was. Kinds of errors: NotFound,
// InUse (something points to it).
func (d *Directory) DeleteAccount(ctx context.Context, address addr.Address) (Account, error) {
	address, err := canonical(address)
	if err != nil {
		return Account{}, err
	}
	var account Account
	err = d.update(ctx, func(w kv.Writer) (err error) {
		if account, err = findAccount(w, address); err != nil {
			return err
		}
		if err := mustNotBeTarget(w, account.Address); err != nil {
			return err
		}
		if err := w.Delete(nameKey(account.Address)); err != nil {
			return err
		}
		if err := dismiss(w, account.ID); err != nil {
			return err
		}
		account.Deleted = d.clock().UTC()
		return d.putAccount(w, account)
	})
	return account, err
}

// Deleted lists the accounts that can be brought back, in the order in which they were made.
func (d *Directory) Deleted(ctx context.Context) (all []Account, err error) {
	err = d.view(ctx, func(r kv.Reader) (err error) {
		all, err = deleted(r)
		return err
	})
	return all, err
}

func deleted(r kv.Reader) (all []Account, err error) {
	err = scan(r, kv.Prefix([]byte{accountPrefix}), func(key []byte, rec accountRecord) error {
		if rec.Deleted.IsZero() || rec.Removing {
			return nil
		}
		account, err := accountOf(AccountID(binary.BigEndian.Uint64(key[1:])), rec)
		all = append(all, account)
		return err
	})
	return all, err
}

// UndeleteAccount brings the account back that was deleted last of those with an address,
// with its mail and its password; with as, under another address. Kinds of errors: NotFound,
// Exists, if somebody else has the address.
func (d *Directory) UndeleteAccount(ctx context.Context, address, as addr.Address) (Account, error) {
	address, err := canonical(address)
	if err == nil && as.IsZero() {
		as = address
	}
	if err == nil {
		as, err = canonical(as)
	}
	if err != nil {
		return Account{}, err
	}
	var found Account
	err = d.update(ctx, func(w kv.Writer) error {
		all, err := deleted(w)
		if err != nil {
			return err
		}
		found = Account{}
		for _, a := range all {
			if a.Address == address && a.Deleted.After(found.Deleted) {
				found = a
			}
		}
		if found.ID == 0 {
			return fault.New(fault.NotFound, "no account %s was deleted in the last %d days", address, KeepDeleted/(24*time.Hour))
		}
		if err := mustTakeAccount(w, as); err != nil {
			return err
		}
		found.Address, found.Deleted = as, time.Time{}
		if found.Forward, err = present(w, found.Forward); err != nil {
			return err
		}
		found.NoCopy = found.NoCopy && len(found.Forward) > 0
		if err := put(w, nameKey(as), nameRecord{Account: found.ID}); err != nil {
			return err
		}
		return d.putAccount(w, found)
	})
	return found, err
}

// present leaves out what has gone of the addresses that an account forwards to.
func present(r kv.Reader, all []addr.Address) (left []addr.Address, err error) {
	for _, target := range all {
		own, local, err := home(r, target)
		if err == nil && local {
			err = mustExist(r, own)
		}
		switch {
		case fault.Is(err, fault.NotFound):
			continue
		case err != nil:
			return nil, err
		}
		left = append(left, target)
	}
	return left, nil
}

// RenameAccount gives an account another address, with all that it has. With alias, mail
// for the old one goes to it as before. Kinds of errors: Invalid, NotFound, Exists; InUse, if
// something points to the old address, and no alias is left there.
func (d *Directory) RenameAccount(ctx context.Context, from, to addr.Address, alias bool) (Account, error) {
	from, err := canonical(from)
	if err == nil {
		to, err = canonical(to)
	}
	if err != nil {
		return Account{}, err
	}
	var account Account
	err = d.update(ctx, func(w kv.Writer) (err error) {
		if account, err = findAccount(w, from); err != nil {
			return err
		}
		if err := mustBeFree(w, to); err != nil {
			return err
		}
		old := account.Address
		if to.Domain != old.Domain {
			if err := mustHaveRoom(w, to.Domain); err != nil {
				return err
			}
		}
		account.Address = to
		if err := put(w, nameKey(to), nameRecord{Account: account.ID}); err != nil {
			return err
		}
		if err := d.putAccount(w, account); err != nil {
			return err
		}
		if !alias {
			if err := mustNotBeTarget(w, old); err != nil {
				return err
			}
			return w.Delete(nameKey(old))
		}
		now := d.clock().UTC()
		return put(w, nameKey(old), nameRecord{Alias: []string{to.String()}, Created: &now})
	})
	return account, err
}

// Expire lists the accounts whose mail is to be removed for good: those that were
// deleted KeepDeleted ago. From then on they cannot be brought back.
func (d *Directory) Expire(ctx context.Context) ([]Account, error) {
	cutoff := d.clock().Add(-KeepDeleted)
	due, err := d.expired(ctx, cutoff)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = d.update(ctx, func(w kv.Writer) (err error) {
		if due, err = expired(w, cutoff); err != nil { // one may have been brought back meanwhile
			return err
		}
		for i := range due {
			due[i].removing = true
			if err := d.putAccount(w, due[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
}

func (d *Directory) expired(ctx context.Context, cutoff time.Time) (due []Account, err error) {
	err = d.view(ctx, func(r kv.Reader) (err error) {
		due, err = expired(r, cutoff)
		return err
	})
	return due, err
}

func expired(r kv.Reader, cutoff time.Time) (due []Account, err error) {
	err = scan(r, kv.Prefix([]byte{accountPrefix}), func(key []byte, rec accountRecord) error {
		if rec.Deleted.IsZero() || rec.Deleted.After(cutoff) && !rec.Removing {
			return nil
		}
		account, err := accountOf(AccountID(binary.BigEndian.Uint64(key[1:])), rec)
		due = append(due, account)
		return err
	})
	return due, err
}

// Remove drops what is left of an account that Expire has named, once its mail is gone.
func (d *Directory) Remove(ctx context.Context, id AccountID) error {
	err := d.update(ctx, func(w kv.Writer) error {
		rec, ok, err := get[accountRecord](w, accountKey(id))
		switch {
		case err != nil || !ok:
			return err
		case !rec.Removing:
			return fault.New(fault.InUse, "directory: account %d is not to be removed", id)
		}
		if err := w.Delete(secretsKey(id)); err != nil {
			return err
		}
		return w.Delete(accountKey(id))
	})
	if err != nil {
		return err
	}
	return d.engine.Update(ctx, []kv.Shard{usedShard}, func(tx kv.Tx) error {
		w, uses := tx.In(usedShard), usesKey(id)
		if err := w.Delete(codeKey(id)); err != nil {
			return err
		}
		return w.DeleteRange(uses, kv.PrefixEnd(uses))
	})
}
