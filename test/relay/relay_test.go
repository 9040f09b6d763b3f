package relay

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/outbound"
	"posthorn/internal/smtpclient"
	"posthorn/internal/smtpclient/smtptest"
)

const zone = `
a.test        MX 10 mail.a.test.
mail.a.test   A 192.0.2.1
b.test        MX 10 down.b.test.
b.test        MX 20 mail.b.test.
down.b.test   A 192.0.2.99
mail.b.test   A 192.0.2.2
mail.b.test   AAAA 2001:db8::2
old.test      A 192.0.2.3
gone.test     MX 10 gone.test.
gone.test     A 192.0.2.98
null.test     MX 0 .
loop.test     MX 10 mail.a.test.
`

const text = "From: alice@a.test\nTo: bob@b.test\nSubject: Lunch\nDate: Sat, 1 Jan 2000 00:00:00 +0000\nMessage-ID: <1@a.test>\n\n.Shall we?\n..\n.\n"

// play runs a test in a world with alice's server at a.test and bob's at b.test.
func play(t *testing.T, change func(*outbound.Options), test func(t *testing.T, n *internet, a, b *server)) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t, zone)
		a := newServer(t, n, "a.test", "192.0.2.1", []string{"alice", "anna"}, change)
		b := newServer(t, n, "b.test", "192.0.2.2", []string{"bob", "bea"}, nil)
		test(t, n, a, b)
		synctest.Wait()
		if n := a.queued() + b.queued(); n != 0 {
			t.Errorf("%d recipients are left in the queues", n)
		}
	})
}

// settle waits until what can be delivered is.
func settle() {
	synctest.Wait()
	time.Sleep(time.Second)
	synctest.Wait()
}

// A message goes from user to user, past a host that is down, and is encrypted on
// its way; those for one's own domain and for another's are one message.
func TestThere(t *testing.T) {
	play(t, nil, func(t *testing.T, _ *internet, a, b *server) {
		for _, o := range a.submit("alice", text, nil, "bob@b.test", "bea@b.test", "anna@a.test") {
			if o.Err != nil {
				t.Error(o.Err)
			}
		}
		settle()
		for _, inbox := range [][]string{b.inbox("bob"), b.inbox("bea"), a.inbox("anna")} {
			if len(inbox) != 1 || !strings.HasSuffix(inbox[0], text[strings.Index(text, "Subject"):]) {
				t.Errorf("%q", inbox)
			}
		}
		if got := b.inbox("bob")[0]; !strings.Contains(got, "with ESMTPS") || !strings.Contains(got, "Return-Path: <alice@a.test>") {
			t.Error(got)
		}
		if n := len(a.inbox("alice")); n != 0 {
			t.Errorf("%d notifications", n)
		}
	})
}

// What cannot be delivered comes back and says why, in the same minute.
func TestBack(t *testing.T) {
	play(t, nil, func(t *testing.T, n *internet, a, b *server) {
		old := smtptest.New(t, "RCPT: 550-5.7.1 We do not like|550 5.7.1 your kind")
		n.listen("192.0.2.3:25", func() net.Conn {
			nc, err := old.Dial(t.Context(), "", "")
			if err != nil {
				t.Error(err)
			}
			return nc
		})
		cases := []struct{ to, status, words string }{
			{"nobody@b.test", "5.1.1", "mail.b.test"},
			{"x@nowhere.test", "5.1.2", "The domain nowhere.test does not exist"},
			{"x@null.test", "5.1.10", "takes no mail"},
			{"x@loop.test", "5.4.6", "which does not have it"},
			{"x@old.test", "5.7.1", "550-5.7.1 We do not like\n"},
		}
		for i, tc := range cases {
			if o := a.submit("alice", text, nil, tc.to); o[0].Err != nil {
				t.Error(o[0].Err)
			}
			settle()
			inbox := a.inbox("alice")
			if len(inbox) != i+1 {
				t.Fatalf("%s: %d notifications", tc.to, len(inbox))
			}
			for _, want := range []string{
				"Return-Path: <>", "Final-Recipient: rfc822;" + tc.to, "Action: failed", "Status: " + tc.status, tc.words, "Subject: Lunch",
			} {
				if !strings.Contains(strings.ReplaceAll(inbox[i], "rfc822; ", "rfc822;"), want) {
					t.Errorf("%s: no %q in\n%s", tc.to, want, inbox[i])
				}
			}
		}
	})
}

// A server that is down for a day gets the message when it is back; its sender hears
// of the delay in the meantime.
func TestLate(t *testing.T) {
	play(t, nil, func(t *testing.T, n *internet, a, b *server) {
		old := smtptest.New(t, "")
		a.submit("alice", text, nil, "x@old.test")
		time.Sleep(24 * time.Hour)
		n.listen("192.0.2.3:25", func() net.Conn {
			nc, err := old.Dial(t.Context(), "", "")
			if err != nil {
				t.Error(err)
			}
			return nc
		})
		if len(old.Messages()) != 0 || a.queued() != 1 {
			t.Errorf("%d messages, %d queued", len(old.Messages()), a.queued())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := old.Messages(); len(got) != 1 || got[0].Mail[:len("FROM:<alice@a.test>")] != "FROM:<alice@a.test>" {
			t.Errorf("%+v", got)
		}
		inbox := a.inbox("alice")
		if len(inbox) != 1 || !strings.Contains(inbox[0], "Action: delayed") || !strings.Contains(inbox[0], "connection refused") {
			t.Errorf("%q", inbox)
		}
	})
}

// After five days a message comes back.
func TestNever(t *testing.T) {
	play(t, nil, func(t *testing.T, n *internet, a, b *server) {
		a.submit("alice", text, nil, "x@gone.test")
		time.Sleep(5*24*time.Hour + time.Hour)
		synctest.Wait()
		inbox := a.inbox("alice")
		if len(inbox) != 2 || !strings.Contains(inbox[1], "Action: failed") || !strings.Contains(inbox[1], "connection refused") {
			t.Errorf("%q", inbox)
		}
	})
}

// Many messages to one domain share connections, and each arrives once.
func TestMany(t *testing.T) {
	play(t, nil, func(t *testing.T, n *internet, a, b *server) {
		connections := 0
		n.mu.Lock()
		door := n.doors["192.0.2.2:25"]
		n.doors["192.0.2.2:25"] = func() net.Conn {
			n.mu.Lock()
			connections++
			n.mu.Unlock()
			return door()
		}
		n.mu.Unlock()
		const messages = 200
		for i := range messages {
			a.submit("alice", strings.Replace(text, "Lunch", fmt.Sprintf("Lunch %d.", i), 1), nil, "bob@b.test")
		}
		settle()
		seen := map[string]int{}
		for _, m := range b.inbox("bob") {
			_, rest, _ := strings.Cut(m, "Subject: Lunch ")
			number, _, _ := strings.Cut(rest, ".")
			seen[number]++
		}
		if len(seen) != messages {
			t.Errorf("%d messages arrived", len(seen))
		}
		for number, n := range seen {
			if n != 1 {
				t.Errorf("message %s arrived %d times", number, n)
			}
		}
		if connections > 20 {
			t.Errorf("%d connections", connections)
		}
	})
}

// A smart host takes everything, if it likes us.
func TestSmartHost(t *testing.T) {
	for _, tc := range []struct {
		name  string
		route outbound.Route
		want  string // part of what bea gets, or else of what alice gets back
	}{
		{"with nothing to prove", outbound.Route{Hosts: []string{"192.0.2.2:25"}}, "Subject: Lunch"},
		{
			"who lets users only send as themselves",
			outbound.Route{Hosts: []string{"192.0.2.2:587"}, TLS: smtpclient.TLSRequired, Auth: &smtpclient.Credentials{User: "bob@b.test", Password: password}},
			"Action: failed",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.route.Domains, tc.route.Transport = []string{"*"}, outbound.SmartHost
			smart := func(o *outbound.Options) { o.Routes = append(o.Routes, tc.route) }
			play(t, smart, func(t *testing.T, _ *internet, a, b *server) {
				a.submit("alice", text, nil, "bea@b.test")
				settle()
				all := append(b.inbox("bea"), a.inbox("alice")...)
				if len(all) != 1 || !strings.Contains(all[0], tc.want) {
					t.Errorf("%q", all)
				}
			})
		})
	}
}
