package store

import (
	"context"
	"slices"
	"strings"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/record"
)

// Anyone is the identifier of all users (RFC 4314 §2).
const Anyone = "anyone"

// Grant is a line of an access control list: what somebody may do, or, negative, may not
// whatever other lines say (RFC 4314 §2).
type Grant struct {
	Identifier string    // Anyone, or the address of a user or of a group
	Account    AccountID // of the user; 0: not a user
	Negative   bool
	Rights     Rights
}

// same reports whether two lines are of the same identifier.
func (g *Grant) same(as *Grant) bool {
	return g.Negative == as.Negative && g.Account == as.Account && (g.Account != 0 || g.Identifier == as.Identifier)
}

// ACL is the access control list of a mailbox. Its owner has all rights and is not in it.
type ACL []Grant

// maxGrants is how many lines an ACL can have.
const maxGrants = 200

// Rights are what a user may do; isMember says of which groups he is one. Rights add up,
// and what any line takes away is gone (RFC 4314 §2 leaves that to us).
func (acl ACL) Rights(user AccountID, isMember func(group string) (bool, error)) (Rights, error) {
	var given, taken Rights
	for i := range acl {
		g := &acl[i]
		applies := g.Account == user || g.Account == 0 && g.Identifier == Anyone
		if !applies && g.Account == 0 {
			var err error
			if applies, err = isMember(g.Identifier); err != nil {
				return 0, err
			}
		}
		switch {
		case applies && g.Negative:
			taken |= g.Rights
		case applies:
			given |= g.Rights
		}
	}
	return given &^ taken, nil
}

// With gives the list with another line for the line's identifier; without rights it has
// none for it.
func (acl ACL) With(g Grant) ACL {
	acl = slices.DeleteFunc(slices.Clone(acl), func(old Grant) bool { return old.same(&g) })
	if g.Rights == 0 {
		return acl
	}
	return append(acl, g)
}

// Of gives the rights in the line of an identifier.
func (acl ACL) Of(g Grant) Rights {
	for i := range acl {
		if acl[i].same(&g) {
			return acl[i].Rights
		}
	}
	return 0
}

const aclVersion = 1

func (acl ACL) encode() []byte {
	var c record.Encoder
	c.Byte(aclVersion)
	c.Uint(uint64(len(acl)))
	for i := range acl {
		c.String(acl[i].Identifier)
		c.Uint(uint64(acl[i].Account))
		c.Bits(acl[i].Negative)
		c.Uint(uint64(acl[i].Rights))
	}
	return c.Record()
}

func decodeACL(b []byte) (ACL, error) {
	d := record.NewDecoder(b)
	if _, err := d.Version(aclVersion, "store: an access control list"); err != nil {
		return nil, err
	}
	acl := make(ACL, d.Count(4))
	for i := range acl {
		acl[i] = Grant{Identifier: d.String(), Account: AccountID(d.Uint())}
		d.Bits(&acl[i].Negative)
		acl[i].Rights = Rights(d.Uint())
	}
	return acl, d.Done("store: an access control list")
}

func keyACL(m MailboxID) []byte { return mailboxPrefix('G', m) }

func readACL(r kv.Reader, id MailboxID) (ACL, error) {
	b, ok, err := r.Get(keyACL(id))
	if err != nil || !ok {
		return nil, err
	}
	return decodeACL(b)
}

// ACL gives the access control list of a mailbox. Errors: NotFound.
func (a *Account) ACL(ctx context.Context, name string) (acl ACL, err error) {
	err = a.view(ctx, func(r kv.Reader) error {
		id, err := findMailbox(r, name)
		if err == nil {
			acl, err = readACL(r, id)
		}
		return err
	})
	return acl, err
}

// MailboxACL is ACL of a mailbox that may have another name by now. Errors: NotFound.
func (a *Account) MailboxACL(ctx context.Context, id MailboxID) (acl ACL, err error) {
	err = a.view(ctx, func(r kv.Reader) error {
		_, err := readMailbox(r, id)
		if err == nil {
			acl, err = readACL(r, id)
		}
		return err
	})
	return acl, err
}

// ParentACL gives the access control list of the nearest mailbox above a name. Errors:
// NotFound.
func (a *Account) ParentACL(ctx context.Context, name string) (acl ACL, err error) {
	err = a.view(ctx, func(r kv.Reader) error {
		for i := strings.LastIndex(name, Separator); i > 0; i = strings.LastIndex(name[:i], Separator) {
			id, err := findMailbox(r, name[:i])
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err == nil {
				acl, err = readACL(r, id)
			}
			return err
		}
		return fault.New(fault.NotFound, "store: there is no mailbox above %q", name)
	})
	return acl, err
}

// SharedMailbox is a mailbox that has an access control list.
type SharedMailbox struct {
	Mailbox
	ACL ACL
}

// Shared lists the mailboxes of the account that have access control lists.
func (a *Account) Shared(ctx context.Context) ([]SharedMailbox, error) {
	var shared []SharedMailbox
	err := a.view(ctx, func(r kv.Reader) error {
		shared = shared[:0]
		return inBatches(r, kv.Prefix([]byte{'G'}), func(k, v []byte) error {
			acl, err := decodeACL(v)
			if err != nil {
				return err
			}
			m, err := readMailbox(r, MailboxID(uidOf(k)))
			if err == nil {
				shared = append(shared, SharedMailbox{m.Mailbox, acl})
			}
			return err
		})
	})
	return shared, err
}

// inheritACL gives a new mailbox the access control list of the one above it (RFC 4314
// §4).
func (tx *Tx) inheritACL(m *Mailbox) error {
	i := strings.LastIndex(m.Name, Separator)
	if i <= 0 {
		return nil
	}
	above, err := findMailbox(tx.w, m.Name[:i])
	if err != nil {
		return err
	}
	b, ok, err := tx.w.Get(keyACL(above))
	if err != nil || !ok {
		return err
	}
	return tx.w.Put(keyACL(m.ID), slices.Clone(b))
}
