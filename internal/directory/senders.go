package directory

import (
	"context"
	"slices"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// Senders says who may write to an alias. What counts is the address that is written
// to, not those that it leads to or is reached by.
type Senders string

// Who may write.
const (
	Anyone     Senders = ""
	Members    Senders = "members" // those it leads to
	SameDomain Senders = "domain"  // those with an address in its domain
)

func (s Senders) check() error {
	if s != Anyone && s != Members && s != SameDomain {
		return fault.New(fault.Invalid, "senders are %s, %s or anyone, not %q", Members, SameDomain, string(s))
	}
	return nil
}

// MayWrite says whether a sender may write to an address. Somebody of ours must have
// proven who he is, for anybody can write his address down; who is elsewhere cannot prove it here.
// An address that stands for several accounts is a member if all of them are.
func (d *Directory) MayWrite(ctx context.Context, to Resolution, from addr.Address, proven bool) (bool, error) {
	if to.Senders == Anyone {
		return true, nil
	}
	if from.IsZero() {
		return false, nil
	}
	own, local := addr.Address{}, false
	err := d.view(ctx, func(r kv.Reader) (err error) {
		own, local, err = home(r, from)
		return err
	})
	switch {
	case err != nil:
		return false, err
	case !local:
		return to.Senders == Members && slices.ContainsFunc(to.Forward, func(f Forward) bool {
			return f.Address.Domain == own.Domain && strings.EqualFold(f.Address.Local, own.Local)
		}), nil
	case !proven:
		return false, nil
	case to.Senders == SameDomain:
		return own.Domain == to.domain, nil
	}
	sender, err := d.Resolve(ctx, own)
	outside := func(id AccountID) bool { return !slices.Contains(to.owners, id) }
	return len(sender.owners) > 0 && !slices.ContainsFunc(sender.owners, outside), err
}
