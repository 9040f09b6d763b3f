package store

import (
	"context"
	"encoding/binary"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// MetadataEntry is an annotation of a mailbox (RFC 5464). Its name, in lower case, says
// by its first level whether all who may see the mailbox share it or one user has it.
type MetadataEntry struct {
	Name  string
	Value []byte // nil: none
}

// ServerMetadata is the mailbox of entries that belong to no mailbox.
const ServerMetadata MailboxID = 0

// EveryoneShares is the user of entries that are nobody's own.
const EveryoneShares AccountID = 0

// Limits of the entries of a mailbox, for each user and for those that are shared.
const (
	MaxMetadata      = 100
	MaxMetadataValue = 60 << 10
)

func metadataPrefix(m MailboxID, who AccountID) []byte {
	return binary.BigEndian.AppendUint64(mailboxPrefix('D', m), uint64(who))
}

// metadataPrefixLength is how long what metadataPrefix makes is: the entry's name follows.
const metadataPrefixLength = 1 + 4 + 8

// metadataPlace reads what metadataPrefix has put into a key.
func metadataPlace(k []byte) (MailboxID, AccountID) {
	return MailboxID(uidOf(k[:5])), AccountID(binary.BigEndian.Uint64(k[5:]))
}

func keyMetadata(m MailboxID, who AccountID, name string) []byte {
	return append(metadataPrefix(m, who), name...)
}

// Metadata gives the entries of a mailbox of this account that a user has for himself
// there, or that are shared, sorted by name.
func (a *Account) Metadata(ctx context.Context, id MailboxID, who AccountID) ([]MetadataEntry, error) {
	var entries []MetadataEntry
	err := a.view(ctx, func(r kv.Reader) error {
		entries = entries[:0]
		return scan(r, kv.Prefix(metadataPrefix(id, who)), func(k, v []byte) error {
			entries = append(entries, MetadataEntry{string(k[metadataPrefixLength:]), append([]byte{}, v...)})
			return nil
		})
	})
	return entries, err
}

// SetMetadata sets an entry of a mailbox for a user, or for everyone; without a value it
// removes it. Errors: NotFound, TooLarge, Limit (too many), OverQuota.
func (tx *Tx) SetMetadata(id MailboxID, who AccountID, e MetadataEntry) error {
	if id != ServerMetadata {
		if _, err := tx.box(id); err != nil {
			return err
		}
	}
	if len(e.Value) > MaxMetadataValue {
		return fault.New(fault.TooLarge, "store: the value of %s has %d bytes, at most %d are kept", e.Name, len(e.Value), MaxMetadataValue)
	}
	k := keyMetadata(id, who, e.Name)
	old, existed, err := tx.w.Get(k)
	if err != nil || !existed && e.Value == nil {
		return err
	}
	more := -annotationSize(e.Name, old, existed)
	if e.Value != nil {
		more += annotationSize(e.Name, e.Value, true)
		if !existed {
			if err := tx.mayAnnotate(id, who); err != nil {
				return err
			}
		}
	}
	if err := tx.charge(Resources{Annotations: more}); err != nil {
		return err
	}
	tx.touch()
	tx.tree = append(tx.tree, change{kind: metadataChanged, mailbox: id, who: who, entry: e.Name})
	if e.Value == nil {
		return tx.w.Delete(k)
	}
	return tx.w.Put(k, e.Value)
}

// mayAnnotate is Limit if there are as many entries as there can be.
func (tx *Tx) mayAnnotate(id MailboxID, who AccountID) error {
	n := 0
	err := tx.w.Scan(kv.Prefix(metadataPrefix(id, who)), func(_, _ []byte) bool { n++; return true })
	if err == nil && n >= MaxMetadata {
		err = fault.New(fault.Limit, "store: mailbox %d has %d entries of metadata already", id, n)
	}
	return err
}

// annotationSize is what an entry counts for in the quota.
func annotationSize(name string, value []byte, exists bool) int64 {
	if !exists {
		return 0
	}
	return int64(len(name) + len(value))
}

// dropMetadata removes all entries of a mailbox.
func (tx *Tx) dropMetadata(id MailboxID) error {
	p := mailboxPrefix('D', id)
	var gone int64
	err := scan(tx.w, kv.Prefix(p), func(k, v []byte) error {
		gone += annotationSize(string(k[metadataPrefixLength:]), v, true)
		return nil
	})
	if err != nil || gone == 0 {
		return err
	}
	if err := tx.charge(Resources{Annotations: -gone}); err != nil {
		return err
	}
	return tx.w.DeleteRange(p, kv.PrefixEnd(p))
}

// copyMetadata gives a mailbox the entries of another.
func (tx *Tx) copyMetadata(from, to MailboxID) error {
	return inBatches(tx.w, kv.Prefix(mailboxPrefix('D', from)), func(k, v []byte) error {
		_, who := metadataPlace(k)
		return tx.SetMetadata(to, who, MetadataEntry{string(k[metadataPrefixLength:]), append([]byte{}, v...)})
	})
}
