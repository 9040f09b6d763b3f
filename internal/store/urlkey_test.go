package store

import (
	"bytes"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// TestURLKey: a mailbox keeps its key until it is reset or deleted; a name has another
// key when another mailbox has it; asking does not bring accounts into being.
func TestURLKey(t *testing.T) {
	s, a := newTestStore(t, time.Now)
	ctx := t.Context()
	var made, again []byte
	err := a.Update(ctx, func(tx *Tx) error {
		m, err := tx.CreateMailbox("Box", "")
		if err == nil {
			made, err = tx.URLKey(m.ID)
		}
		if err == nil {
			again, err = tx.URLKey(m.ID)
		}
		return err
	})
	if err != nil || len(made) != urlKeySize || !bytes.Equal(made, again) {
		t.Fatalf("%x, then %x (%v)", made, again, err)
	}
	if got, err := s.URLKey(ctx, a.ID(), "Box"); err != nil || !bytes.Equal(got, made) {
		t.Errorf("read %x, want %x (%v)", got, made, err)
	}
	for name, revoke := range map[string]func(tx *Tx, id MailboxID) error{
		"reset":     (*Tx).ResetURLKey,
		"all reset": func(tx *Tx, _ MailboxID) error { return tx.ResetURLKeys() },
		"deleted": func(tx *Tx, _ MailboxID) error {
			err := tx.DeleteMailbox("Box")
			if err == nil {
				_, err = tx.CreateMailbox("Box", "")
			}
			return err
		},
	} {
		err := a.Update(ctx, func(tx *Tx) error {
			m, err := tx.Mailbox("Box")
			if err == nil {
				_, err = tx.URLKey(m.ID)
			}
			if err == nil {
				err = revoke(tx, m.ID)
			}
			return err
		})
		if _, gone := s.URLKey(ctx, a.ID(), "Box"); err != nil || !fault.Is(gone, fault.NotFound) {
			t.Errorf("%s: %v, then %v", name, err, gone)
		}
	}
	if _, err := s.URLKey(ctx, 99, "INBOX"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	err = s.engine.View(ctx, accountShard(99), func(r kv.Reader) error {
		return r.Scan(kv.Range{}, func(k, _ []byte) bool {
			t.Errorf("account 99 has a key %q", k)
			return true
		})
	})
	if err != nil {
		t.Error(err)
	}
}
