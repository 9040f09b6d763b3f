package smtpd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/inbound"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/wire"
)

// BenchmarkMessage is one message from MAIL to the 250, over TCP and onto a disk,
// all to one account. cpu-µs/op is what server and client together cost.
func BenchmarkMessage(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10} {
		for _, conns := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%dK/%d", size>>10, conns), func(b *testing.B) { benchmarkMessage(b, size, conns) })
		}
	}
}

func benchmarkMessage(b *testing.B, size, conns int) {
	engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { engine.Close() })
	h := &house{t: b, log: slog.New(slog.NewJSONHandler(io.Discard, nil))}
	h.build(inbound.DefaultPolicy(), engine)
	l, err := wire.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.servers["mx"].Serve(l) }()
	b.Cleanup(func() { l.Close(); <-served })

	text := "From: a@remote.test\r\nTo: alice@example.test\r\nSubject: benchmark\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n\r\n" +
		strings.Repeat(strings.Repeat("lorem ipsum ", 6)+"\r\n", size/74) + ".\r\n"
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	left := make(chan struct{}, b.N)
	for range b.N {
		left <- struct{}{}
	}
	close(left)
	b.ResetTimer()
	before := cpuTime()
	done := make(chan struct{})
	for range conns {
		go func() {
			defer func() { done <- struct{}{} }()
			sendAll(b, l.Addr(), left, text)
		}()
	}
	for range conns {
		<-done
	}
	b.StopTimer()
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// sendAll sends the text over one connection as often as there is something left.
func sendAll(b *testing.B, server net.Addr, left <-chan struct{}, text string) {
	nc, err := net.Dial("tcp", server.String())
	if err != nil {
		b.Error(err)
		return
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	expect := func(codes ...string) {
		for _, code := range codes {
			for more := true; more; {
				line, err := r.ReadString('\n')
				if err != nil || !strings.HasPrefix(line, code) {
					b.Errorf("reply %q, %v; want %s", line, err, code)
					return
				}
				more = line[3] == '-'
			}
		}
	}
	expect("220")
	io.WriteString(nc, "EHLO bench.remote.test\r\n")
	expect("250")
	for range left {
		io.WriteString(nc, "MAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n")
		expect("250", "250", "354")
		io.WriteString(nc, text)
		expect("250")
	}
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
