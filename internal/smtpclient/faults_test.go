package smtpclient_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/smtpclient"
	"posthorn/internal/smtpclient/smtptest"
)

var update = flag.Bool("update", false, "rewrite testdata/faults.txt")

const text = "Subject: x\r\n\r\nHello\r\n"

// letter is a message from alice to these.
func letter(to ...string) *smtpclient.Message {
	m := &smtpclient.Message{From: mailbox("alice@example.test"), Size: int64(len(text))}
	for _, to := range to {
		m.To = append(m.To, smtpclient.Recipient{To: mailbox(to)})
	}
	return m
}

func mailbox(s string) addr.Address {
	a, err := addr.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

// open connects to the server.
func open(t *testing.T, s *smtptest.Server, o smtpclient.Options) (*smtpclient.Client, error) {
	nc, err := s.Dial(t.Context(), "tcp", "mx.test:25")
	if err != nil {
		t.Fatal(err)
	}
	if o.Hostname == "" {
		o.Hostname = "client.test"
	}
	c, err := smtpclient.Open(t.Context(), nc, o)
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

// mustOpen is for servers that are in order so far.
func mustOpen(t *testing.T, s *smtptest.Server, o smtpclient.Options) *smtpclient.Client {
	t.Helper()
	c, err := open(t, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tell says in words what became of a recipient.
func tell(o smtpclient.Outcome) string {
	if o.Err == nil {
		return "delivered: " + o.Reply.String()
	}
	return tellError(o.Err)
}

func tellError(err error) string {
	e, ok := err.(*smtpclient.Error)
	if !ok {
		return fmt.Sprintf("%T: %v", err, err)
	}
	if words := e.Reply.String(); !e.Reply.IsZero() && !strings.Contains(e.Error(), words) {
		return fmt.Sprintf("the error %q does not tell the reply %q", e, words)
	}
	text := fault.KindOf(err).String() + ": " + err.Error()
	if len(text) > 5000 {
		return fmt.Sprintf("%d bytes of error", len(text))
	}
	const enough = 120
	if len(text) > enough {
		text = text[:enough] + "..."
	}
	return text
}

// TestFaults lets a server fail in every way at every stage. What comes of it is
// in testdata/faults.txt, with the time that it took.
func TestFaults(t *testing.T) {
	var got strings.Builder
	for _, offers := range []string{"PIPELINING, ENHANCEDSTATUSCODES", "ENHANCEDSTATUSCODES"} {
		fmt.Fprintf(&got, "# The server offers %s; the message is for bob and carol.\n", offers)
		for _, point := range []string{"greeting", "EHLO", "MAIL", "RCPT bob", "DATA", "content", "end"} {
			for _, action := range []string{
				"hang", "close", "garbage", "endless", "450 4.2.0 Not now", "550 5.7.1 Never",
				"421 4.3.2 Leaving!close", "421 4.3.2 Leaving", "550 5.7.1 Never!close",
			} {
				fmt.Fprintf(&got, "\n%s: %s\n", point, action)
				synctest.Test(t, func(t *testing.T) {
					got.WriteString(outcome(t, "offers: "+offers+"\n"+point+": "+action))
				})
			}
		}
		got.WriteString("\n")
	}
	const file = "testdata/faults.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() == string(want) {
		return
	}
	gotLines, wantLines := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("%s:%d:\ngot  %s\nwant %s", file, i+1, gotLines[i], wantLines[i])
		}
	}
	t.Fatalf("%s has %d lines, want %d", file, len(wantLines), len(gotLines))
}

// outcome sends a message to such a server and tells what came of it.
func outcome(t *testing.T, rules string) string {
	var b strings.Builder
	start := time.Now()
	s := smtptest.New(t, rules)
	c, err := open(t, s, smtpclient.Options{})
	if err != nil {
		fmt.Fprintf(&b, "\t%s\n", tellError(err))
	} else {
		m := letter("bob@example.test", "carol@example.test")
		for i, o := range c.Send(t.Context(), m, strings.NewReader(text)) {
			fmt.Fprintf(&b, "\t%s %s\n", m.To[i].To.Local, tell(o))
		}
		synctest.Wait()
		if c.Reusable() {
			b.WriteString("\tthe connection is still good\n")
			checkReuse(t, s, c)
		}
		c.Close()
	}
	if took := time.Since(start); took > 0 {
		fmt.Fprintf(&b, "\tafter %v\n", took)
	}
	return b.String()
}

// checkReuse sends another message to a server that has mended its ways.
func checkReuse(t *testing.T, s *smtptest.Server, c *smtpclient.Client) {
	t.Helper()
	before := len(s.Messages())
	s.Set("")
	o := c.Send(t.Context(), letter("dave@example.test"), strings.NewReader(text))
	after := s.Messages()
	if o[0].Err != nil || len(after) != before+1 || len(after[before].Rcpt) != 1 || after[before].Data != text {
		t.Errorf("the next message: %s, %+v", tell(o[0]), after)
	}
}

// A server that reads nothing any more does not hold us for ever, whatever else it does.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smtptest.New(t, "content: stall")
		c := mustOpen(t, s, smtpclient.Options{})
		start := time.Now()
		long := strings.NewReader(strings.Repeat("a line of text\r\n", 1<<16))
		o := c.Send(t.Context(), letter("bob@example.test"), long)
		want := "unavailable: smtp: end of DATA: the server took more than 3m0s to take what was sent"
		if got := tell(o[0]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if took := time.Since(start); took != 3*time.Minute+10*time.Second {
			t.Errorf("it took %v", took)
		}
		if c.Reusable() {
			t.Error("the connection is taken for good")
		}
	})
}

// What a server says before it hangs up in the middle of a message is not lost.
func TestLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smtptest.New(t, "content: 552 5.3.4 Far too large!close")
		c := mustOpen(t, s, smtpclient.Options{})
		long := strings.NewReader(strings.Repeat("a line of text\r\n", 1<<16))
		o := c.Send(t.Context(), letter("bob@example.test"), long)
		if got, want := tell(o[0]), "denied: smtp: end of DATA: the server says: 552 5.3.4 Far too large"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// "Taken" before all was sent is no receipt for what was not.
func TestHastyReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smtptest.New(t, "content: 250 2.0.0 Taken!close")
		c := mustOpen(t, s, smtpclient.Options{})
		long := strings.NewReader(strings.Repeat("a line of text\r\n", 1<<16))
		o := c.Send(t.Context(), letter("bob@example.test"), long)
		if o[0].Err == nil || !fault.Is(o[0].Err, fault.Unavailable) {
			t.Errorf("%+v", o)
		}
	})
}

// A message that cannot be read to its end must not arrive as far as it goes.
func TestBrokenSource(t *testing.T) {
	for _, body := range []smtpclient.BodyType{smtpclient.Body7Bit, smtpclient.BodyBinary} {
		synctest.Test(t, func(t *testing.T) {
			s := smtptest.New(t, "offers: PIPELINING, CHUNKING, BINARYMIME")
			c := mustOpen(t, s, smtpclient.Options{})
			bad := fault.New(fault.Corrupt, "checksum")
			m := letter("bob@example.test")
			m.Body = body
			o := c.Send(t.Context(), m, io.MultiReader(strings.NewReader(text), &failing{bad}))
			if got, want := tell(o[0]), "corrupt: smtp: end of DATA: the message cannot be read: checksum"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			synctest.Wait()
			if e := o[0].Err.(*smtpclient.Error); !e.Source || len(s.Messages()) != 0 || c.Reusable() {
				t.Errorf("%v", s.Messages())
			}
		})
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// Whoever has no more time is let go at once, at whatever stage.
func TestGivenUp(t *testing.T) {
	for _, point := range []string{"greeting", "EHLO", "STARTTLS", "handshake", "MAIL", "RCPT", "DATA", "end"} {
		synctest.Test(t, func(t *testing.T) {
			s := smtptest.New(t, "offers: STARTTLS\n"+point+": hang")
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			start := time.Now()
			nc, err := s.Dial(ctx, "tcp", "mx.test:25")
			if err != nil {
				t.Fatal(err)
			}
			c, err := smtpclient.Open(ctx, nc, smtpclient.Options{Hostname: "client.test"})
			if err == nil {
				defer c.Close()
				err = c.Send(ctx, letter("bob@example.test"), strings.NewReader(text))[0].Err
			}
			if !fault.Is(err, fault.Canceled) || time.Since(start) != 5*time.Second {
				t.Errorf("%s: after %v: %v", point, time.Since(start), err)
			}
		})
	}
}
