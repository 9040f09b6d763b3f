package pop3d

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"posthorn/internal/kv/pebblekv"
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
