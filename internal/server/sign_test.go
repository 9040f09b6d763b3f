package server

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"posthorn/internal/config"
	"posthorn/internal/smtpclient/smtptest"
)

// TestSignedMail follows messages from a mail program to another server: what arrives
// there is what was handed in, mended, with two signatures in front that hold.
func TestSignedMail(t *testing.T) {
	remote := smtptest.New(t, "RCPT nobody: 550 5.1.1 Nobody of that name")
	c := testConfig(t, config.Submission)
	c.Routes = []config.Route{{Domains: []string{"*"}, Transport: config.SmartHost, Hosts: []string{remote.Listen("127.0.0.1:0").String()}}}
	h := openHouse(t, c, "alice@example.test")
	large := strings.Repeat("0123456789  abcdef \r\n\r\n", 20_000)
	for _, body := range []string{"hello\r\n", large} {
		if err := h.submit("alice@example.test", "signed\r\nBcc: carol@example.org\r\n\r\n"+body, "bob@example.org"); err != nil {
			t.Fatal(err)
		}
		h.waitEmpty()
		got := remote.Messages()[len(remote.Messages())-1].Data
		h.verify(got, 2)
		signed, rest, _ := strings.Cut(got, "Received: ")
		if strings.Count(signed, "DKIM-Signature: ") != 2 {
			t.Errorf("in front there is\n%s", signed)
		}
		_, rest, _ = strings.Cut(rest, ";\r\n\t") // of the Received line
		_, rest, _ = strings.Cut(rest, "\r\n")
		lines := strings.SplitN(rest, "\r\n", 5) // Date and Message-ID are ours
		want := "From: <alice@example.test>\r\nSubject: signed\r\n\r\n" + body + "\r\n\r\nhello\r\n"
		if !strings.HasPrefix(lines[0], "Date: ") || !strings.HasPrefix(lines[1], "Message-ID: ") || strings.Join(lines[2:], "\r\n") != want {
			t.Errorf("what arrives is not what was sent:\n%.500s", rest)
		}
	}
}

// TestSignedNotification: a bounce that leaves is signed by the domain that the
// server's name is in.
func TestSignedNotification(t *testing.T) {
	remote := smtptest.New(t, "RCPT nobody: 550 5.1.1 Nobody of that name")
	c := testConfig(t, config.SMTP, config.Submission)
	c.Relay.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.Routes = []config.Route{{Domains: []string{"*"}, Transport: config.SmartHost, Hosts: []string{remote.Listen("127.0.0.1:0").String()}}}
	h := openHouse(t, c, "alice@example.test")
	nc := connect(t, h.Address(config.SMTP))
	nc.expect("220")
	nc.say("HELO pc.example.test", "250")
	nc.say("MAIL FROM:<zoe@example.net>", "250")
	nc.say("RCPT TO:<nobody@example.org>", "250")
	nc.say("DATA", "354")
	nc.say("From: zoe@example.net\r\n\r\nhello\r\n.", "250")
	h.waitEmpty()
	for _, m := range remote.Messages() {
		if m.Mail == "FROM:<>" || strings.HasPrefix(m.Mail, "FROM:<> ") {
			h.verify(m.Data, 2)
			return
		}
	}
	t.Errorf("no notification arrives: %+v", remote.Messages())
}

// verify proves the signatures of a message by the records of our keys.
func (h *house) verify(message string, want int) {
	h.t.Helper()
	results, err := dkim.VerifyWithOptions(strings.NewReader(message), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		selector, domain, _ := strings.Cut(name, "._domainkey.")
		keys, err := h.data.Directory.Keys(h.t.Context(), domain)
		for _, k := range keys {
			if k.Selector == selector {
				return []string{k.Record}, nil
			}
		}
		return nil, fmt.Errorf("no key %s: %v", name, err)
	}})
	good := 0
	for _, r := range results {
		if r.Err == nil && r.Domain == "example.test" && time.Since(r.Time) < time.Hour {
			good++
		} else {
			h.t.Errorf("signature of %s: %v", r.Domain, r.Err)
		}
	}
	if err != nil || good != want {
		h.t.Errorf("%d signatures hold, want %d: %v\n%.2000s", good, want, err, message)
	}
}
