package store

import (
	"context"
	"encoding/binary"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// sharesShard tells who shares something with whom, so that nobody has to look through
// all accounts for it. It is written with the access control lists themselves. What it
// says is a hint: the lists have the last word, and a mailbox that is deleted may leave
// one behind.
//
//	A owner           shares with anyone      -> the owner's address
//	G group 0 owner   shares with a group     -> likewise
//	U user owner      shares with a user      -> likewise
const sharesShard kv.Shard = "shares"

// keyShare is where the hint for a line of an ACL is.
func keyShare(g *Grant, owner AccountID) []byte {
	var k []byte
	switch {
	case g.Account != 0:
		k = binary.BigEndian.AppendUint64([]byte{'U'}, uint64(g.Account))
	case g.Identifier == Anyone:
		k = []byte{'A'}
	default:
		k = append(append([]byte{'G'}, g.Identifier...), 0)
	}
	return binary.BigEndian.AppendUint64(k, uint64(owner))
}

// Sharer is an account that may share mailboxes with somebody.
type Sharer struct {
	Account AccountID
	Address string // as it was when it last shared something
}

// Sharers lists who may share something with a user; isMember says of which groups he is
// one.
func (s *Store) Sharers(ctx context.Context, user AccountID, isMember func(group string) (bool, error)) ([]Sharer, error) {
	seen := map[AccountID]string{}
	groups := map[string][]Sharer{}
	err := s.engine.View(ctx, sharesShard, func(r kv.Reader) error {
		clear(seen)
		clear(groups)
		direct := func(k, v []byte) bool {
			seen[AccountID(modSeqOf(k))] = string(v)
			return true
		}
		if err := r.Scan(kv.Prefix(binary.BigEndian.AppendUint64([]byte{'U'}, uint64(user))), direct); err != nil {
			return err
		}
		if err := r.Scan(kv.Prefix([]byte{'A'}), direct); err != nil {
			return err
		}
		return r.Scan(kv.Prefix([]byte{'G'}), func(k, v []byte) bool {
			group := string(k[1 : len(k)-9])
			groups[group] = append(groups[group], Sharer{AccountID(modSeqOf(k)), string(v)})
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	for group, sharers := range groups {
		in, err := isMember(group)
		if err != nil {
			return nil, err
		}
		for i := 0; in && i < len(sharers); i++ {
			seen[sharers[i].Account] = sharers[i].Address
		}
	}
	delete(seen, user)
	all := make([]Sharer, 0, len(seen))
	for id, address := range seen {
		all = append(all, Sharer{id, address})
	}
	return all, nil
}

// ChangeACL changes the access control list of a mailbox. owner is the address of its
// account. Errors: NotFound, Limit.
func (s *Store) ChangeACL(ctx context.Context, id AccountID, owner, name string, fn func(ACL) ACL) error {
	return s.UpdateWith(ctx, []AccountID{id}, []kv.Shard{sharesShard}, func(mt *MultiTx) error {
		tx := mt.Account(id)
		m, err := tx.Mailbox(name)
		if err != nil {
			return err
		}
		before, err := readACL(tx.w, m.ID)
		if err != nil {
			return err
		}
		after := fn(before)
		if len(after) > maxGrants {
			return fault.New(fault.Limit, "store: the access control list of %q would have more than %d lines", name, maxGrants)
		}
		if err := tx.putACL(m.ID, after); err != nil {
			return err
		}
		return tx.hint(mt.In(sharesShard), owner, append(before, after...))
	})
}

func (tx *Tx) putACL(id MailboxID, acl ACL) error {
	tx.touch()
	tx.tree = append(tx.tree, change{kind: aclChanged, mailbox: id})
	if len(acl) == 0 {
		return tx.w.Delete(keyACL(id))
	}
	return tx.w.Put(keyACL(id), acl.encode())
}

// hint brings the hints for lines that were changed to what all lists of the account say
// now.
func (tx *Tx) hint(shares kv.Writer, owner string, changed ACL) error {
	holds := map[string]bool{}
	err := scan(tx.w, kv.Prefix([]byte{'G'}), func(_, v []byte) error {
		acl, err := decodeACL(v)
		for i := range acl {
			if !acl[i].Negative {
				holds[string(keyShare(&acl[i], tx.account.id))] = true
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := range changed {
		k := keyShare(&changed[i], tx.account.id)
		if holds[string(k)] {
			err = shares.Put(k, []byte(owner))
		} else {
			err = shares.Delete(k)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
