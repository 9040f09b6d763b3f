package server

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/config"
)

// What the configuration says of strangers holds at the doors, and after a reload what
// the new one says; what has been counted stays counted.
func TestStrangers(t *testing.T) {
	c := testConfig(t, config.SMTP)
	file := filepath.Join(c.DataDir, "..", "deny")
	c.Lists.Deny = []string{file}
	c.Limits.ConnsPerMinute = 0
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("127.0.0.0/8 testers\n")
	s, _ := start(t, c)
	connect(t, s.Address(config.SMTP)).expect("554 5.7.1 Mail from 127.0.0.0/8 is not taken by this server: testers")

	write("# nobody\n")
	next := *c
	next.Limits.ConnsPerMinute = 1
	next.Relay.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if err := s.Reload(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	client := connect(t, s.Address(config.SMTP))
	client.expect("220 ")
	client.say("HELO printer", "250 ")
	client.say("MAIL FROM:<printer@example.test>", "250 ")
	client.say("RCPT TO:<somebody@elsewhere.test>", "250 ")

	last := next
	last.Relay.Networks = nil
	if err := s.Reload(t.Context(), &last); err != nil {
		t.Fatal(err)
	}
	connect(t, s.Address(config.SMTP)).expect("421 4.7.0 Too many connections from your address: at most 1 a minute")
	last.Limits.Exempt = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	again := last
	if err := s.Reload(t.Context(), &again); err != nil {
		t.Fatal(err)
	}
	client = connect(t, s.Address(config.SMTP))
	client.expect("220 ")
	client.say("HELO stranger", "250 ")
	client.say("MAIL FROM:<printer@example.test>", "250 ")
	client.say("RCPT TO:<somebody@elsewhere.test>", "550 5.7.1 <somebody@elsewhere.test>: relaying denied")
}

// A file that changes is read again within a few seconds, and nobody reads any more
// when the server has ended.
func TestListsAreWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "deny")
		r := newRegister(config.Lists{Deny: []string{file}}, slog.New(slog.DiscardHandler))
		watch := r.startWatching(func() {})
		client := netip.MustParseAddr("192.0.2.1")
		for _, listed := range []bool{true, false} {
			text := "# nobody"
			if listed {
				text = "192.0.2.0/24"
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(listsEvery + time.Second)
			if got := r.deny.Client(client) != nil; got != listed {
				t.Errorf("listed %v, want %v", got, listed)
			}
		}
		watch.stop()
	})
}
