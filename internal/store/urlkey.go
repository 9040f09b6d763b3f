package store

import (
	"bytes"
	"context"
	"crypto/rand"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// urlKeySize is the length of a mailbox's key, in bytes: that of what HMAC-SHA-256 gives.
const urlKeySize = 32

// URLKey is the secret by which access to messages of a mailbox is granted (RFC 4467
// §8), made when it is first asked for.
func (tx *Tx) URLKey(id MailboxID) ([]byte, error) {
	if _, err := tx.box(id); err != nil {
		return nil, err
	}
	key, ok, err := tx.w.Get(keyURL(id))
	if err != nil || ok {
		return bytes.Clone(key), err
	}
	key = make([]byte, urlKeySize)
	rand.Read(key) // it never fails
	return key, tx.w.Put(keyURL(id), key)
}

// ResetURLKey revokes all access that was granted with a mailbox's key.
func (tx *Tx) ResetURLKey(id MailboxID) error { return tx.w.Delete(keyURL(id)) }

// ResetURLKeys revokes all access that was granted with any key of the account.
func (tx *Tx) ResetURLKeys() error {
	all := kv.Prefix([]byte{'U'})
	return tx.w.DeleteRange(all.From, all.To)
}

// URLKey reads the key of a mailbox. A stranger may name any account here, so none
// comes into being by it. Errors: NotFound.
func (s *Store) URLKey(ctx context.Context, account AccountID, mailbox string) ([]byte, error) {
	var key []byte
	err := s.engine.View(ctx, accountShard(account), func(r kv.Reader) error {
		id, err := findMailbox(r, mailbox)
		if err != nil {
			return err
		}
		found, ok, err := r.Get(keyURL(id))
		if err == nil && !ok {
			err = fault.New(fault.NotFound, "store: mailbox %q has no key", mailbox)
		}
		key = bytes.Clone(found)
		return err
	})
	return key, err
}
