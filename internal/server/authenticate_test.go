package server

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/config"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/store"
)

// Mail from outside, here by way of a proxy, is checked with the name servers of the
// configuration.
func TestAuthentication(t *testing.T) {
	zone := dnstest.New(t, "remote.test TXT \"v=spf1 ip4:203.0.113.7 -all\"\n_dmarc.remote.test TXT \"v=DMARC1; p=reject\"")
	c := testConfig(t, config.SMTP)
	c.Listeners[0].ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.Limits.GreetDelay = 0
	c.DNS.Servers = []netip.AddrPort{zone.Listen()}
	s, _ := start(t, c)
	if info, err := os.Stat(c.TempDir()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder for messages that are checked: %v, %v", info, err)
	}
	alice := addr.Address{Local: "alice", Domain: "example.test"}
	_, err := s.data.Directory.AddDomain(t.Context(), alice.Domain)
	if err != nil {
		t.Fatal(err)
	}
	account, err := s.data.Directory.AddAccount(t.Context(), alice, "secret")
	if err != nil {
		t.Fatal(err)
	}
	for ip, want := range map[string]string{"203.0.113.7": "dmarc=pass", "203.0.113.8": "dmarc=fail", "10.0.0.1": ""} {
		smtp := connect(t, s.Address(config.SMTP))
		smtp.say(fmt.Sprintf("PROXY TCP4 %s 198.51.100.1 4000 25", ip), "220")
		smtp.say("HELO mx.remote.test", "250")
		smtp.say("MAIL FROM:<joe@remote.test>", "250")
		smtp.say("RCPT TO:<alice@example.test>", "250")
		smtp.say("DATA", "354")
		smtp.say("From: joe@remote.test\r\n\r\ntext\r\n.", "250")
		text := lastMessage(t, s, store.AccountID(account.ID))
		if has := strings.Contains(text, "Authentication-Results: mail.example.test;"); has != (want != "") || !strings.Contains(text, want) {
			t.Errorf("from %s:\n%s\nwant %s", ip, text, want)
		}
	}
}

// lastMessage is the last message in somebody's INBOX.
func lastMessage(t *testing.T, s *Server, id store.AccountID) string {
	t.Helper()
	account := s.data.Store.Account(id)
	snap, err := account.Snapshot(t.Context(), store.InboxID)
	if err != nil {
		t.Fatal(err)
	}
	body, err := account.Body(t.Context(), snap, snap.At(snap.Len()).UID)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
