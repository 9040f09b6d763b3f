package imapd

import (
	"context"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/store"
)

// Directory knows who there is besides the user of a session. Its errors are of the kind
// NotFound, or what went wrong.
type Directory interface {
	// Find gives the account of an address, and the address as it is written here.
	Find(ctx context.Context, address string) (store.AccountID, string, error)
	// Member says how a group is written here and whether an account is in it.
	Member(ctx context.Context, group string, id store.AccountID) (canonical string, member bool, err error)
}

// othersRoot is the name above the mailboxes of other users: "Other
// Users/bob@example.test/INBOX" is bob's INBOX.
const othersRoot = "Other Users"

// place is where the name of a mailbox leads: whose it is, what its owner calls it, and
// what this user may do there.
type place struct {
	account *store.Account
	owner   string // the address of the account
	name    string // in that account
	shown   string // to this user
	rights  store.Rights
}

// place finds the place of a name. Whoever names a mailbox comes through here and says
// which rights it takes, so that no command can forget to ask. It is not known yet
// whether the user's own mailboxes exist; those of others do.
func (s *session) place(ctx context.Context, name string, need store.Rights) (place, error) {
	return s.resolve(ctx, name, need, (*store.Account).ACL)
}

// newPlace is the place of a mailbox that is to be made, for which the rights of the
// nearest one above it count (RFC 4314 §4).
func (s *session) newPlace(ctx context.Context, name string) (place, error) {
	// RFC 9051 §5.1, RFC 6855 §3. Names in modified UTF-7 are kept as they are.
	if s.utf8Names() && !store.IsNetUnicode(name) {
		return place{}, errNotNetUnicode
	}
	return s.resolve(ctx, name, store.RightCreate, (*store.Account).ParentACL)
}

// resolve does the work of both. Nothing is looked up for the user's own mailboxes.
func (s *session) resolve(ctx context.Context, name string, need store.Rights, list func(*store.Account, context.Context, string) (store.ACL, error)) (place, error) {
	address, below, others := othersMailbox(name)
	below = store.CanonicalName(below)
	if !others {
		return place{s.account, s.user, name, name, store.AllRights}, nil
	}
	id, address, err := s.findUser(ctx, address)
	switch {
	case below == "" || fault.Is(err, fault.NotFound):
		return place{}, errNoMailbox
	case err != nil:
		return place{}, err
	case id == s.account.ID():
		return place{s.account, s.user, below, below, store.AllRights}, nil
	}
	p := place{account: s.srv.store.Account(id), owner: address, name: below, shown: othersName(address, below)}
	acl, err := list(p.account, ctx, below)
	if fault.Is(err, fault.NotFound) {
		return place{}, errNoMailbox
	}
	if err == nil {
		p.rights, err = s.rights(ctx, acl)
	}
	if err != nil {
		return place{}, err
	}
	return p, p.require(need)
}

// findUser asks the directory for a user.
func (s *session) findUser(ctx context.Context, address string) (store.AccountID, string, error) {
	if s.srv.directory == nil || address == "" {
		return 0, "", fault.New(fault.NotFound, "imapd: there is no user %q", address)
	}
	return s.srv.directory.Find(ctx, address)
}

// rights are what the user of this session may do by an access control list.
func (s *session) rights(ctx context.Context, acl store.ACL) (store.Rights, error) {
	return acl.Rights(s.account.ID(), s.isMember(ctx))
}

// isMember says of which groups the user is one. A group that is gone has no members.
func (s *session) isMember(ctx context.Context) func(group string) (bool, error) {
	return func(group string) (bool, error) {
		_, in, err := s.srv.directory.Member(ctx, group, s.account.ID())
		if fault.Is(err, fault.NotFound) {
			return false, nil
		}
		return in, err
	}
}

// othersMailbox takes the name of another user's mailbox apart. The address ends with the
// first separator behind its domain.
func othersMailbox(name string) (address, below string, ok bool) {
	rest, ok := strings.CutPrefix(name, othersRoot)
	if !ok || rest != "" && rest[:1] != store.Separator {
		return "", "", false
	}
	rest = strings.TrimPrefix(rest, store.Separator)
	at := max(strings.IndexByte(rest, '@'), 0)
	end := strings.Index(rest[at:], store.Separator)
	if end < 0 {
		return rest, "", true
	}
	return rest[:at+end], rest[at+end+1:], true
}

// othersName is the name of another user's mailbox.
func othersName(address, name string) string {
	return othersRoot + store.Separator + address + store.Separator + name
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
