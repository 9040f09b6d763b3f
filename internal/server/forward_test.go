package server

import (
	"fmt"
	"net/smtp"
	"regexp"
	"strings"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/store"
	"posthorn/internal/wire/wiretest"
)

// neighbours starts two servers that send to each other: alice@example.test lives in one,
// bob@example.org in the other, and so does xaver@remote.test, whom the first does not know.
// The first finds nobody at moved.test.
func neighbours(t *testing.T) (a, b *house) {
	t.Helper()
	atA, atB := wiretest.Lonely(t), wiretest.Lonely(t)
	configure := func(hostname, address string, ways map[string]string) *config.Config {
		c := testConfig(t, config.Submission, config.SMTP)
		c.Hostname, c.Listeners[1].Address = hostname, address
		for domain, host := range ways {
			c.Routes = append(c.Routes, config.Route{Domains: []string{domain}, Transport: config.SmartHost, Hosts: []string{host}, TLS: config.Required})
		}
		c.Routes = append(c.Routes, config.Route{Domains: []string{"*"}, Transport: config.Discard}) // nothing leaves this machine
		return c
	}
	a = openHouse(t, configure("mail.example.test", atA, map[string]string{"example.org": atB, "remote.test": atB, "moved.test": wiretest.Lonely(t)}), "alice@example.test")
	b = openHouse(t, configure("mail.example.org", atB, map[string]string{"example.test": atA}), "bob@example.org")
	ask(b, admin.AddDomain, admin.Name{Name: "remote.test"})
	ask(b, admin.AddAccount, admin.Credentials{Address: "xaver@remote.test", Password: password})
	return a, b
}

// of is the same house with an eye on somebody else's mail.
func (h *house) of(address string) *house {
	h.t.Helper()
	who, err := addr.Parse(address)
	if err != nil {
		h.t.Fatal(err)
	}
	account, err := h.data.Directory.Account(h.t.Context(), who)
	if err != nil {
		h.t.Fatal(err)
	}
	other := *h
	other.account = h.data.Store.Account(store.AccountID(account.ID))
	return &other
}

// count says how many messages are in INBOX.
func (h *house) count() int {
	h.t.Helper()
	snap, err := h.account.Snapshot(h.t.Context(), store.InboxID)
	if err != nil {
		h.t.Fatal(err)
	}
	return snap.Len()
}

// A stranger's message is forwarded under a return address of ours, as it came, and
// what cannot be delivered goes back to him.
func TestForward(t *testing.T) {
	a, b := neighbours(t)
	ask(a, admin.AddAlias, admin.Alias{Address: "friend@example.test", Targets: []string{"bob@example.org", "alice@example.test"}})
	ask(a, admin.AddAlias, admin.Alias{Address: "gone@example.test", Targets: []string{"nobody@example.org"}})
	xaver := b.of("xaver@remote.test")

	body := "8 bit: größer\r\n..dots\r\n " + strings.Repeat("long ", 180) + "\r\n\ttrailing space \r\n"
	if err := b.submit("xaver@remote.test", "as it came\r\n\r\n"+body, "friend@example.test"); err != nil {
		t.Fatal(err)
	}
	kept, forwarded := a.inbox(1), b.inbox(1)
	if !regexp.MustCompile(`^Return-Path: <SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=remote\.test=xaver@example\.test>\r\n`).MatchString(forwarded) {
		t.Errorf("bob's message begins\n%.200s", forwarded)
	}
	if !strings.HasPrefix(kept, "Return-Path: <xaver@remote.test>\r\n") || strings.Contains(kept, "Delivered-To:") {
		t.Errorf("alice's message begins\n%.200s", kept)
	}
	// From our Received line on it is the same, to the byte, in both.
	_, want, _ := strings.Cut(kept, "Return-Path: <xaver@remote.test>\r\n")
	_, got, ok := strings.Cut(forwarded, "Delivered-To: friend@example.test\r\n")
	if !ok || got != want {
		t.Errorf("bob has\n%s\nalice has\n%s", forwarded, kept)
	}

	if err := b.submit("xaver@remote.test", "in vain", "gone@example.test"); err != nil {
		t.Fatal(err)
	}
	bounce := xaver.inbox(1)
	for _, want := range []string{"Return-Path: <>\r\n", "nobody@example.org (gone@example.test)", "To: <xaver@remote.test>", "550 5.1.1", "Subject: in vain"} {
		if !strings.Contains(bounce, want) {
			t.Errorf("the bounce has no %q:\n%s", want, bounce)
		}
	}
	a.waitEmpty()
	b.waitEmpty()
}

// Two who forward to each other: it ends where it comes back, in one bounce, which
// finds its way through both return addresses.
func TestForwardInCircles(t *testing.T) {
	a, b := neighbours(t)
	ask(a, admin.ForwardAccount, admin.Account{Address: "alice@example.test", Forward: []string{"bob@example.org"}})
	ask(b, admin.ForwardAccount, admin.Account{Address: "bob@example.org", Forward: []string{"alice@example.test"}})
	xaver := b.of("xaver@remote.test")
	if err := b.submit("xaver@remote.test", "round and round", "alice@example.test"); err != nil {
		t.Fatal(err)
	}
	bounce := xaver.inbox(1)
	for _, want := range []string{"Action: failed", "5.4.6", "<alice@example.test> has forwarded this message before", "Subject: round and round"} {
		if !strings.Contains(bounce, want) {
			t.Errorf("the bounce has no %q:\n%s", want, bounce)
		}
	}
	if n := strings.Count(bounce, "\nReceived: "); n > 5 {
		t.Errorf("it has been through %d servers:\n%s", n, bounce)
	}
	a.waitEmpty()
	b.waitEmpty()
	if n := xaver.count() + a.count() + b.count(); n != 1 {
		t.Errorf("%d messages in mailboxes; want the bounce", n)
	}

	// Each of them keeps a copy: nobody hears of the circle.
	ask(a, admin.ForwardAccount, admin.Account{Address: "alice@example.test", Forward: []string{"bob@example.org"}, Keeps: true})
	ask(b, admin.ForwardAccount, admin.Account{Address: "bob@example.org", Forward: []string{"alice@example.test"}, Keeps: true})
	if err := b.submit("xaver@remote.test", "to both", "alice@example.test"); err != nil {
		t.Fatal(err)
	}
	b.inbox(1)
	a.inbox(2)
	a.waitEmpty()
	b.waitEmpty()
	if a.count() != 2 || b.count() != 1 || xaver.count() != 1 {
		t.Errorf("alice has %d, bob %d, xaver %d", a.count(), b.count(), xaver.count())
	}
}

// What waits in the queue for a domain that has become ours takes the same ways as
// what arrives.
func TestQueuedForForwarding(t *testing.T) {
	a, b := neighbours(t)
	if err := a.submit("alice@example.test", "where are you", "x@moved.test", "nobody@moved.test"); err != nil {
		t.Fatal(err)
	}
	a.waitQueued("two recipients that were tried", func(all []admin.QueuedMessage) bool {
		return len(all) == 1 && len(all[0].Recipients) == 2 && all[0].Recipients[0].Attempts > 0
	})
	ask(a, admin.AddDomain, admin.Name{Name: "moved.test"})
	ask(a, admin.AddAlias, admin.Alias{Address: "x@moved.test", Targets: []string{"bob@example.org"}})
	ask(a, admin.OperateQueue, admin.QueueOrder{Operation: "retry"})
	if text := b.inbox(1); !strings.HasPrefix(text, "Return-Path: <alice@example.test>\r\n") || strings.Count(text, "Return-Path:") != 1 ||
		!strings.Contains(text, "Delivered-To: x@moved.test\r\n") || !strings.Contains(text, "Subject: where are you\r\n") {
		t.Errorf("bob reads\n%s", text)
	}
	if text := a.inbox(1); !strings.Contains(text, "nobody@moved.test") || !strings.Contains(text, "5.1.1") {
		t.Errorf("alice reads\n%s", text)
	}
	a.waitEmpty()
}

// Word of success reaches a mailbox here in its owner's language.
func TestSuccessIsTold(t *testing.T) {
	a, _ := neighbours(t)
	language := "zh-CN"
	ask(a, admin.SetAccount, admin.AccountSettings{Address: "alice@example.test", Language: &language})
	c, err := smtp.Dial(a.Address(config.Submission).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(smtp.PlainAuth("", "alice@example.test", password, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"MAIL FROM:<alice@example.test>", "RCPT TO:<alice+self@example.test> NOTIFY=SUCCESS", "DATA", "Subject: to myself\r\n\r\nhello\r\n.",
	} {
		if _, err := fmt.Fprintf(c.Text.W, "%s\r\n", line); err != nil {
			t.Fatal(err)
		}
		if err := c.Text.W.Flush(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Text.ReadResponse(0); err != nil {
			t.Fatal(err)
		}
	}
	word := a.inbox(2)
	for _, want := range []string{"Return-Path: <>\r\n", "Action: delivered\r\n", "Final-Recipient: rfc822; alice+self@example.test\r\n", "=?utf-8?b?", "Subject: to myself\r\n"} {
		if !strings.Contains(word, want) {
			t.Errorf("alice is told, without %q:\n%s", want, word)
		}
	}
	a.waitEmpty()
}
