package exchange

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"posthorn/internal/smtpclient"
)

// server is a mail server with users, whoever made it.
type server interface {
	name() string
	submit(l letter)
	inbox(user string) []string // new since the last time
}

const zone = `
alpha.test       MX 10 down.alpha.test.
alpha.test       MX 20 mail.alpha.test.
down.alpha.test  A 10.99.7.250
mail.alpha.test  A 10.99.7.1
beta.test        MX 10 mail.beta.test.
mail.beta.test   A 10.99.7.2
fix.test         MX 10 mail.fix.test.
mail.fix.test    A 10.99.7.3
exi.test         MX 10 mail.exi.test.
mail.exi.test    A 10.99.7.4
null.test        MX 0 .
`

// TestExchange: everybody's users write to everybody's, and each message arrives
// once, as it was sent. One of the servers has a better MX record that leads nowhere.
func TestExchange(t *testing.T) {
	w := newWorld(t, zone)
	users := map[server]string{
		w.posthorn("alpha", 1, "alice"): "alice", w.posthorn("beta", 2, "bob"): "bob",
		w.postfix("fix", 3, "carol"): "carol", w.exim("exi", 4, "dave"): "dave",
	}
	for from, sender := range users {
		for to, receiver := range users {
			if from == to {
				continue
			}
			t.Run(from.name()+" to "+to.name(), func(t *testing.T) {
				letters := lettersTo(sender, receiver+"@"+to.name())
				for _, l := range letters {
					from.submit(l)
				}
				compare(w, to, receiver, letters)
			})
		}
	}
}

// TestBounces: what cannot be delivered comes back from whoever notices, so that
// people and programs understand it.
func TestBounces(t *testing.T) {
	w := newWorld(t, zone)
	alpha, fix := w.posthorn("alpha", 1, "alice"), w.postfix("fix", 3, "carol")
	for _, tc := range []struct {
		from     server
		user, to string
		want     []string
	}{
		{alpha, "alice", "nobody@fix.test", []string{"Action: failed", "Status: 5.1.1", "Final-Recipient: rfc822; nobody@fix.test", "Reporting-MTA: dns; mail.alpha.test", "mail.fix.test"}},
		{alpha, "alice", "x@nowhere.test", []string{"Action: failed", "Status: 5.1.2", "nowhere.test does not exist"}},
		{alpha, "alice", "x@null.test", []string{"Action: failed", "Status: 5.1.10", "takes no mail"}},
		{fix, "carol", "nobody@alpha.test", []string{"Action: failed", "Status: 5.1.1", "nobody@alpha.test", "Reporting-MTA: dns; mail.fix.test"}},
	} {
		tc.from.submit(letter{name: "lost", from: tc.user, to: tc.to, text: "Subject: lost\nMessage-ID: <lost@" + tc.to + ">\n\nHello\n"})
		var got []string
		w.await("a bounce of mail to "+tc.to, func() bool {
			got = append(got, notifications(tc.from, tc.user)...)
			return len(got) > 0
		})
		for _, want := range append(tc.want, "Subject: lost") {
			if len(got) != 1 || !strings.Contains(got[0], want) {
				t.Errorf("to %s: no %q in %d notifications:\n%s", tc.to, want, len(got), strings.Join(got, "\n--\n"))
			}
		}
	}
	story := alpha.command("history", "nobody@fix.test")
	for _, want := range []string{"by alice@alpha.test", "mail.fix.test", "550 5.1.1", "is told that it cannot be delivered"} {
		if !strings.Contains(story, want) {
			t.Errorf("no %q in the history:\n%s", want, story)
		}
	}
	if left := alpha.command("queue", "list"); !strings.Contains(left, "nothing is queued") {
		t.Errorf("in the queue:\n%s", left)
	}
}

// TestReceipt: whoever asks for word of success gets it, from the last server that
// knows how to send it.
func TestReceipt(t *testing.T) {
	w := newWorld(t, zone)
	alpha, fix, exi := w.posthorn("alpha", 1, "alice"), w.postfix("fix", 3, "carol"), w.exim("exi", 4, "dave")
	for _, tc := range []struct {
		from     server
		user, to string
		reporter string
	}{
		{alpha, "alice", "carol@fix.test", "mail.fix.test"},
		{alpha, "alice", "dave@exi.test", "mail.exi.test"},
		{fix, "carol", "alice@alpha.test", "mail.alpha.test"},
		{exi, "dave", "alice@alpha.test", "mail.alpha.test"},
	} {
		tc.from.submit(letter{name: "receipt", from: tc.user, to: tc.to, notify: "SUCCESS", text: "Subject: receipt\nMessage-ID: <receipt@" + tc.to + ">\n\nHello\n"})
		var got []string
		w.await("word of success from "+tc.to, func() bool {
			got = append(got, notifications(tc.from, tc.user)...)
			return len(got) > 0
		})
		for _, want := range []string{"Action: delivered", tc.to, "Reporting-MTA: dns; " + tc.reporter} {
			if len(got) != 1 || !strings.Contains(strings.ReplaceAll(got[0], "dns;mail", "dns; mail"), want) {
				t.Errorf("to %s: no %q in %d notifications:\n%s", tc.to, want, len(got), strings.Join(got, "\n--\n"))
			}
		}
	}
}

// notifications are those among a user's messages.
func notifications(at server, user string) (all []string) {
	for _, text := range at.inbox(user) {
		if strings.Contains(text, "report-type=delivery-status") {
			all = append(all, text)
		}
	}
	return all
}

// letter is a message to one recipient. Its text ends its lines with LF.
type letter struct {
	name     string
	from, to string // a local part; an address
	notify   string // of NOTIFY; empty: nothing asked for
	body     smtpclient.BodyType
	utf8     bool
	text     string
}

// lettersTo are messages of the kinds that go wrong between servers.
func lettersTo(from, to string) []letter {
	header := "From: <" + from + "@example.test>\nTo: <" + to + ">\nDate: Sat, 21 Nov 2026 10:00:00 +0800\nMIME-Version: 1.0\n"
	all := []letter{
		{name: "plain", text: "Subject: plain\n\nHello,\n\n.\n..\n.leading dots\n trailing spaces   \n\nFrom here\n>From there\n\n"},
		{name: "no-body", text: "Subject: no body\n\n"},
		{
			name: "8-bit", body: smtpclient.Body8Bit,
			text: "Subject: =?UTF-8?B?5rWL6K+V?=\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n早上好，\n这是一封测试邮件。\n",
		},
		{
			name: "utf8-header", body: smtpclient.Body8Bit, utf8: true,
			text: "Subject: 测试\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße aus Köln\n",
		},
		{name: "long-lines", text: "Subject: RFC 5322\n\n" + strings.Repeat("x", 998) + "\n" + strings.Repeat("y", 997) + "\n"},
		{name: "large", text: "Subject: 2 MB\n\n" + strings.Repeat(strings.Repeat("0123456789", 7)+"\n", 30_000)},
	}
	for i := range all {
		l := &all[i]
		l.from, l.to = from, to
		l.text = header + "Message-ID: <" + l.name + "." + from + "@" + strings.ReplaceAll(to, "@", ".") + ">\n" + l.text
	}
	return all
}

var (
	trace     = regexp.MustCompile(`^(?:(?:Return-[Pp]ath|Received|Delivered-To|X-Original-To|DKIM-Signature|Authentication-Results|Envelope-[Tt]o|Delivery-[Dd]ate):[^\n]*\n(?:[ \t][^\n]*\n)*)+`)
	messageID = regexp.MustCompile(`(?m)^Message-ID: (\S+)`)
)

// compare wants every letter exactly once, unchanged below the trace headers.
func compare(w *world, at server, user string, want []letter) {
	w.Helper()
	got := map[string]string{}
	w.await(fmt.Sprintf("%d messages for %s@%s; there are %d", len(want), user, at.name(), len(got)), func() bool {
		for _, text := range at.inbox(user) {
			id := messageID.FindString(text)
			if got[id] != "" {
				w.Errorf("%s arrived twice", id)
			}
			got[id] = text
		}
		return len(got) >= len(want)
	})
	for _, l := range want {
		id := messageID.FindString(l.text)
		if text := trace.ReplaceAllString(got[id], ""); text != l.text {
			w.Errorf("%s %s changed on its way:\n%.2000s", l.name, id, got[id])
		}
	}
}
