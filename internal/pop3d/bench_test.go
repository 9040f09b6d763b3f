package pop3d

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// benchClient logs in to a server on loopback, with an INBOX of so many messages of
// 8 KB in Pebble.
func benchClient(b *testing.B, messages int) *client {
	engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	h := &house{t: b}
	h.furnish(engine)
	text := "Subject: a message\r\nFrom: bob@example.test\r\n\r\n" + strings.Repeat("A line of some seventy characters, as they are in most of the mail..\r\n", 115)
	all := make([]string, messages)
	for i := range all {
		all[i] = text
	}
	h.must(h.deliver("alice", all...))

	o := Options{Hostname: "mail.example.test", Store: h.store, Gate: gate(true)}
	s := wire.NewServer(wire.Options{Protocol: "pop3", Serve: New(o).Serve})
	l, err := wire.Listen(b.Context(), "127.0.0.1:0")
	h.must(err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	h.must(err)
	b.Cleanup(func() {
		nc.Close()
		s.Shutdown(b.Context())
		h.must(<-served)
		h.must(engine.Close())
	})
	c := &client{b, nc, bufio.NewReaderSize(nc, 64<<10)}
	c.status()
	c.cmd("USER alice")
	c.cmd("PASS open sesame")
	return c
}

// skip reads a multi-line response.
func (c *client) skip(b *testing.B) (lines int) {
	for ; ; lines++ {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if len(line) == 3 && line[0] == '.' {
			return lines
		}
	}
}

func BenchmarkRETR(b *testing.B) {
	const messages = 200
	for _, pipeline := range []int{1, 50} {
		b.Run(fmt.Sprintf("pipelined-%d", pipeline), func(b *testing.B) {
			c := benchClient(b, messages)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += pipeline {
				var commands strings.Builder
				for k := range pipeline {
					fmt.Fprintf(&commands, "RETR %d\r\n", (i+k)%messages+1)
				}
				io.WriteString(c.nc, commands.String())
				for range pipeline {
					c.status()
					c.skip(b)
				}
			}
		})
	}
}

func BenchmarkUIDL(b *testing.B) {
	const messages = 10_000
	c := benchClient(b, messages)
	b.ReportAllocs()
	for b.Loop() {
		c.cmd("UIDL")
		if n := c.skip(b); n != messages {
			b.Fatalf("%d lines", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/messages, "ns/message")
}

// What it costs to open a maildrop of 100,000 messages, and to know their number and
// size: by a server that has never seen it ("cold"), and by one that has.
func BenchmarkOpen(b *testing.B) {
	const messages, batch = 100_000, 1000
	engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Close()
	h := &house{t: b}
	h.furnish(engine)
	in := h.store.NewIncoming(b.Context())
	io.WriteString(in, "Subject: a message\r\n\r\nbody\r\n")
	m, err := in.Finish()
	h.must(err)
	for range messages / batch {
		h.must(h.store.Account(1).Update(b.Context(), func(tx *store.Tx) error {
			for range batch {
				if _, err := tx.Append(store.InboxID, m, store.AppendOptions{}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	m.Release()
	for _, cold := range []bool{true, false} {
		b.Run(map[bool]string{true: "cold", false: "warm"}[cold], func(b *testing.B) {
			for b.Loop() {
				if cold {
					h.store = store.New(store.Options{Engine: engine, Blobs: memblob.New(memblob.Options{})})
				}
				d, err := openMaildrop(b.Context(), h.store.Account(1), Settings{})
				h.must(err)
				if n, _ := d.total(); n != messages {
					b.Fatal(n)
				}
			}
		})
	}
}
