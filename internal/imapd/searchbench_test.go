package imapd

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/message"
	"posthorn/internal/search"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// BenchmarkSearch runs searches over 50,000 messages of about 8 KB in the words of
// many people, with an index and (Slow) over a tenth of them without.
func BenchmarkSearch(b *testing.B) {
	for _, bench := range []struct {
		name     string
		messages int
		indexed  bool
	}{{"Indexed50k", 50_000, true}, {"Indexed10k", 10_000, true}, {"Slow5k", 5_000, false}} {
		b.Run(bench.name, func(b *testing.B) {
			c := searchSession(b, bench.messages, bench.indexed)
			for _, key := range []struct{ name, key string }{
				{"SubjectRare", "SUBJECT topic42"},
				{"SubjectWords", `SUBJECT "of the meeting on topic42"`},
				{"SubjectAll", "SUBJECT meeting"},
				{"From", "FROM sender017"},
				{"FromAddress", `FROM "sender017@example.test"`},
				{"MessageID", "HEADER Message-ID <4711.mail@example.test>"},
				{"BodyRare", "BODY needle17"},
				{"BodyAbsent", "BODY nothinglikethis"},
				{"BodyCommon", "BODY word0001"},
				{"BodyInside", "BODY ord00123"},
				{"BodyLetter", "BODY o"},
				{"BodyPhrase", `BODY "needle17 word"`},
				{"TextRare", "TEXT needle17"},
				{"Chinese", `BODY {6+}` + "\r\n北京"},
				{"ChineseRare", `BODY {6+}` + "\r\n龙舟"},
				{"Chinese4", `BODY {12+}` + "\r\n北京大学"},
				{"Since", "SINCE 1-Jun-2026"},
				{"AndUnseen", "UNSEEN BODY needle17"},
			} {
				b.Run(key.name, func(b *testing.B) {
					for b.Loop() {
						c.do(b, "UID SEARCH "+key.key)
					}
				})
			}
		})
	}
}

// searchSession is a session of alice's, whose INBOX has so many messages.
func searchSession(b *testing.B, messages int, indexed bool) *sink {
	engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	w := newWorldOn(b, engine, 0)
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(1, 2))
	for at := 0; at < messages; at += 500 {
		err := w.account("alice").Update(ctx, func(tx *store.Tx) error {
			for i := at; i < at+500; i++ {
				m := searchLetter(b, w.store, rng, i)
				_, err := tx.Append(store.InboxID, m, store.AppendOptions{
					Flags: []string{`\Seen`}, InternalDate: time.Date(2026, 1, 1, 0, i*10, 0, 0, time.FixedZone("", 8*3600)),
				})
				m.Release()
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	o := Options{Store: w.store, Gate: w.users.gate(true)}
	if indexed {
		index := search.New(search.Options{Engine: engine, Store: w.store})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		if err := index.CatchUp(ctx, w.users["alice"]); err != nil {
			b.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		b.Logf("indexed %d messages, %v each; %d MB allocated", messages, time.Since(start)/time.Duration(messages), (after.TotalAlloc-before.TotalAlloc)>>20)
		o.Index = index
	}
	c := &sink{commands: make(chan string), replied: make(chan bool)}
	done := make(chan struct{})
	server := wire.NewServer(wire.Options{Protocol: "imap", Serve: New(o).Serve})
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

// searchLetter is message i: its words follow a law like that of languages, one in 64
// has a needle, one in 50 is in Chinese.
func searchLetter(b *testing.B, s *store.Store, rng *rand.Rand, i int) *store.Message {
	var text strings.Builder
	for n := range 1000 {
		word := int(30_000 / (1 + 29_999*rng.Float64())) // 1 to 30,000, low ones often
		fmt.Fprintf(&text, "word%05d ", word)
		if n%12 == 11 {
			text.WriteString("\r\n")
		}
	}
	if i%64 == 17 {
		text.WriteString("needle17 word\r\n")
	}
	kind := "Content-Type: text/plain; charset=utf-8\r\n\r\n"
	body := text.String()
	if i%50 == 0 {
		var han strings.Builder
		for range 2000 {
			han.WriteRune(rune(0x4e00 + int(3000*rng.Float64()*rng.Float64())))
		}
		fmt.Fprintf(&han, "我在北京大学。")
		if i%1000 == 0 {
			han.WriteString("龙舟")
		}
		kind = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		body = base64.StdEncoding.EncodeToString([]byte(han.String())) + "\r\n"
	}
	in := s.NewIncoming(context.Background())
	_, err := fmt.Fprintf(in, "Received: from mx%d.example.test by mail.example.test with ESMTPS id %x; Tue, 3 Feb 2026 04:05:06 +0800\r\n"+
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.test; b=%x\r\n"+
		"From: Sender %d <sender%03d@example.test>\r\nTo: Alice <alice@example.test>\r\nSubject: Minutes %d of the meeting on topic%02d\r\nMessage-ID: <%d.mail@example.test>\r\n%s",
		i%9, rng.Uint64(), rng.Uint64(), i%200, i%200, i, i%100, i, kind)
	if err == nil {
		_, err = io.Copy(message.NewCRLFWriter(in), strings.NewReader(body))
	}
	if err != nil {
		b.Fatal(err)
	}
	m, err := in.Finish()
	if err != nil {
		b.Fatal(err)
	}
	return m
}
