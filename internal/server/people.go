package server

import (
	"context"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// people is the directory as imapd asks it for those who share mailboxes.
type people struct{ directory *directory.Directory }

// Find gives the account of an address.
func (p people) Find(ctx context.Context, address string) (store.AccountID, string, error) {
	a, err := addr.Parse(address)
	if err != nil {
		return 0, "", fault.New(fault.NotFound, "server: %w", err)
	}
	account, err := p.directory.Account(ctx, a)
	return store.AccountID(account.ID), account.Address.String(), err
}

// Member reports whether an account is in a group: whether the group's address leads to
// it by aliases.
func (p people) Member(ctx context.Context, group string, id store.AccountID) (string, bool, error) {
	a, err := addr.Parse(group)
	if err == nil {
		a, err = a.Canonical()
	}
	if err != nil {
		return "", false, fault.New(fault.NotFound, "server: %w", err)
	}
	r, err := p.directory.Resolve(ctx, a)
	if err == nil && (r.Outcome != directory.Deliver || r.Caught()) {
		err = fault.New(fault.NotFound, "server: there is no group %s", a)
	}
	return a.String(), r.Owned(directory.AccountID(id)), err
}
