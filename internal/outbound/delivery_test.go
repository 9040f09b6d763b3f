package outbound

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/queue"
)

// TestDeliver is one message to bob@remote.test in many worlds.
func TestDeliver(t *testing.T) {
	const two = "remote.test MX 10 mx1.remote.test.\nremote.test MX 20 mx2.remote.test.\n" +
		"mx1.remote.test A 192.0.2.1\nmx2.remote.test A 192.0.2.2"
	for _, tc := range []struct {
		name    string
		zone    string
		servers map[string]string
		to      string // bob@remote.test if empty
		dialed  string
		want    string
		takes   time.Duration
	}{
		{
			name: "the preferred host", zone: two,
			servers: map[string]string{"192.0.2.1": "", "192.0.2.2": ""},
			dialed:  "192.0.2.1", want: "accepted: 250 2.0.0 Taken (mx1.remote.test [192.0.2.1])",
		},
		{
			name: "the second, when the first is down", zone: two,
			servers: map[string]string{"192.0.2.2": ""},
			dialed:  "192.0.2.1 192.0.2.2", want: "accepted: 250 2.0.0 Taken (mx2.remote.test [192.0.2.2])",
		},
		{
			name: "when it does not even refuse", zone: strings.Replace(two, "192.0.2.1", "203.0.113.1", 1),
			servers: map[string]string{"192.0.2.2": ""},
			dialed:  "203.0.113.1 192.0.2.2", want: "accepted: 250 2.0.0 Taken (mx2.remote.test [192.0.2.2])", takes: 30 * time.Second,
		},
		{
			name: "when it takes nothing from us", zone: two,
			servers: map[string]string{"192.0.2.1": "greeting: 554 5.7.1 Your kind is not welcome here", "192.0.2.2": ""},
			dialed:  "192.0.2.1 192.0.2.2", want: "accepted: 250 2.0.0 Taken (mx2.remote.test [192.0.2.2])",
		},
		{
			name: "when it is busy", zone: two,
			servers: map[string]string{"192.0.2.1": "MAIL: 421 4.7.0 Busy!close", "192.0.2.2": ""},
			dialed:  "192.0.2.1 192.0.2.2", want: "accepted: 250 2.0.0 Taken (mx2.remote.test [192.0.2.2])",
		},
		{
			name: "when it has no room", zone: two,
			servers: map[string]string{"192.0.2.1": "end: 452 4.3.1 Disk full", "192.0.2.2": ""},
			dialed:  "192.0.2.1 192.0.2.2", want: "accepted: 250 2.0.0 Taken (mx2.remote.test [192.0.2.2])",
		},
		{
			name: "when it speaks no SMTP", zone: two,
			servers: map[string]string{"192.0.2.1": "greeting: garbage", "192.0.2.2": ""},
			dialed:  "192.0.2.1 192.0.2.2", want: "accepted: 250 2.0.0 Taken (mx2.remote.test [192.0.2.2])",
		},
		{
			name: "when it breaks off before the end of the message", zone: two,
			servers: map[string]string{"192.0.2.1": "DATA: close", "192.0.2.2": ""},
			dialed:  "192.0.2.1 192.0.2.2", want: "accepted: 250 2.0.0 Taken (mx2.remote.test [192.0.2.2])",
		},
		{
			name: "but not when it may have taken the message", zone: two,
			servers: map[string]string{"192.0.2.1": "end: close", "192.0.2.2": ""},
			dialed:  "192.0.2.1", want: "deferred: 451 4.4.2 mx1.remote.test [192.0.2.1], at end of DATA: the server closed the connection",
		},
		{
			name: "nor when it refuses", zone: two,
			servers: map[string]string{"192.0.2.1": "RCPT: 550 5.1.1 Nobody", "192.0.2.2": ""},
			dialed:  "192.0.2.1", want: "refused: 550 5.1.1 Nobody (mx1.remote.test [192.0.2.1])",
		},
		{
			name: "nor when it refuses the message", zone: two,
			servers: map[string]string{"192.0.2.1": "end: 554 5.7.1 Spam", "192.0.2.2": ""},
			dialed:  "192.0.2.1", want: "refused: 554 5.7.1 Spam (mx1.remote.test [192.0.2.1])",
		},
		{
			name: "what was said is worth more than silence", zone: two,
			servers: map[string]string{"192.0.2.1": "RCPT: 450 4.2.0 Greylisted"},
			dialed:  "192.0.2.1 192.0.2.2", want: "deferred: 450 4.2.0 Greylisted (mx1.remote.test [192.0.2.1])",
		},
		{
			name: "nobody there", zone: two,
			dialed: "192.0.2.1 192.0.2.2", want: "unreachable: 451 4.4.1 mx2.remote.test does not answer: dial tcp 192.0.2.2:25: connection refused",
		},
		{
			name: "all say that they never take mail", zone: two,
			servers: map[string]string{"192.0.2.1": "greeting: 521 No mail here", "192.0.2.2": "greeting: 521 Nor here"},
			dialed:  "192.0.2.1 192.0.2.2", want: "refused: 521 Nor here (mx2.remote.test [192.0.2.2])",
		},
		{
			name: "one says that it never takes mail, one is down", zone: two,
			servers: map[string]string{"192.0.2.1": "greeting: 521 No mail here"},
			dialed:  "192.0.2.1 192.0.2.2", want: "unreachable: 451 4.4.1 mx2.remote.test does not answer: dial tcp 192.0.2.2:25: connection refused",
		},

		// Names.
		{
			name: "no such domain", zone: "", want: "refused: 554 5.1.2 The domain remote.test does not exist",
		},
		{
			name: "null MX", zone: "remote.test MX 0 .\nremote.test A 192.0.2.1",
			servers: map[string]string{"192.0.2.1": ""},
			want:    "refused: 556 5.1.10 The domain remote.test takes no mail (null MX)",
		},
		{
			name: "null MX among others", zone: two + "\nremote.test MX 0 .",
			servers: map[string]string{"192.0.2.1": ""},
			dialed:  "192.0.2.1", want: "accepted: 250 2.0.0 Taken (mx1.remote.test [192.0.2.1])",
		},
		{
			name: "no MX: the domain itself", zone: "remote.test A 192.0.2.9",
			servers: map[string]string{"192.0.2.9": ""},
			dialed:  "192.0.2.9", want: "accepted: 250 2.0.0 Taken (remote.test [192.0.2.9])",
		},
		{
			name: "no MX and no address", zone: "remote.test TXT nothing",
			want: "refused: 554 5.4.4 remote.test has no address",
		},
		{
			name: "MX, and all of them without address", zone: "remote.test MX 10 gone.test.\nremote.test A 192.0.2.9",
			servers: map[string]string{"192.0.2.9": ""},
			want:    "refused: 554 5.4.4 gone.test has no address",
		},
		{
			name: "MX without address, and one that nobody can tell of", zone: "remote.test MX 10 gone.test.\nremote.test MX 20 sick.test.\nsick.test !servfail",
			want: "unreachable: 451 4.4.3 the name servers of sick.test do not answer: dns: A of sick.test.: server 127.0.0.1:53: it says SERVFAIL",
		},
		{
			name: "DNS does not answer", zone: "remote.test !timeout",
			want:  "unreachable: 451 4.4.3 the name servers of remote.test do not answer: dns: MX of remote.test.: server 127.0.0.1:53: read pipe: i/o timeout",
			takes: 6 * time.Second,
		},
		{
			name: "DNS is broken", zone: "remote.test CNAME remote.test.",
			want: "unreachable: 451 4.4.3 the DNS of remote.test makes no sense: dns: MX of remote.test.: more than 10 aliases, or a circle of them",
		},
		{
			name: "aliases on all ways", zone: "remote.test CNAME real.test.\nreal.test MX 10 mx.real.test.\nmx.real.test CNAME host.real.test.\nhost.real.test A 192.0.2.1",
			servers: map[string]string{"192.0.2.1": ""},
			dialed:  "192.0.2.1", want: "accepted: 250 2.0.0 Taken (mx.real.test [192.0.2.1])",
		},
		{
			name: "an address for a domain", to: "bob@[192.0.2.7]",
			servers: map[string]string{"192.0.2.7": ""},
			dialed:  "192.0.2.7", want: "accepted: 250 2.0.0 Taken ([192.0.2.7])",
		},
		{
			name: "an address of IPv6 for a domain", to: "bob@[IPv6:2001:db8::7]",
			servers: map[string]string{"2001:db8::7": ""},
			dialed:  "2001:db8::7", want: "accepted: 250 2.0.0 Taken ([2001:db8::7])",
		},

		// Ourselves.
		{
			name: "we are the best host, by name", zone: "remote.test MX 10 our.example.test.\nremote.test MX 20 mx2.remote.test.\nmx2.remote.test A 192.0.2.2",
			servers: map[string]string{"192.0.2.2": ""},
			want:    "refused: 554 5.4.6 The mail for remote.test is to come to this server, which does not have it",
		},
		{
			name: "by address, and among equals", zone: "remote.test MX 10 mx.remote.test.\nremote.test MX 10 other.test.\nmx.remote.test A " + us + "\nother.test A 192.0.2.2",
			servers: map[string]string{"192.0.2.2": ""},
			want:    "refused: 554 5.4.6 The mail for remote.test is to come to this server, which does not have it",
		},
		{
			name: "we are the domain itself", zone: "remote.test A " + us,
			want: "refused: 554 5.4.6 The mail for remote.test is to come to this server, which does not have it",
		},
		{
			name: "an address literal of ours", to: "bob@[" + us + "]",
			want: "refused: 554 5.4.6 The mail for [" + us + "] is to come to this server, which does not have it",
		},
		{
			name: "we are the second best, and the best is down", zone: two + "\nremote.test MX 15 our.example.test.",
			servers: map[string]string{"192.0.2.2": ""},
			dialed:  "192.0.2.1", want: "unreachable: 451 4.4.1 mx1.remote.test does not answer: dial tcp 192.0.2.1:25: connection refused",
		},

		// Several addresses.
		{
			name: "IPv6 first", zone: "remote.test A 192.0.2.1\nremote.test AAAA 2001:db8::1",
			servers: map[string]string{"192.0.2.1": "", "2001:db8::1": ""},
			dialed:  "2001:db8::1", want: "accepted: 250 2.0.0 Taken (remote.test [2001:db8::1])",
		},
		{
			name: "IPv4 if IPv6 is slow", zone: "remote.test A 192.0.2.1\nremote.test AAAA 2001:db8:dead::1",
			servers: map[string]string{"192.0.2.1": ""},
			dialed:  "2001:db8:dead::1 192.0.2.1", want: "accepted: 250 2.0.0 Taken (remote.test [192.0.2.1])", takes: headStart,
		},
		{
			name: "another address if the first is no good", zone: "remote.test A 192.0.2.1\nremote.test AAAA 2001:db8::1",
			servers: map[string]string{"192.0.2.1": "", "2001:db8::1": "EHLO: 421 4.7.0 No PTR record!close"},
			dialed:  "2001:db8::1 192.0.2.1", want: "accepted: 250 2.0.0 Taken (remote.test [192.0.2.1])",
		},
		{
			name: "no more of them than make sense", zone: strings.Repeat("remote.test AAAA 2001:db8::%\n", 9),
			dialed: "2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4 2001:db8::5 2001:db8::6 2001:db8::7 2001:db8::8",
			want: "unreachable: 451 4.4.1 remote.test does not answer: dial tcp [2001:db8::1]:25: connection refused; dial tcp [2001:db8::2]:25: connection refused; " +
				"dial tcp [2001:db8::3]:25: connection refused; dial tcp [2001:db8::4]:25: connection refused; dial tcp [2001:db8::5]:25: connection refused; " +
				"dial tcp [2001:db8::6]:25: connection refused; dial tcp [2001:db8::7]:25: connection refused; dial tcp [2001:db8::8]:25: connection refused",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, numbered(tc.zone), tc.servers, nil)
				if tc.to == "" {
					tc.to = "bob@remote.test"
				}
				start := time.Now()
				if got := w.deliver(mail(tc.to)); got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
				if took := time.Since(start); took != tc.takes {
					t.Errorf("it took %v, want %v", took, tc.takes)
				}
				if got := w.dials(); got != tc.dialed {
					t.Errorf("dialed %s, want %s", got, tc.dialed)
				}
				w.out.Close()
				synctest.Wait()
				if n := w.connections(); n != 0 {
					t.Errorf("%d connections are left open", n)
				}
			})
		})
	}
}

// numbered puts numbers in place of the percent signs.
func numbered(s string) string {
	for n := 1; strings.Contains(s, "%"); n++ {
		s = strings.Replace(s, "%", string(rune('0'+n)), 1)
	}
	return s
}

// Among a thousand equal hosts the order is random, and not all are tried.
func TestThousandHosts(t *testing.T) {
	zone := ""
	for i := range 1000 {
		zone += strings.ReplaceAll("remote.test MX 10 mx#.remote.test.\nmx#.remote.test A 192.0.2.1\n", "#", string(rune('a'+i%26))+strings.Repeat("x", i/26))
	}
	seen := map[string]bool{}
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, zone, nil, nil)
			got := w.deliver(mail("bob@remote.test"))
			seen[got] = true
			if n := len(strings.Fields(w.dials())); n != maxTrouble {
				t.Errorf("%d dials: %s", n, got)
			}
		})
	}
	if len(seen) < 2 {
		t.Errorf("three times the same: %v", seen)
	}
}

// Each recipient has a fate of its own.
func TestRecipients(t *testing.T) {
	const zone = "remote.test MX 10 mx1.remote.test.\nremote.test MX 20 mx2.remote.test.\nmx1.remote.test A 192.0.2.1\nmx2.remote.test A 192.0.2.2"
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, zone, map[string]string{
			"192.0.2.1": "offers: PIPELINING, DSN\nRCPT bob: 550 5.1.1 Nobody\nRCPT carol: 450 4.2.0 Not now\nRCPT dave: 450 4.2.0 Not now",
			"192.0.2.2": "RCPT dave: 450 4.2.0 Nor here",
		}, nil)
		got := w.deliver(mail("alice@remote.test", "bob@remote.test", "carol@remote.test", "dave@remote.test"))
		want := `accepted: 250 2.0.0 Taken (mx1.remote.test [192.0.2.1]), notifies
refused: 550 5.1.1 Nobody (mx1.remote.test [192.0.2.1])
accepted: 250 2.0.0 Taken (mx2.remote.test [192.0.2.2])
deferred: 450 4.2.0 Nor here (mx2.remote.test [192.0.2.2])`
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		for _, s := range w.servers {
			if m := s.Messages(); len(m) != 1 || len(m[0].Rcpt) != 1 || m[0].Data != letter {
				t.Errorf("%+v", m)
			}
		}
	})
}

// More recipients than a server takes at once are sent in turns, over one
// connection as long as the server likes.
func TestManyRecipients(t *testing.T) {
	const zone = "remote.test MX 10 mx.remote.test.\nmx.remote.test A 192.0.2.1"
	for _, tc := range []struct {
		name, rules string
		messages    int
		connections int
	}{
		{"what every server takes", "", 3, 1},
		{"as the server tells", "offers: LIMITS RCPTMAX=50", 5, 1},
		{"one message a connection", "offers: LIMITS MAILMAX=1", 3, 3},
		{"as the server shows", "RCPT #61: 452 4.5.3 Enough\nRCPT #62: 552 Enough", 3, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, zone, map[string]string{"192.0.2.1": tc.rules}, nil)
				var to []string
				for i := range 250 {
					to = append(to, strings.Repeat("x", 1+i/26)+string(rune('a'+i%26))+"@remote.test")
				}
				if got := w.deliver(mail(to...)); got != "accepted: 250 2.0.0 Taken (mx.remote.test [192.0.2.1])" {
					t.Error(got)
				}
				s := w.servers["192.0.2.1"]
				all, rcpt := s.Messages(), map[string]int{}
				for _, m := range all {
					for _, to := range m.Rcpt {
						rcpt[to]++
					}
				}
				if len(all) != tc.messages || len(rcpt) != 250 || s.Connections() != tc.connections {
					t.Errorf("%d messages to %d recipients over %d connections", len(all), len(rcpt), s.Connections())
				}
				for to, n := range rcpt {
					if n != 1 {
						t.Errorf("%s has it %d times", to, n)
					}
				}
			})
		})
	}
}

// A host that defers everything, one message a connection, is not asked for ever.
func TestNoProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "remote.test A 192.0.2.1", map[string]string{"192.0.2.1": "offers: LIMITS MAILMAX=1 RCPTMAX=1\nRCPT: 450 4.2.0 Not now"}, nil)
		got := w.deliver(mail("a@remote.test", "b@remote.test", "c@remote.test"))
		if got != "deferred: 450 4.2.0 Not now (remote.test [192.0.2.1])" || w.servers["192.0.2.1"].Connections() != 3 {
			t.Errorf("%s, after %d connections", got, w.servers["192.0.2.1"].Connections())
		}
	})
}

// What does not begin, or is broken off, by us is nobody's fault.
func TestOwnTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "remote.test A 192.0.2.1\nhang.test A 203.0.113.1", map[string]string{"192.0.2.1": ""}, nil)
		for _, kind := range []struct{ kind, want string }{
			{"corrupt", "refused: 554 5.3.0 The message was damaged while it was in our queue"},
			{"unavailable", "deferred: 451 4.3.0 The message cannot be read at present"},
		} {
			task := mail("bob@remote.test")
			task.open = failing(kind.kind, false)
			if got := w.deliver(task); got != kind.want {
				t.Errorf("got  %s\nwant %s", got, kind.want)
			}
			task.open = failing(kind.kind, true)
			if got := w.deliver(task); got != kind.want {
				t.Errorf("in the middle:\ngot  %s\nwant %s", got, kind.want)
			}
		}
		if m := w.servers["192.0.2.1"].Messages(); len(m) != 0 {
			t.Errorf("%+v", m)
		}
	})
}

// The envelope arrives with all that belongs to it.
func TestEnvelope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "remote.test A 192.0.2.1", map[string]string{"192.0.2.1": "offers: SIZE, 8BITMIME, SMTPUTF8, DSN, MT-PRIORITY, DELIVERBY"}, nil)
		task := mail("bob@remote.test", "carol@remote.test", "dave@remote.test")
		m := task.message
		m.EightBit, m.UTF8, m.Priority, m.EnvelopeID, m.Return = true, true, 4, "a+b c", 1
		m.DeliverBy = queue.DeliverBy{At: time.Now().Add(90 * time.Second), Trace: true}
		m.Recipients[0].Notify, m.Recipients[0].Original = 2|8, "rfc822;Bob+x@remote.test"
		m.Recipients[1].Notify, m.Recipients[1].Original = 1, "utf-8;jörg@remote.test"
		task.recipients = []int{1, 0}
		if got := w.deliver(task); got != "accepted: 250 2.0.0 Taken (remote.test [192.0.2.1]), notifies" {
			t.Error(got)
		}
		got := strings.Join(w.servers["192.0.2.1"].Said()[1:], "\n")
		want := `MAIL FROM:<alice@example.test> SIZE=21 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+20c MT-PRIORITY=4 BY=90;NT
RCPT TO:<carol@remote.test> NOTIFY=NEVER
RCPT TO:<bob@remote.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@remote.test
DATA`
		if !strings.HasPrefix(got, want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

var _ queue.Deliver = (&Outbound{}).Deliver
