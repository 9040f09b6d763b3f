package cli

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/kv"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/queue"
)

// TestQueue plays the same script with the server stopped and running. All messages
// are on hold, so that nothing is ever tried.
func TestQueue(t *testing.T) {
	t.Run("stopped", func(t *testing.T) {
		s := newScript(t)
		t.Setenv("POSTHORN_CONFIG", newServer(t, s))
		fillQueue(t, s)
		golden(t, "queue.txt", s.play(read(t, "queue.txt")))
		s.mustHaveNotified(t)
	})
	t.Run("running", func(t *testing.T) {
		s := newScript(t)
		t.Setenv("POSTHORN_CONFIG", newServer(t, s))
		fillQueue(t, s)
		server := runInBackground(t, "serve")
		server.log.waitFor(t, `"msg":"ready"`, 1)
		golden(t, "queue.txt", s.play(read(t, "queue.txt")))
		s.mustHaveNotified(t)
		if code := server.stop(); code != exitDone {
			t.Errorf("serve ended with %d:\n%s", code, &server.log)
		}
	})
}

// fillQueue makes alice's account, and queues three messages, and one that is damaged.
func fillQueue(t *testing.T, s *script) {
	t.Helper()
	s.play("< secret\n$ posthorn account add alice@example.test --password-file -\n")
	engine, err := pebblekv.Open(filepath.Join(s.dir, "mail", dataName, "store"), pebblekv.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	add := func(id queue.ID, from string, to ...string) {
		t.Helper()
		m := &queue.Message{ID: id, Created: time.Now().Add(-3 * time.Hour), Hold: true, Body: queue.Body{Data: []byte("Subject: hello\r\n\r\nhello\r\n")}}
		if from != "" {
			m.From = address(t, from)
		}
		for _, one := range to {
			m.Recipients = append(m.Recipients, queue.Recipient{Address: address(t, one)})
		}
		shard := queue.ShardOf(id)
		if err := engine.Update(t.Context(), []kv.Shard{shard}, func(tx kv.Tx) error { return queue.Put(tx.In(shard), m) }); err != nil {
			t.Fatal(err)
		}
	}
	add("0000000000000001", "alice@example.test", "bob@example.org", "carol@example.net")
	add("0000000000000002", "", "dave@example.org")
	add("0000000000000003", "erin@example.test", "frank@example.com")
	err = engine.Update(t.Context(), []kv.Shard{"q/05"}, func(tx kv.Tx) error {
		return tx.In("q/05").Put([]byte("E\x00\x00\x00\x00\x00\x00\x00\x07"), []byte("\xff"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
}

// mustHaveNotified looks for what alice is told of her message.
func (s *script) mustHaveNotified(t *testing.T) {
	t.Helper()
	if got := s.play("$ posthorn account show alice@example.test\n"); !strings.Contains(got, "INBOX     1") {
		t.Errorf("alice was not told:\n%s", got)
	}
}

func address(t *testing.T, text string) addr.Address {
	t.Helper()
	a, err := addr.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAges(t *testing.T) {
	for text, want := range map[string]time.Duration{"30m": 30 * time.Minute, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour} {
		var a age
		if err := a.UnmarshalText([]byte(text)); err != nil || time.Duration(a) != want {
			t.Errorf("%s is %v, %v; want %v", text, time.Duration(a), err, want)
		}
	}
	for _, text := range []string{"", "d", "-1h", "-2d", "soon", "5", "99999999d"} {
		if err := new(age).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
