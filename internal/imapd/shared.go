package imapd

import (
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// addOthers adds the mailboxes that other users share with this one, if any pattern can
// match their names.
func (l *listing) addOthers(t *tree) error {
	if l.srv.directory == nil || !l.mayMatchOthers() {
		return nil
	}
	sharers, err := l.srv.store.Sharers(l.ctx, l.account.ID(), l.isMember(l.ctx))
	if err != nil {
		return err
	}
	for _, one := range sharers {
		// An account that is gone from the directory shares nothing any more.
		id, address, err := l.findUser(l.ctx, one.Address)
		if fault.Is(err, fault.NotFound) || err == nil && id != one.Account {
			continue
		}
		if err == nil {
			err = l.addShared(t, l.srv.store.Account(id), address)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addShared adds the mailboxes of another account that the user may see (RFC 4314 §4).
func (l *listing) addShared(t *tree, account *store.Account, owner string) error {
	shared, err := account.Shared(l.ctx)
	if err != nil {
		return err
	}
	for i := range shared {
		rights, err := l.rights(l.ctx, shared[i].ACL)
		if err != nil {
			return err
		}
		if rights.Has(store.RightLookup) {
			m := &shared[i].Mailbox
			m.SpecialUse = "" // what its owner uses it for is not what this user does
			t.add(place{account, owner, m.Name, othersName(owner, m.Name), rights}, m)
		}
	}
	return nil
}

// mayMatchOthers reports whether a pattern can match a name that begins with othersRoot.
func (l *listing) mayMatchOthers() bool {
	for _, p := range l.patterns {
		plain := p.text
		if i := strings.IndexAny(plain, "*%"); i >= 0 {
			plain = plain[:i]
		}
		if strings.HasPrefix(othersRoot, plain) || strings.HasPrefix(plain, othersRoot) {
			return true
		}
	}
	return false
}
