package imapd

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"posthorn/internal/store"
)

// largeMessages: with a million it takes minutes and 3 GB of disk, and is no part of
// any gate.
var largeMessages = flag.Int("messages", 50_000, "how many messages INBOX has in BenchmarkLarge")

// BenchmarkLarge runs what clients do on a mailbox of 50,000 small messages, or of as many
// as -messages says, and beside it, where the size should make no difference, on one of ten.
//
//	go test -run '^$' -bench Large ./internal/imapd -args -messages 1000000
func BenchmarkLarge(b *testing.B) {
	w := largeWorld(b, *largeMessages)
	b.Run("Open", func(b *testing.B) { w.benchOpen(b) })
	benchBeside(b, w)
	b.Run("Idle1000", func(b *testing.B) { w.benchIdle(b, "INBOX", 1000) })
	c := w.benchClient(b)
	c.do(b, "ENABLE QRESYNC")
	known := w.changeHundred(b)
	b.Run("QResync", func(b *testing.B) { c.repeat(b, "SELECT INBOX (QRESYNC ("+known+"))", "") })
	if *largeMessages <= 100_000 {
		benchWhole(b, w.benchClient(b))
	}
	benchTransfers(b, w)
}

// benchBeside runs what should cost the same in INBOX as in a mailbox of ten.
func benchBeside(b *testing.B, w *world) {
	boxes := []struct {
		name     string
		messages int
		client   *sink
	}{{"INBOX", *largeMessages, w.benchClient(b)}, {"Ten", 10, w.benchClient(b)}}
	for _, bench := range []struct{ name, command, undo string }{
		{"Select", "SELECT BOX", ""},
		{"Status", "STATUS BOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE)", ""},
		{"FetchLast", "FETCH LAST:* (UID FLAGS ENVELOPE RFC822.SIZE BODYSTRUCTURE)", ""},
		{"StoreOne", "UID STORE MIDDLE +FLAGS (\\Flagged)", "UID STORE MIDDLE -FLAGS (\\Flagged)"},
		{"SearchUnseen", "UID SEARCH UNSEEN", ""},
	} {
		for _, box := range boxes {
			in := strings.NewReplacer("BOX", box.name, "LAST", fmt.Sprint(max(1, box.messages-49)), "MIDDLE", fmt.Sprint(box.messages/2))
			box.client.do(b, "SELECT "+box.name)
			b.Run(bench.name+"/"+box.name, func(b *testing.B) {
				box.client.repeat(b, in.Replace(bench.command), in.Replace(bench.undo))
			})
		}
	}
	for _, box := range boxes {
		b.Run("Deliver/"+box.name, func(b *testing.B) { w.benchDeliver(b, box.name) })
	}
	for _, box := range boxes {
		b.Run("Idle/"+box.name, func(b *testing.B) { w.benchIdle(b, box.name, 1) })
	}
}

func (c *sink) repeat(b *testing.B, command, undo string) {
	b.ReportAllocs()
	for b.Loop() {
		c.do(b, command)
		if undo != "" {
			command, undo = undo, command
		}
	}
}

// benchWhole runs what concerns all messages.
func benchWhole(b *testing.B, c *sink) {
	for _, bench := range []struct{ name, command, undo string }{
		{"FetchFlags", "UID FETCH 1:* (FLAGS)", ""},
		{"FetchListView", "UID FETCH 1:* (ENVELOPE FLAGS INTERNALDATE RFC822.SIZE BODYSTRUCTURE)", ""},
		{"FetchHeaders", "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])", ""},
		{"FetchBodies", "UID FETCH 1:* (BODY.PEEK[])", ""},
		{"SearchFlagged", "UID SEARCH FLAGGED", ""},
		{"SearchSince", "UID SEARCH SINCE 1-Feb-2026", ""},
		{"SortArrival", "UID SORT (REVERSE ARRIVAL) UTF-8 ALL", ""},
		{"SortSubject", "UID SORT (SUBJECT) UTF-8 ALL", ""},
		{"SortFrom", "UID SORT (DISPLAYFROM DATE) UTF-8 ALL", ""},
		{"ThreadReferences", "UID THREAD REFERENCES UTF-8 ALL", ""},
		{"StoreAll", "UID STORE 1:* +FLAGS.SILENT (\\Flagged)", "UID STORE 1:* -FLAGS.SILENT (\\Flagged)"},
	} {
		b.Run(bench.name, func(b *testing.B) { c.repeat(b, bench.command, bench.undo) })
	}
}

// benchTransfers copies, moves and expunges 10,000 messages at a time.
func benchTransfers(b *testing.B, w *world) {
	c := w.benchClient(b)
	some := fmt.Sprint("1:", min(10_000, *largeMessages))
	for _, name := range []string{"Copies", "There", "Here", "Bin"} {
		c.do(b, "CREATE "+name)
	}
	b.Run("Copy10k", func(b *testing.B) { c.repeat(b, "COPY "+some+" Copies", "") })
	c.do(b, "COPY "+some+" Here")
	b.Run("Move10k", func(b *testing.B) {
		from, to := "Here", "There"
		for b.Loop() {
			c.do(b, "SELECT "+from)
			c.do(b, "UID MOVE 1:* "+to)
			from, to = to, from
		}
	})
	b.Run("Expunge10k", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			c.do(b, "SELECT INBOX")
			c.do(b, "COPY "+some+" Bin")
			c.do(b, "SELECT Bin")
			c.do(b, "UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
			b.StartTimer()
			c.do(b, "EXPUNGE")
		}
	})
}

// largeWorld fills alice's INBOX through the store, and a mailbox with ten messages.
func largeWorld(b *testing.B, messages int) *world {
	w := benchWorld(b, 0)
	letters := make([]*store.Message, 1000)
	for i := range letters {
		letters[i] = smallLetter(b, w.store, i)
	}
	account := w.account("alice")
	fill := func(mailbox string, from, to int) {
		err := account.Update(context.Background(), func(tx *store.Tx) error {
			box, err := tx.Mailbox(mailbox)
			for i := from; i < to && err == nil; i++ {
				o := store.AppendOptions{InternalDate: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)}
				if i%20_000 != 7 {
					o.Flags = []string{`\Seen`}
				}
				_, err = tx.Append(box.ID, letters[i%len(letters)], o)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	begun := time.Now()
	for at := 0; at < messages; at += 1000 {
		fill("INBOX", at, min(at+1000, messages))
	}
	b.Logf("filled with %d messages, %v each", messages, time.Since(begun)/time.Duration(messages))
	err := account.Update(context.Background(), func(tx *store.Tx) error {
		_, err := tx.CreateMailbox("Ten", "")
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	fill("Ten", 0, 10)
	return w
}

// smallLetter is a message of about half a kilobyte; every tenth begins a thread.
func smallLetter(b *testing.B, s *store.Store, i int) *store.Message {
	in := s.NewIncoming(context.Background())
	fmt.Fprintf(in, "From: Sender %d <sender%03d@example.test>\r\nTo: Alice <alice@example.test>\r\nSubject: Re: topic %d\r\n"+
		"Date: Tue, 3 Feb 2026 04:%02d:05 +0800\r\nMessage-ID: <%d@example.test>\r\nIn-Reply-To: <%d@example.test>\r\n\r\n%s",
		i%97, i%97, i/10, i%60, i, i/10*10, strings.Repeat("A line of text, as people write them.\r\n", 6))
	m, err := in.Finish()
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// changeHundred changes a hundred messages and gives what a client that has missed that
// says when it comes back.
func (w *world) changeHundred(b *testing.B) (known string) {
	opened, err := w.account("alice").Open(b.Context(), "INBOX")
	if err != nil {
		b.Fatal(err)
	}
	c := w.benchClient(b)
	step := max(1, *largeMessages/50)
	for i := range 50 {
		c.do(b, fmt.Sprintf("UID STORE %d +FLAGS.SILENT (\\Flagged)", 1+i*step))
	}
	for i := range 25 {
		c.do(b, fmt.Sprintf("UID MOVE %d Trash", 2+i*step))
		c.do(b, "APPEND INBOX {5+}\r\na: b\n")
	}
	return fmt.Sprintf("%d %d", opened.UIDValidity, opened.HighestModSeq)
}

// benchOpen opens INBOX for the first time since the server was started.
func (w *world) benchOpen(b *testing.B) {
	var opened store.Opened
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		opened = store.Opened{}
		fresh := store.New(store.Options{Engine: w.engine, Blobs: w.blobs}).Account(w.users["alice"])
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		var err error
		if opened, err = fresh.Open(b.Context(), "INBOX"); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(opened.Snapshot.Len()), "B/message")
	runtime.KeepAlive(opened)
}

// benchDeliver delivers one message at a time, while nobody looks.
func (w *world) benchDeliver(b *testing.B, mailbox string) {
	b.ReportAllocs()
	for b.Loop() {
		if err := w.deliver("alice", mailbox, "Subject: new\r\n\r\ntext\r\n"); err != nil {
			b.Fatal(err)
		}
	}
}

// benchIdle delivers messages of which so many sessions in IDLE are told, and waits for
// all of them each time.
func (w *world) benchIdle(b *testing.B, mailbox string, sessions int) {
	idling, told := make(chan bool), make(chan bool, sessions)
	for range sessions {
		nc := w.imap.Dial()
		defer nc.Close()
		go func() {
			lines, begun := bufio.NewScanner(nc), false
			for lines.Scan() {
				switch {
				case strings.HasPrefix(lines.Text(), "+ "):
					begun = true
					idling <- true
				case begun && strings.HasSuffix(lines.Text(), " EXISTS"):
					told <- true
				}
			}
		}()
		fmt.Fprintf(nc, "a LOGIN alice secret\r\nb SELECT %s\r\nc IDLE\r\n", mailbox)
		<-idling
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.deliver("alice", mailbox, "Subject: new\r\n\r\ntext\r\n"); err != nil {
			b.Fatal(err)
		}
		for range sessions {
			<-told
		}
	}
}
