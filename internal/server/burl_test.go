package server

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"posthorn/internal/admin"
	"posthorn/internal/config"
)

// TestBURL sends a draft that is in a mailbox, with a signature of the program's own: the
// bytes arrive, and nobody else can send them by the same URL.
func TestBURL(t *testing.T) {
	c := testConfig(t, config.Submission, config.IMAP)
	h := openHouse(t, c, "alice@example.test")
	ask(h, admin.AddAccount, admin.Credentials{Address: "bob@example.test", Password: password})
	draft := "From: alice@example.test\r\nDate: Sat, 1 Jan 2000 00:00:00 +0000\r\nMessage-ID: <1@example.test>\r\nSubject: draft\r\n\r\n" +
		strings.Repeat("a line of many\r\n", 20_000)
	url := h.grant(draft)

	bob := h.logIn("bob@example.test")
	bob.say("MAIL FROM:<bob@example.test>", "250")
	bob.say("RCPT TO:<alice@example.test>", "250")
	bob.say("BURL "+url+" LAST", "554 5.7.0")

	alice := h.logIn("alice@example.test")
	alice.say("MAIL FROM:<alice@example.test>", "250")
	alice.say("RCPT TO:<alice@example.test>", "250")
	alice.say("BURL "+url, fmt.Sprintf("250 2.0.0 %d bytes", len(draft)))
	alice.say("BDAT 12 LAST\r\n-- \r\nAlice", "250 2.0.0 Accepted")
	if got := h.inbox(1); !strings.HasSuffix(got, "\r\n"+draft+"-- \r\nAlice\r\n") {
		t.Errorf("what arrives is not the draft: %.500q", got)
	}

	alice.say("MAIL FROM:<alice@example.test>", "250")
	alice.say("RCPT TO:<alice@example.test>", "250")
	alice.say("BURL "+strings.Replace(url, "/;uid=1", "/;uid=2", 1)+" LAST", "554 5.7.0")
	alice.say("MAIL FROM:<alice@example.test>", "250")
	alice.say("RCPT TO:<alice@example.test>", "250")
	own, _, _ := strings.Cut(url, ";urlauth=")
	alice.say("BURL "+own+" LAST", "554 5.7.14")
}

// grant puts a draft of alice's into a mailbox and gives the URL by which she may send it.
func (h *house) grant(draft string) string {
	h.t.Helper()
	imap := connect(h.t, h.Address(config.IMAP))
	imap.expect("* OK")
	imap.say(`a LOGIN alice@example.test "`+password+`"`, "a OK")
	imap.say("b CREATE Outbox", "b OK")
	imap.say(fmt.Sprintf("c APPEND Outbox {%d}", len(draft)), "+")
	imap.say(draft, "c OK")
	rump := "imap://alice%40example.test@mail.example.test/Outbox/;uid=1;urlauth=submit+alice%40example.test"
	fmt.Fprintf(imap, "d GENURLAUTH \"%s\" INTERNAL\r\n", rump)
	line, err := imap.r.ReadString('\n')
	url := strings.Trim(strings.TrimPrefix(line, "* GENURLAUTH "), "\"\r\n")
	if err != nil || !strings.HasPrefix(url, rump+":internal:") {
		h.t.Fatalf("GENURLAUTH: %q, %v", line, err)
	}
	return url
}

// logIn begins a session with the submission server.
func (h *house) logIn(user string) *client {
	h.t.Helper()
	c := connect(h.t, h.Address(config.Submission))
	c.expect("220")
	c.say("EHLO [127.0.0.1]", "250-")
	for line := ""; !strings.HasPrefix(line, "250 "); {
		var err error
		if line, err = c.r.ReadString('\n'); err != nil {
			h.t.Fatal(err)
		}
	}
	c.say("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)), "235")
	return c
}
