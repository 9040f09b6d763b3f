package smtpclient_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/smtpclient"
	"posthorn/internal/smtpclient/smtptest"
)

// TestSend is conversations: a server, a message, what is said and what comes of it.
func TestSend(t *testing.T) {
	for _, tc := range []struct {
		name, rules string
		o           smtpclient.Options
		m           func(m *smtpclient.Message)
		said, want  string
	}{
		{
			name: "plain",
			said: `EHLO client.test
MAIL FROM:<alice@example.test> SIZE=21
RCPT TO:<bob@example.test>
RCPT TO:<carol@example.test>
DATA
QUIT`,
			want: `delivered: 250 2.0.0 Taken
delivered: 250 2.0.0 Taken`,
		},
		{
			name:  "one refused",
			rules: "RCPT bob: 550-5.1.1 Nobody|550 5.1.1 of that name",
			want: `denied: smtp: RCPT: the server says: 550 5.1.1 Nobody of that name
delivered: 250 2.0.0 Taken`,
		},
		{
			name:  "all refused, and DATA taken for an empty message",
			rules: "RCPT: 550 5.1.1 Nobody\nDATA: 354 Go on",
			said: `EHLO client.test
MAIL FROM:<alice@example.test> SIZE=21
RCPT TO:<bob@example.test>
RCPT TO:<carol@example.test>
DATA
QUIT`,
			want: `denied: smtp: RCPT: the server says: 550 5.1.1 Nobody
denied: smtp: RCPT: the server says: 550 5.1.1 Nobody`,
		},
		{
			name:  "no pipelining: nothing is said that makes no sense",
			rules: "offers:\nMAIL: 450 4.7.1 Later",
			said: `EHLO client.test
MAIL FROM:<alice@example.test>
QUIT`,
			want: `unavailable: smtp: MAIL: the server says: 450 4.7.1 Later
unavailable: smtp: MAIL: the server says: 450 4.7.1 Later`,
		},
		{
			name:  "no pipelining, nobody left",
			rules: "offers:\nRCPT: 450 4.7.1 Later",
			said: `EHLO client.test
MAIL FROM:<alice@example.test>
RCPT TO:<bob@example.test>
RCPT TO:<carol@example.test>
QUIT`,
			want: `unavailable: smtp: RCPT: the server says: 450 4.7.1 Later
unavailable: smtp: RCPT: the server says: 450 4.7.1 Later`,
		},
		{
			name:  "HELO",
			rules: "EHLO: 502 5.5.1 What?",
			m:     everything,
			said: `EHLO client.test
HELO client.test
MAIL FROM:<alice@example.test>
RCPT TO:<bob@example.test>
RCPT TO:<carol@example.test>
DATA
QUIT`,
			want: `delivered: 250 2.0.0 Taken
delivered: 250 2.0.0 Taken`,
		},
		{
			name:  "neither EHLO nor HELO",
			rules: "EHLO: 502 5.5.1 What?\nHELO: close",
			want:  "denied: smtp: EHLO: the server says: 502 5.5.1 What?",
		},
		{
			name:  "every extension",
			rules: "offers: SIZE 1000, 8BITMIME, SMTPUTF8, DSN, REQUIRETLS, MT-PRIORITY, DELIVERBY 60, STARTTLS",
			m: func(m *smtpclient.Message) {
				everything(m)
				m.Body, m.UTF8, m.RequireTLS = smtpclient.Body8Bit, true, true
			},
			said: `EHLO client.test
STARTTLS
EHLO client.test
MAIL FROM:<alice@example.test> SIZE=21 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159 REQUIRETLS MT-PRIORITY=-3 BY=120;N
RCPT TO:<bob@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob+2Bx@example.test
RCPT TO:<carol@example.test>
DATA
QUIT`,
			want: `delivered: 250 2.0.0 Taken, and notifies
delivered: 250 2.0.0 Taken, and notifies`,
		},
		{
			name: "null reverse-path",
			m:    func(m *smtpclient.Message) { m.From = addr.Address{} },
			said: `EHLO client.test
MAIL FROM:<> SIZE=21
RCPT TO:<bob@example.test>
RCPT TO:<carol@example.test>
DATA
QUIT`,
			want: `delivered: 250 2.0.0 Taken
delivered: 250 2.0.0 Taken`,
		},
		{
			name:  "too large",
			rules: "offers: SIZE 20",
			said: `EHLO client.test
QUIT`,
			want: `too large: smtp: MAIL: the message has 21 bytes, and the server takes at most 20
too large: smtp: MAIL: the message has 21 bytes, and the server takes at most 20`,
		},
		{
			name:  "8-bit text, and no 8BITMIME",
			rules: "offers: SIZE",
			m:     func(m *smtpclient.Message) { m.Body = smtpclient.Body8Bit },
			want: `unsupported: smtp: MAIL: the message has 8-bit text, which the server does not take (8BITMIME)
unsupported: smtp: MAIL: the message has 8-bit text, which the server does not take (8BITMIME)`,
		},
		{
			name: "UTF-8 headers, and no SMTPUTF8",
			m:    func(m *smtpclient.Message) { m.UTF8 = true },
			want: `unsupported: smtp: MAIL: the message has addresses or headers in UTF-8, which the server does not take (SMTPUTF8)
unsupported: smtp: MAIL: the message has addresses or headers in UTF-8, which the server does not take (SMTPUTF8)`,
		},
		{
			name: "one address in UTF-8, and no SMTPUTF8: only the local part matters",
			m: func(m *smtpclient.Message) {
				m.To[0].To, m.To[1].To = mailbox("jörg@example.test"), mailbox("carol@bücher.test")
			},
			said: `EHLO client.test
MAIL FROM:<alice@example.test> SIZE=21
RCPT TO:<carol@xn--bcher-kva.test>
DATA
QUIT`,
			want: `unsupported: smtp: RCPT: the address is in UTF-8, which the server does not take (SMTPUTF8)
delivered: 250 2.0.0 Taken`,
		},
		{
			name:  "one address in UTF-8",
			rules: "offers: SMTPUTF8",
			m:     func(m *smtpclient.Message) { m.To[0].To = mailbox("jörg@bücher.test") },
			said: `EHLO client.test
MAIL FROM:<alice@example.test> SMTPUTF8
RCPT TO:<jörg@xn--bcher-kva.test>
RCPT TO:<carol@example.test>
DATA
QUIT`,
			want: `delivered: 250 2.0.0 Taken
delivered: 250 2.0.0 Taken`,
		},
		{
			name: "REQUIRETLS in clear",
			m:    func(m *smtpclient.Message) { m.RequireTLS = true },
			want: `unsupported: smtp: MAIL: the message asks for TLS on all its way, and the server does not offer it
unsupported: smtp: MAIL: the message asks for TLS on all its way, and the server does not offer it`,
		},
		{
			name:  "REQUIRETLS to a server that does not know it",
			rules: "offers: STARTTLS",
			m:     func(m *smtpclient.Message) { m.RequireTLS = true },
			want: `unsupported: smtp: MAIL: the message asks for TLS on all its way, which the server does not promise (REQUIRETLS)
unsupported: smtp: MAIL: the message asks for TLS on all its way, which the server does not promise (REQUIRETLS)`,
		},
		{
			name:  "a deadline, to a server that knows it",
			rules: "offers: DELIVERBY",
			m:     func(m *smtpclient.Message) { m.By = "120;RT" },
			said: `EHLO client.test
MAIL FROM:<alice@example.test> BY=120;RT
RCPT TO:<bob@example.test>
RCPT TO:<carol@example.test>
DATA
QUIT`,
			want: `delivered: 250 2.0.0 Taken
delivered: 250 2.0.0 Taken`,
		},
		{
			name: "a deadline, to one that does not",
			m:    func(m *smtpclient.Message) { m.By = "120;R" },
			said: "EHLO client.test\nQUIT",
			want: `unsupported: smtp: MAIL: the message is to come back if it is not delivered in time, which the server does not promise (...
unsupported: smtp: MAIL: the message is to come back if it is not delivered in time, which the server does not promise (...`,
		},
		{
			name: "no command in a command",
			m: func(m *smtpclient.Message) {
				m.To[0].To = addr.Address{Local: "x>\r\nRCPT TO:<eve", Domain: "example.test"}
			},
			said: `EHLO client.test
MAIL FROM:<alice@example.test> SIZE=21
RCPT TO:<carol@example.test>
DATA
QUIT`,
			want: `internal error: smtp: RCPT: not a command: "RCPT TO:<\"x>\r\nRCPT TO:<eve\"@example.test>"
delivered: 250 2.0.0 Taken`,
		},
		{
			name:  "LMTP",
			rules: "end carol: 452 4.2.2 Full",
			o:     smtpclient.Options{LMTP: true},
			said: `LHLO client.test
MAIL FROM:<alice@example.test> SIZE=21
RCPT TO:<bob@example.test>
RCPT TO:<carol@example.test>
DATA
QUIT`,
			want: `delivered: 250 2.0.0 Taken
unavailable: smtp: end of DATA: the server says: 452 4.2.2 Full`,
		},
		{
			name:  "LMTP does not fall back to HELO",
			rules: "LHLO: 500 5.5.1 What?",
			o:     smtpclient.Options{LMTP: true},
			said:  "LHLO client.test",
			want:  "denied: smtp: EHLO: the server says: 500 5.5.1 What?",
		},
		{
			name:  "LMTP breaks in the middle of its results",
			rules: "end carol: close",
			o:     smtpclient.Options{LMTP: true},
			want: `delivered: 250 2.0.0 Taken
unavailable: smtp: end of DATA: the server closed the connection`,
		},
		{
			name:  "greeted by a wall",
			rules: "greeting: 554 5.7.1 Your kind is not welcome here",
			said:  "",
			want:  "denied: smtp: greeting: the server says: 554 5.7.1 Your kind is not welcome here",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := smtptest.New(t, tc.rules)
				got := send(t, s, tc.o, tc.m)
				if got != tc.want {
					t.Errorf("got\n%s\nwant\n%s", got, tc.want)
				}
				synctest.Wait()
				if said := strings.Join(s.Said(), "\n"); tc.said != "" && said != tc.said {
					t.Errorf("said\n%s\nwant\n%s", said, tc.said)
				}
				for _, m := range s.Messages() {
					if m.Data != text && len(m.Rcpt) > 0 {
						t.Errorf("arrived: %q", m.Data)
					}
				}
			})
		})
	}
}

func everything(m *smtpclient.Message) {
	m.Ret, m.EnvID, m.Priority, m.By = "HDRS", "QQ314159", -3, "120;N"
	m.To[0].Notify, m.To[0].ORcpt = "SUCCESS,DELAY", "rfc822;bob+2Bx@example.test"
}

func send(t *testing.T, s *smtptest.Server, o smtpclient.Options, change func(*smtpclient.Message)) string {
	c, err := open(t, s, o)
	if err != nil {
		return tellError(err)
	}
	m := letter("bob@example.test", "carol@example.test")
	if change != nil {
		change(m)
	}
	var lines []string
	for _, o := range c.Send(t.Context(), m, strings.NewReader(text)) {
		line := tell(o)
		if o.Notifies {
			line += ", and notifies"
		}
		lines = append(lines, line)
	}
	c.Quit(t.Context())
	return strings.Join(lines, "\n")
}

// A thousand recipients are pipelined without the two sides waiting for each other,
// and a transaction that came to nothing is cleared away before the next.
func TestMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat(" that name", 30)
		s := smtptest.New(t, "RCPT #7: 452 4.5.3 Too many\nRCPT #900: 550 5.1.1 Nobody of"+long)
		c := mustOpen(t, s, smtpclient.Options{})
		var to []string
		for i := range 1000 {
			to = append(to, fmt.Sprintf("user%d@example.test", i+1))
		}
		for i, o := range c.Send(t.Context(), letter(to...), strings.NewReader(text)) {
			want := 250
			switch i + 1 {
			case 7:
				want = 452
			case 900:
				want = 550
			}
			if o.Reply.Code != want || (o.Err == nil) != (want == 250) {
				t.Errorf("%s: %+v", to[i], o)
			}
		}
		if m := s.Messages(); len(m) != 1 || len(m[0].Rcpt) != 998 {
			t.Errorf("%d messages", len(m))
		}

		s.Set("RCPT: 550 5.1.1 Nobody")
		c.Send(t.Context(), letter("x@example.test"), strings.NewReader(text))
		s.Set("")
		if o := c.Send(t.Context(), letter("y@example.test"), strings.NewReader(text)); o[0].Err != nil {
			t.Error(o)
		}
		said := s.Said()
		if got := strings.Join(said[len(said)-4:], " "); !strings.HasPrefix(got, "RSET MAIL") {
			t.Error(got)
		}
	})
}

// Limits that the server tells are kept (RFC 9422).
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smtptest.New(t, "offers: LIMITS MAILMAX=2 RCPTMAX=50 NONSENSE X=-1")
		c := mustOpen(t, s, smtpclient.Options{})
		if n, ok := c.Limit("RCPTMAX"); n != 50 || !ok {
			t.Error(n, ok)
		}
		if n, ok := c.Limit("X"); ok {
			t.Error(n, ok)
		}
		for _, good := range []bool{true, false} {
			c.Send(t.Context(), letter("x@example.test"), strings.NewReader(text))
			if c.Reusable() != good {
				t.Errorf("after %d messages: %v", c.Messages(), c.Reusable())
			}
		}
	})
}

// Binary messages travel in chunks, byte by byte as they are.
func TestChunks(t *testing.T) {
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			s := smtptest.New(t, "offers: PIPELINING, CHUNKING, BINARYMIME")
			c := mustOpen(t, s, smtpclient.Options{})
			binary := strings.Repeat("\n.\r\x00.\r\n\xff", size/8+1)[:size]
			m := letter("bob@example.test")
			m.Body = smtpclient.BodyBinary
			for range 2 {
				if o := c.Send(t.Context(), m, strings.NewReader(binary)); o[0].Err != nil {
					t.Error(o[0].Err)
				}
			}
			all := s.Messages()
			if len(all) != 2 || all[0].Data != binary || all[1].Data != binary || !strings.Contains(all[0].Mail, "BODY=BINARYMIME") {
				t.Errorf("%d bytes: %d messages", size, len(all))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := smtptest.New(t, "offers: CHUNKING, BINARYMIME\nBDAT #2: 452 4.3.1 Full")
		c := mustOpen(t, s, smtpclient.Options{})
		m := letter("bob@example.test")
		m.Body = smtpclient.BodyBinary
		o := c.Send(t.Context(), m, strings.NewReader(strings.Repeat("x", 1<<20)))
		if got, want := tell(o[0]), "unavailable: smtp: end of DATA: the server says: 452 4.3.1 Full"; got != want {
			t.Error(got)
		}
		checkReuse(t, s, c)
	})
}

// A connection whose other end is gone before the greeting says so.
func TestNobody(t *testing.T) {
	client, server := net.Pipe()
	server.Close()
	_, err := smtpclient.Open(context.Background(), client, smtpclient.Options{Hostname: "client.test"})
	if !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
