package imapd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/message"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// sink is a client that says one command at a time and throws the answers away, so
// that what is measured is the server alone.
type sink struct {
	net.Conn // for the methods that nobody calls
	commands chan string
	rest     string
	replied  chan bool // for each tagged reply, whether it was an OK
	written  int64
}

func (c *sink) Read(p []byte) (int, error) {
	if c.rest == "" {
		command, ok := <-c.commands
		if !ok {
			return 0, io.EOF
		}
		c.rest = command
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *sink) Write(p []byte) (int, error) {
	c.written += int64(len(p))
	last := p[bytes.LastIndexByte(p[:max(0, len(p)-2)], '\n')+1:]
	if bytes.HasPrefix(last, []byte("x ")) {
		c.replied <- bytes.HasPrefix(last, []byte("x OK"))
	}
	return len(p), nil
}

func (c *sink) Close() error        { return nil }
func (c *sink) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 143} }

func (c *sink) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 999} }
func (c *sink) SetReadDeadline(time.Time) error  { return nil }
func (c *sink) SetWriteDeadline(time.Time) error { return nil }

// do runs a command to its tagged OK.
func (c *sink) do(b *testing.B, command string) {
	c.commands <- "x " + command + "\r\n"
	if !<-c.replied {
		b.Fatal(command, "failed")
	}
}

const benchMessages = 10_000

// benchSession fills alice's INBOX and gives a session that has it open.
func benchSession(b *testing.B) *sink { return benchWorld(b, benchMessages).benchClient(b) }

// benchWorld fills alice's INBOX.
func benchWorld(b *testing.B, messages int) *world {
	engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	w := newWorldOn(b, engine, 0)
	ctx := context.Background()
	letter := benchLetter()
	in := w.store.NewIncoming(ctx)
	if _, err := io.Copy(message.NewCRLFWriter(in), strings.NewReader(letter)); err != nil {
		b.Fatal(err)
	}
	m, err := in.Finish()
	if err != nil {
		b.Fatal(err)
	}
	for range messages / 1000 {
		err := w.account("alice").Update(ctx, func(tx *store.Tx) error {
			for range 1000 {
				if _, err := tx.Append(store.InboxID, m, store.AppendOptions{Flags: []string{`\Seen`}}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return w
}

// benchClient gives a session that has alice's INBOX open.
func (w *world) benchClient(b *testing.B) *sink {
	c := &sink{commands: make(chan string), replied: make(chan bool)}
	done := make(chan struct{})
	server := wire.NewServer(wire.Options{Protocol: "imap", Serve: New(Options{Store: w.store, Gate: w.users.gate(true)}).Serve})
	go func() {
		server.ServeConn(c)
		close(done)
	}()
	b.Cleanup(func() {
		close(c.commands)
		<-done
	})
	c.do(b, "LOGIN alice secret")
	c.do(b, "SELECT INBOX")
	return c
}

// benchLetter is a message of about 8 KB with an ordinary header.
func benchLetter() string {
	header := "Return-Path: <sender@example.test>\nReceived: from mx1.example.test (mx1.example.test [192.0.2.1])\n\tby mail.example.test with ESMTPS id 4XyZ0123\n\tfor <alice@example.test>; Tue, 3 Feb 2026 04:05:06 +0800\n" +
		"Date: Tue, 3 Feb 2026 04:05:05 +0800\nFrom: A Sender <sender@example.test>\nTo: Alice <alice@example.test>\nCc: Bob <bob@example.test>, Carol <carol@example.test>\n" +
		"Subject: Minutes of the meeting on topic42\nMessage-ID: <20260203040505.1234@example.test>\nIn-Reply-To: <20260202@example.test>\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/alternative; boundary=\"----=_Part_1\"\nX-Mailer: bench 1.0\n\n"
	text := strings.Repeat("A line of text as people write them, of ordinary length.\n", 60)
	return header + "------=_Part_1\nContent-Type: text/plain; charset=utf-8\n\n" + text +
		"------=_Part_1\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<p>" + text + "</p>\n------=_Part_1--\n"
}

// BenchmarkCommand runs commands over a mailbox of 10,000 messages.
func BenchmarkCommand(b *testing.B) {
	for _, bench := range []struct {
		name     string
		messages int // each command concerns so many
		command  string
		undo     string // run every second time instead, if not empty
	}{
		{"FetchFlags", benchMessages, "UID FETCH 1:10000 (FLAGS)", ""},
		{"FetchListView", benchMessages, "UID FETCH 1:10000 (ENVELOPE FLAGS INTERNALDATE RFC822.SIZE BODYSTRUCTURE)", ""},
		{"FetchHeaders", benchMessages, "UID FETCH 1:10000 (BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])", ""},
		{"FetchBodies", benchMessages, "UID FETCH 1:10000 (BODY.PEEK[])", ""},
		{"FetchOneBody", 1, "UID FETCH 5000 (BODY.PEEK[])", ""},
		{"SearchUnseen", 1, "UID SEARCH UNSEEN", ""},
		{"SearchAll", benchMessages, "UID SEARCH ALL", ""},
		{"SearchSince", benchMessages, "UID SEARCH SINCE 1-Jan-2030", ""},
		{"SearchSubject", benchMessages, "UID SEARCH SUBJECT topic99", ""},
		{"SearchFrom", benchMessages, "UID SEARCH FROM nobody", ""},
		{"SearchBody", benchMessages, "UID SEARCH BODY nothing-like-that", ""},
		{"SortArrival", benchMessages, "UID SORT (REVERSE ARRIVAL) UTF-8 ALL", ""},
		{"SortDate", benchMessages, "UID SORT (REVERSE DATE) UTF-8 ALL", ""},
		{"SortSubject", benchMessages, "UID SORT (SUBJECT) UTF-8 ALL", ""},
		{"SortFrom", benchMessages, "UID SORT (DISPLAYFROM DATE) UTF-8 ALL", ""},
		{"ThreadReferences", benchMessages, "UID THREAD REFERENCES UTF-8 ALL", ""},
		{"StoreRange", benchMessages, "UID STORE 1:10000 +FLAGS.SILENT (\\Flagged)", "UID STORE 1:10000 -FLAGS.SILENT (\\Flagged)"},
		{"StoreOne", 1, "UID STORE 5000 +FLAGS (\\Flagged)", "UID STORE 5000 -FLAGS (\\Flagged)"},
		{"Select", 1, "SELECT INBOX", ""},
		{"Status", 1, "STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)", ""},
		{"Noop", 1, "NOOP", ""},
		{"List", 1, "LIST \"\" *", ""},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := benchSession(b)
			b.ResetTimer()
			for i := range b.N {
				if bench.undo != "" && i%2 == 1 {
					c.do(b, bench.undo)
				} else {
					c.do(b, bench.command)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bench.messages), "ns/message")
		})
	}
}

// BenchmarkAppend appends messages of 4 KB, alone and a hundred at a time.
func BenchmarkAppend(b *testing.B) {
	letter := strings.ReplaceAll(benchLetter(), "\n", "\r\n")[:4000]
	one := fmt.Sprintf(" (\\Seen) {%d+}\r\n%s", len(letter), letter)
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := benchSession(b)
			command := "APPEND Archive" + strings.Repeat(one, n)
			b.ResetTimer()
			for range b.N {
				c.do(b, command)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/message")
		})
	}
}

// BenchmarkResync selects a mailbox of 50,000 messages after 100 changes, as a client
// does that comes back: with QRESYNC, and without.
func BenchmarkResync(b *testing.B) {
	w := benchWorld(b, 50_000)
	opened, err := w.account("alice").Open(b.Context(), "INBOX")
	if err != nil {
		b.Fatal(err)
	}
	c := w.benchClient(b)
	for i := range 50 {
		c.do(b, fmt.Sprintf("UID STORE %d +FLAGS.SILENT (\\Flagged)", 1+i*1000))
	}
	for i := range 25 {
		c.do(b, fmt.Sprintf("UID MOVE %d Trash", 500+i*1000))
		c.do(b, "APPEND INBOX {5+}\r\na: b\n")
	}
	known := fmt.Sprintf("%d %d", opened.UIDValidity, opened.HighestModSeq)
	for _, bench := range []struct{ name, before, command string }{
		{"Select", "NOOP", "SELECT INBOX"},
		{"QResync", "ENABLE QRESYNC", "SELECT INBOX (QRESYNC (" + known + "))"},
		{"QResyncKnownUIDs", "NOOP", "SELECT INBOX (QRESYNC (" + known + " 1:50000))"},
		{"FetchVanished", "NOOP", fmt.Sprintf("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d VANISHED)", opened.HighestModSeq)},
		{"FetchFlags", "NOOP", "UID FETCH 1:* (FLAGS)"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c.do(b, bench.before)
			for b.Loop() {
				c.do(b, bench.command)
			}
		})
	}
}
