package imapd

import (
	"context"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// eachShared calls fn with the mailboxes of other users that this one may look up (RFC
// 4314 §4).
func (s *session) eachShared(ctx context.Context, fn func(p place, m *store.Mailbox)) error {
	if s.srv.directory == nil {
		return nil
	}
	sharers, err := s.srv.store.Sharers(ctx, s.account.ID(), s.isMember(ctx))
	if err != nil {
		return err
	}
	for _, one := range sharers {
		// An account that is gone from the directory shares nothing any more.
		id, address, err := s.findUser(ctx, one.Address)
		if fault.Is(err, fault.NotFound) || err == nil && id != one.Account {
			continue
		}
		if err == nil {
			err = s.eachSharedBy(ctx, s.srv.store.Account(id), address, fn)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachSharedBy is eachShared for one other user.
func (s *session) eachSharedBy(ctx context.Context, account *store.Account, owner string, fn func(p place, m *store.Mailbox)) error {
	shared, err := account.Shared(ctx)
	if err != nil {
		return err
	}
	for i := range shared {
		rights, err := s.rights(ctx, shared[i].ACL)
		if err != nil {
			return err
		}
		if rights.Has(store.RightLookup) {
			m := &shared[i].Mailbox
			fn(place{account, owner, m.Name, othersName(owner, m.Name), rights}, m)
		}
	}
	return nil
}

// addOthers adds the mailboxes that other users share with this one, if any pattern can
// match their names.
func (l *listing) addOthers(t *tree) error {
	if !l.mayMatchOthers() {
		return nil
	}
	return l.eachShared(l.ctx, func(p place, m *store.Mailbox) {
		m.SpecialUse = "" // what its owner uses it for is not what this user does
		t.add(p, m)
	})
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
