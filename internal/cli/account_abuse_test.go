package cli

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/queue"
)

// TestStolen plays the same script with the server stopped and running: somebody's mail is
// on hold, first to be released, then to be deleted.
func TestStolen(t *testing.T) {
	play := func(t *testing.T, s *script) {
		golden(t, "stolen.txt", s.play(read(t, "stolen.txt")))
	}
	t.Run("stopped", func(t *testing.T) {
		s := newScript(t)
		t.Setenv("POSTHORN_CONFIG", newServer(t, s))
		holdMail(t, s)
		play(t, s)
	})
	t.Run("running", func(t *testing.T) {
		s := newScript(t)
		t.Setenv("POSTHORN_CONFIG", newServer(t, s))
		holdMail(t, s)
		server := runInBackground(t, "serve")
		server.log.waitFor(t, `"msg":"ready"`, 1)
		play(t, s)
		if code := server.stop(); code != exitDone {
			t.Errorf("serve ended with %d:\n%s", code, &server.log)
		}
	})
}

// holdMail makes accounts for alice and bob, and queues, on hold, a message of alice's to herself; and
// one of bob's that stays so.
func holdMail(t *testing.T, s *script) {
	t.Helper()
	s.play("< secret\n$ posthorn account add alice@example.test --password-file -\n< secret\n$ posthorn account add bob@example.test --password-file -\n")
	engine, err := pebblekv.Open(filepath.Join(s.dir, "mail", dataName, "store"), pebblekv.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	add := func(id queue.ID, account uint64, from, to string) {
		t.Helper()
		m := &queue.Message{
			ID: id, Account: account, From: address(t, from), Created: time.Now(), Hold: true,
			Body: queue.Body{Data: []byte("Subject: hello\r\n\r\nhello\r\n")}, Recipients: []queue.Recipient{{Address: address(t, to)}},
		}
		shard := queue.ShardOf(id)
		if err := engine.Update(t.Context(), []kv.Shard{shard}, func(tx kv.Tx) error { return queue.Put(tx.In(shard), m) }); err != nil {
			t.Fatal(err)
		}
	}
	add("0000000000000001", 1, "alice@example.test", "alice@example.test")
	add("0000000000000002", 2, "bob@example.test", "alice@example.test")
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
}
