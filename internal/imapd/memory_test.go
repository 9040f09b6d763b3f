package imapd

import (
	"bufio"
	"compress/flate"
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"posthorn/internal/store"
	"posthorn/internal/wire"
)

// BenchmarkIdleMemory reports what a session in IDLE costs, stack and heap, its
// mailbox's snapshot and the client's end of the connection included, the kernel's
// share not. It measures once, whatever b.N is.
func BenchmarkIdleMemory(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkIdleMemory(b, false) })
	b.Run("compressed", func(b *testing.B) { benchmarkIdleMemory(b, true) })
}

func benchmarkIdleMemory(b *testing.B, compressed bool) {
	const sessions = 500
	w := newWorld(b)
	for i := range sessions {
		w.users[fmt.Sprint("user", i)] = store.AccountID(100 + i)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := wire.NewServer(wire.Options{Protocol: "imap", Serve: New(Options{Store: w.store, Gate: w.users.gate(true)}).Serve})
	go server.Serve(listener)
	defer server.Shutdown(context.Background())
	for name := range w.users {
		w.deliver(name, "INBOX", "Subject: hello\r\n\r\n")
	}
	deflater, _ := flate.NewWriter(nil, flate.BestSpeed)
	heapBefore, stackBefore := inUse()
	for i := range sessions {
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		r := bufio.NewReader(client)
		until := func(prefix string) {
			for line := ""; !strings.HasPrefix(line, prefix); {
				if line, err = r.ReadString('\n'); err != nil {
					b.Fatal(err)
				}
			}
		}
		fmt.Fprintf(client, "a LOGIN user%d secret\r\nb SELECT INBOX\r\n", i)
		if !compressed {
			fmt.Fprintf(client, "c IDLE\r\n")
			until("+")
			continue
		}
		fmt.Fprintf(client, "c COMPRESS DEFLATE\r\n")
		until("c OK")
		deflater.Reset(client)
		fmt.Fprintf(deflater, "d IDLE\r\n")
		deflater.Flush()
		r.ReadByte() // something compressed: that it idles
	}
	time.Sleep(3 * time.Second) // until wire gives the buffers back
	heap, stack := inUse()
	b.ReportMetric(float64(heap-heapBefore)/sessions, "heap-B/session")
	b.ReportMetric(float64(stack-stackBefore)/sessions, "stack-B/session")
}

func inUse() (heap, stack uint64) {
	var m runtime.MemStats
	for range 5 {
		runtime.GC() // each of them may halve stacks
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.StackInuse
}
