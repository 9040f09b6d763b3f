package server

import (
	"fmt"
	"net/smtp"
	"strings"
	"testing"

	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/store"
)

// TestLater: a message that its sender wants sent later is in nobody's mailbox before,
// although it is of this server, and then in it once.
func TestLater(t *testing.T) {
	h := openHouse(t, testConfig(t, config.Submission), "alice@example.test")
	c, err := smtp.Dial(h.Address(config.Submission).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(smtp.PlainAuth("", "alice@example.test", password, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		command string
		code    int
	}{
		{"MAIL FROM:<alice@example.test> HOLDFOR=3600", 250},
		{"RCPT TO:<alice+tomorrow@example.test>", 250},
		{"BDAT 18 LAST\r\nSubject: later\r\n", 250},
	} {
		fmt.Fprintf(c.Text.W, "%s\r\n", step.command)
		if err := c.Text.W.Flush(); err != nil {
			t.Fatal(err)
		}
		if _, text, err := c.Text.ReadResponse(step.code); err != nil {
			t.Fatalf("%s: %s, %v", step.command, text, err)
		}
	}

	waiting := h.queued()
	if len(waiting) != 1 || waiting[0].Recipients[0].Attempts != 0 {
		t.Fatalf("queued: %+v", waiting)
	}
	snap, err := h.account.Snapshot(t.Context(), store.InboxID)
	if err != nil || snap.Len() != 0 {
		t.Fatalf("%d messages in INBOX before their time, %v", snap.Len(), err)
	}
	ask(h, admin.OperateQueue, admin.QueueOrder{Operation: "retry"}) // its time has come
	if text := h.inbox(1); !strings.HasPrefix(text, "Return-Path: <alice@example.test>\r\n") || !strings.Contains(text, "Subject: later\r\n") {
		t.Errorf("alice reads:\n%s", text)
	}
	h.waitEmpty()
}
