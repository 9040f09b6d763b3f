package imapd

import (
	"context"

	"posthorn/internal/store"
)

// place is where the name of a mailbox leads: whose it is, what its owner calls it, and
// what this user may do there.
type place struct {
	account *store.Account
	name    string // in that account
	shown   string // to this user
	rights  store.Rights
}

// place finds the place of a name. Whoever names a mailbox comes through here and says
// which rights it takes, so that no command can forget to ask. It is not known yet
// whether the user's own mailboxes exist; those of others do.
func (s *session) place(_ context.Context, name string, need store.Rights) (place, error) {
	p := place{s.account, name, name, store.AllRights}
	return p, p.require(need)
}

// newPlace is the place of a mailbox that is to be made.
func (s *session) newPlace(ctx context.Context, name string) (place, error) {
	// RFC 9051 §5.1, RFC 6855 §3. Names in modified UTF-7 are kept as they are.
	if s.utf8Names() && !store.IsNetUnicode(name) {
		return place{}, errNotNetUnicode
	}
	return s.place(ctx, name, store.RightCreate)
}

var errNotNetUnicode = no("CANNOT", "Names have composed characters (normal form C), and none for control")

// require is the error of a command that takes rights which the user does not have.
func (p *place) require(need store.Rights) error {
	switch {
	case p.rights.Has(need):
		return nil
	case !p.rights.Has(store.RightLookup): // RFC 4314 §6: nor does he learn that it exists
		return errNoMailbox
	}
	return errNoRight
}

// mayChange gives those of these flags that the user may set and clear (RFC 4314 §4).
func (p *place) mayChange(flags []string) []string {
	if p.rights.Flags() == store.AllFlags {
		return flags
	}
	var may []string
	for _, f := range flags {
		if p.rights.MayFlag(f) {
			may = append(may, f)
		}
	}
	return may
}

var (
	errNoMailbox = no("NONEXISTENT", "There is no such mailbox")
	errNoRight   = no("NOPERM", "The owner of this mailbox does not allow that")
)

// owner is the address of whose place it is.
func (s *session) owner(p *place) string {
	return s.user
}
