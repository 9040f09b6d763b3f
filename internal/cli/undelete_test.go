package cli

import (
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/store"
)

// TestUndelete brings back what was deleted from the mailboxes of the first account.
func TestUndelete(t *testing.T) {
	s := newScript(t)
	t.Setenv("POSTHORN_CONFIG", newServer(t, s))
	s.play("< secret\n$ posthorn account add alice@example.test --password-file -\n")
	engine, err := pebblekv.Open(filepath.Join(s.dir, "mail", dataName, "store"), pebblekv.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mail := store.New(store.Options{Engine: engine, Blobs: memblob.New(memblob.Options{})})
	in := mail.NewIncoming(t.Context())
	io.WriteString(in, "Subject: x\r\n\r\n")
	m, err := in.Finish()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"INBOX", "Archive"} {
		err := mail.Account(1).Update(t.Context(), func(tx *store.Tx) error {
			box, err := tx.Mailbox(name)
			for range 3 {
				if err == nil {
					_, err = tx.Append(box.ID, m, store.AppendOptions{})
				}
			}
			if err == nil {
				_, err = tx.Remove(box.ID, []store.UIDRange{{First: 1, Last: 2}})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	golden(t, "undelete.txt", s.play(read(t, "undelete.txt")))
}
