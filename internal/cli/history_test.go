package cli

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthorn/internal/admin"
	"posthorn/internal/history"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/obs"
)

// TestHistory plays the same script with the server stopped and running.
func TestHistory(t *testing.T) {
	t.Run("stopped", func(t *testing.T) {
		s := newScript(t)
		t.Setenv("POSTHORN_CONFIG", newServer(t, s))
		fillHistory(t, s)
		golden(t, "history.txt", s.play(read(t, "history.txt")))
	})
	t.Run("running", func(t *testing.T) {
		s := newScript(t)
		t.Setenv("POSTHORN_CONFIG", newServer(t, s))
		fillHistory(t, s)
		server := runInBackground(t, "serve")
		server.log.waitFor(t, `"msg":"ready"`, 1)
		golden(t, "history.txt", s.play(read(t, "history.txt")))
		if code := server.stop(); code != exitDone {
			t.Errorf("serve ended with %d:\n%s", code, &server.log)
		}
	})
}

// TestNoHistory: who wants none, is told so.
func TestNoHistory(t *testing.T) {
	s := newScript(t)
	config := newServer(t, s)
	t.Setenv("POSTHORN_CONFIG", config)
	empty := s.play("$ posthorn history alice@example.test\n")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("# days = 14"), []byte("days = 0"), 1)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	off := s.play("$ posthorn history alice@example.test\n")
	const want = "$ posthorn history alice@example.test\nposthorn: nothing is known of alice@example.test: "
	if empty != want+"the history is empty\nexit 1\n" || off != want+"no history is kept ([history] days = 0)\nexit 1\n" {
		t.Errorf("empty:\n%soff:\n%s", empty, off)
	}
}

// fillHistory makes alice's account, and tells of some messages.
func fillHistory(t *testing.T, s *script) {
	t.Helper()
	s.play("< secret\n$ posthorn account add alice@example.test --password-file -\n" +
		"$ posthorn alias add sales@example.test alice@example.test\n")
	engine, err := pebblekv.Open(filepath.Join(s.dir, "mail", dataName, "store"), pebblekv.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h := history.New(history.Options{Engine: engine, Days: 14})
	for _, e := range story() {
		h.Record(&e)
	}
	h.Close(context.Background())
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
}

// story is what has happened, a second apart, an hour ago.
func story() []obs.Event {
	const alice, bob, carol = "alice@example.test", "bob@later.test", "carol@elsewhere.test"
	to := func(address string) []obs.EventRecipient { return []obs.EventRecipient{{Address: address}} }
	in := func(e obs.Event) obs.Event {
		e.Conn, e.Protocol, e.Remote, e.Hello, e.From = "c1", "smtp", netip.MustParseAddr("198.51.100.7"), "relay.remote.test", "sender@remote.test"
		return e
	}
	sent := func(e obs.Event) obs.Event {
		e.From, e.Destination = alice, e.To[0].Address[strings.IndexByte(e.To[0].Address, '@')+1:]
		return e
	}
	submitted := func(message, address string) obs.Event {
		return obs.Event{
			Kind: obs.Accepted, Message: message, MessageID: "<" + message + "@mail.example.test>", Conn: "c2", Protocol: "submission", TLS: "TLS 1.3",
			Remote: netip.MustParseAddr("192.0.2.5"), Hello: "pc", User: alice, From: alice, Size: 1200, To: []obs.EventRecipient{{Address: address, Queued: true}},
		}
	}
	guess := obs.Event{Kind: obs.AuthFailed, Conn: "c3", Protocol: "submission", Remote: netip.MustParseAddr("192.0.2.66"), Hello: "bot\x1b[2J", User: "root", Error: "wrong user or password"}
	all := []obs.Event{
		guess, guess,
		{Kind: obs.ConnectionRefused, Conn: "c4", Protocol: "smtp", Remote: netip.MustParseAddr("192.0.2.66"), Rule: "listed", Reply: "554 5.7.1 Go away"},
		in(obs.Event{
			Kind: obs.Accepted, Message: "06h0000000000001", MessageID: "<first@remote.test>", Size: 4711, TLS: "TLS 1.3",
			To: []obs.EventRecipient{{Address: "sales@example.test", Accounts: []uint64{1}}, {Address: alice, Accounts: []uint64{1}}, {Address: "old@example.test", Accounts: []uint64{99}}},
		}),
		in(obs.Event{
			Kind: obs.RecipientRefused, Message: "06h0000000000002", To: to("nobody@example.test"), Rule: "unknown-recipient",
			Reply: "550 5.1.1 <nobody@example.test>: there is no such mailbox here; check the address",
		}),
		submitted("06h0000000000003", bob),
		sent(obs.Event{Kind: obs.Deferred, Message: "06h0000000000003", To: to(bob), Host: "mx.later.test [203.0.113.9]", Reply: "451 4.7.1 Greylisted,\ncome back", Attempts: 1, Next: time.Now()}),
		sent(obs.Event{Kind: obs.Delivered, Message: "06h0000000000003", To: to(bob), Host: "mx.later.test [203.0.113.9]", Reply: "250 2.0.0 Ok: queued as 4711", Attempts: 2}),
		submitted("06h0000000000004", "who@gone.test"),
		sent(obs.Event{Kind: obs.Failed, Message: "06h0000000000004", To: to("who@gone.test"), Host: "mx.gone.test [203.0.113.10]", Reply: "550 5.1.1 Who?", Attempts: 1}),
		sent(obs.Event{Kind: obs.Notified, Message: "06h0000000000004", Related: "06h0000000000005", To: to("who@gone.test"), Action: "failed"}),
		sent(obs.Event{Kind: obs.Deferred, Message: "06h0000000000005", To: to(alice), Reply: "452 4.2.2 The mailbox is full", Attempts: 1, Next: time.Now()}),
		sent(obs.Event{Kind: obs.Delivered, Message: "06h0000000000005", To: to(alice), Reply: "250 2.1.5 In the mailbox", Attempts: 2, Mailbox: true}),
		submitted("06h0000000000006", carol),
		sent(obs.Event{Kind: obs.Held, Message: "06h0000000000006", To: to(carol)}),
		sent(obs.Event{Kind: obs.Deleted, Message: "06h0000000000006", To: to(carol)}),
	}
	for i := range all {
		all[i].Time = time.Now().Add(-time.Hour + time.Duration(i)*time.Second)
	}
	return all
}

// What others have written stays on its line and does not drive the terminal.
func TestClean(t *testing.T) {
	if got := clean(" a\r\nb\tc\x1b[31m\u202e例 "); got != "a  b c?[31m?例" {
		t.Errorf("%q", got)
	}
}

// Each kind of event reads as a sentence.
func TestSentences(t *testing.T) {
	for kind := obs.ConnectionRefused; kind <= obs.Forwarded; kind++ {
		e := admin.HistoryEvent{
			Kind: kind.String(), IP: "192.0.2.1", Hello: "relay", User: "alice@example.test", From: "alice@example.test", Protocol: "smtp",
			To: []admin.HistoryRecipient{{Address: "bob@example.org"}}, Reply: "550 No", Rule: "some-rule", Error: "why", Action: "failed", Related: "id",
		}
		if got := sentence(&e); !strings.Contains(got, "192.0.2.1") && !strings.Contains(got, "bob@example.org") || strings.Contains(got, "  ") {
			t.Errorf("%v: %q", kind, got)
		}
	}
}
