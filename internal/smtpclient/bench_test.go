package smtpclient_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"posthorn/internal/smtpclient"
)

// BenchmarkSend is one message over a connection that is there already, to a server
// that does nothing with it.
func BenchmarkSend(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if nc, err := l.Accept(); err == nil {
			sink(nc)
		}
	}()
	b.Cleanup(func() { l.Close(); <-done })
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	c, err := smtpclient.Open(context.Background(), nc, smtpclient.Options{Hostname: "client.test"})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	body := []byte(strings.Repeat(strings.Repeat("x", 74)+"\r\n", 54))
	m := letter("bob@example.test")
	m.Size = int64(len(body))
	b.ReportAllocs()
	b.SetBytes(m.Size)
	for b.Loop() {
		if o := c.Send(context.Background(), m, bytes.NewReader(body)); o[0].Err != nil {
			b.Fatal(o[0].Err)
		}
	}
}

// sink takes every message.
func sink(nc net.Conn) {
	defer nc.Close()
	r := bufio.NewReaderSize(nc, 64<<10)
	io.WriteString(nc, "220 sink ESMTP\r\n")
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		switch {
		case bytes.HasPrefix(line, []byte("EHLO")):
			io.WriteString(nc, "250-sink\r\n250-PIPELINING\r\n250 SIZE\r\n")
		case bytes.HasPrefix(line, []byte("DATA")):
			io.WriteString(nc, "250 2.1.0 Fine\r\n250 2.1.5 Fine\r\n354 Go on\r\n")
			for !bytes.Equal(line, []byte(".\r\n")) && err == nil {
				line, err = r.ReadSlice('\n')
			}
			io.WriteString(nc, "250 2.0.0 Taken\r\n")
		}
	}
}
