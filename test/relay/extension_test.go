package relay

import (
	"strings"
	"testing"
	"time"

	"posthorn/internal/smtpclient"
)

// A binary message is the same to the byte, without a line end at its end, from the
// program that hands it in to the mailbox on the other server (RFC 3030).
func TestBinary(t *testing.T) {
	const binary = "MIME-Version: 1.0\nContent-Type: application/x\nContent-Transfer-Encoding: binary\n\n\x00a\rb\n.\n..\r\xff"
	play(t, nil, func(t *testing.T, _ *internet, a, b *server) {
		o := a.submit("alice", "Subject: binary\n"+binary, func(m *smtpclient.Message) { m.Body = smtpclient.BodyBinary }, "bob@b.test", "anna@a.test")
		for _, one := range o {
			if one.Err != nil {
				t.Error(one.Err)
			}
		}
		settle()
		for _, inbox := range [][]string{b.inbox("bob"), a.inbox("anna")} {
			if len(inbox) != 1 || !strings.HasSuffix(inbox[0], "\nSubject: binary\n"+binary) {
				t.Errorf("%q", inbox)
			}
		}
	})
}

// Addresses and header fields in UTF-8 stay as they are, all the way (RFC 6531).
func TestUTF8(t *testing.T) {
	play(t, nil, func(t *testing.T, _ *internet, a, b *server) {
		_, err := a.dir.AddAccount(t.Context(), a.address("søren"), password)
		a.must(err)
		_, err = b.dir.AddAccount(t.Context(), b.address("用户"), password)
		b.must(err)
		text := strings.Replace(text, "Lunch", "Smørrebrød", 1)
		if o := a.submit("søren", text, func(m *smtpclient.Message) { m.UTF8 = true }, "用户@b.test"); o[0].Err != nil {
			t.Fatal(o[0].Err)
		}
		settle()
		inbox := b.inbox("用户")
		if len(inbox) != 1 {
			t.Fatalf("%q", inbox)
		}
		for _, want := range []string{"Return-Path: <søren@a.test>\n", "with UTF8SMTPS id", "for <用户@b.test>", "with UTF8SMTPSA id", "\nSubject: Smørrebrød\n"} {
			if !strings.Contains(inbox[0], want) {
				t.Errorf("no %q in\n%s", want, inbox[0])
			}
		}
	})
}

// A message that is to arrive within a quarter of an hour, or else come back, comes back
// then (RFC 2852), although its server would have been tried for days.
func TestDeliverBy(t *testing.T) {
	play(t, nil, func(t *testing.T, _ *internet, a, _ *server) {
		began := time.Now()
		if o := a.submit("alice", text, func(m *smtpclient.Message) { m.By = "900;R" }, "x@gone.test"); o[0].Err != nil {
			t.Fatal(o[0].Err)
		}
		settle()
		if n := len(a.inbox("alice")); n != 0 {
			t.Fatalf("%d notifications at once", n)
		}
		for a.queued() > 0 && time.Since(began) < time.Hour {
			time.Sleep(time.Minute)
		}
		settle()
		took := time.Since(began)
		if inbox := a.inbox("alice"); len(inbox) != 1 || !strings.Contains(inbox[0], "Action: failed") || took < 15*time.Minute || took > 17*time.Minute {
			t.Errorf("after %v: %q", took, inbox)
		}
	})
}

// What may only travel encrypted comes back from where that cannot be proven (RFC 8689).
func TestRequireTLS(t *testing.T) {
	play(t, nil, func(t *testing.T, _ *internet, a, b *server) {
		if o := a.submit("alice", text, func(m *smtpclient.Message) { m.RequireTLS = true }, "bob@b.test"); o[0].Err != nil {
			t.Fatal(o[0].Err)
		}
		settle()
		if inbox := a.inbox("alice"); len(inbox) != 1 || !strings.Contains(inbox[0], "5.7.10") || len(b.inbox("bob")) != 0 {
			t.Errorf("alice: %q; bob: %q", inbox, b.inbox("bob"))
		}
	})
}
