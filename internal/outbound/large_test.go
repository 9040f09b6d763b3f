package outbound

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"posthorn/internal/blob/fsblob"
	"posthorn/internal/dns/dnstest"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/queue"
	"posthorn/internal/wire/wiretest"
)

// A message of 100 MB takes no more memory on its way out than a small one: from the
// blob store, over the queue, as it is or in another form, onto the wire.
func TestLargeMessageStreams(t *testing.T) {
	const room = 8 << 20
	for _, tc := range []struct {
		name, line, offers string
		size               int
		change             func(*queue.Message)
	}{
		{"as it is", "a line of text\r\n", "250 8BITMIME", 100_000_000, func(*queue.Message) {}},
		{"8-bit, to a server that does not take it", "eine Zeile f\xc3\xbcr dich\r\n", "250 PIPELINING", 40_000_000, func(m *queue.Message) { m.EightBit = true }},
		{"binary, in chunks", "a\nline\r\x00\x01\r\n", "250-CHUNKING\r\n250 BINARYMIME", 100_000_000, func(m *queue.Message) { m.Binary = true }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			blobs, err := fsblob.Open(t.TempDir(), fsblob.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer blobs.Close()
			w, err := blobs.Create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			block := []byte(strings.Repeat(tc.line, 5000))
			head := "Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
			written, err := io.WriteString(w, head)
			for err == nil && written < tc.size {
				var n int
				n, err = w.Write(block)
				written += n
			}
			if err != nil {
				t.Fatal(err)
			}
			id, err := w.Commit()
			if err != nil {
				t.Fatal(err)
			}
			m := mail("bob@remote.test").message
			m.Body = queue.Body{Blob: id, Size: int64(written)}
			tc.change(m)
			s := &sink{t: t, offers: tc.offers}
			deliverLarge(t, s, blobs, m)
			if s.received < int64(tc.size) || s.peak-s.start > room {
				t.Errorf("%d bytes arrived, and took up to %d bytes of memory", s.received, int64(s.peak)-int64(s.start))
			}
		})
	}
}

// deliverLarge has a queue deliver one message to a sink.
func deliverLarge(t *testing.T, s *sink, blobs *fsblob.Store, m *queue.Message) {
	t.Helper()
	out := New(Options{Hostname: "our.example.test", Resolver: dnstest.New(t, "remote.test A 192.0.2.1").Resolver(), Dial: s.dial})
	engine := memkv.New(memkv.Options{})
	q := queue.New(queue.Options{
		Settings: queue.Settings{Hostname: "our.example.test", Postmaster: mailbox("postmaster@example.test")}, Engine: engine, Blobs: blobs,
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	delivered := make(chan queue.Result, 1)
	go func() {
		done <- q.Run(ctx, func(ctx context.Context, j *queue.Job) []queue.Result {
			results := out.Deliver(ctx, j)
			delivered <- results[0]
			return results
		})
	}()
	s.measure()
	s.start = s.peak
	shard := queue.ShardOf(m.ID)
	if err := engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return queue.Put(tx.In(shard), m) }); err != nil {
		t.Fatal(err)
	}
	if r := <-delivered; r.Outcome != queue.Accepted {
		t.Errorf("%s", tell(r))
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	out.Close()
}

// sink is a server that takes messages of any size, and keeps none.
type sink struct {
	t           *testing.T
	offers      string
	received    int64
	start, peak uint64
}

func (s *sink) dial(context.Context, netip.Addr, string, string) (net.Conn, error) {
	client, server := wiretest.Pair()
	go s.serve(server) // until the client hangs up, which Outbound.Close waits for
	return client, nil
}

// measure looks at how much memory is in use; what is garbage already says nothing.
func (s *sink) measure() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	s.peak = max(s.peak, m.HeapAlloc)
}

func (s *sink) serve(nc net.Conn) {
	defer nc.Close()
	r := bufio.NewReaderSize(nc, 64<<10)
	say := func(text string) { _, _ = io.WriteString(nc, text+"\r\n") }
	say("220 sink")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, args, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "EHLO":
			say("250-sink\r\n" + s.offers)
		case "DATA":
			say("354 go on")
			s.swallow(r)
			say("250 2.0.0 Taken")
		case "BDAT":
			var n int64
			fmt.Sscan(args, &n)
			s.count(io.CopyN(io.Discard, r, n))
			say("250 2.0.0 Taken")
		default:
			say("250 2.0.0 Fine")
		}
	}
}

func (s *sink) count(n int64, _ error) {
	if before := s.received; before>>20 != (before+n)>>20 {
		s.measure()
	}
	s.received += n
}

// swallow reads to the end of a message.
func (s *sink) swallow(r *bufio.Reader) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			s.t.Error(err)
			return
		}
		if bytes.Equal(line, []byte(".\r\n")) {
			return
		}
		s.count(int64(len(line)), nil)
	}
}
