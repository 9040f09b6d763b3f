package queue

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/kv/pebblekv"
)

func benchQueue(engine kv.Engine) *Queue {
	return New(Options{
		Engine: engine, Blobs: memblob.New(memblob.Options{}), Settings: Settings{Hostname: "mail.test", Postmaster: address("postmaster@mail.test")},
	})
}

func benchPebble(b *testing.B) kv.Engine {
	engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { engine.Close() })
	return engine
}

func benchMessage(i int, body []byte) *Message {
	return &Message{
		ID: newIDIn(i%numSlices, time.Now()), Created: time.Now(), From: address("alice@example.test"),
		Recipients: []Recipient{{Address: address(fmt.Sprintf("user%d@domain%d.test", i, i%1000))}}, Body: Body{Data: body},
	}
}

// fill queues n messages to 1,000 domains.
func fill(b *testing.B, engine kv.Engine, n int, body []byte) {
	b.Helper()
	const atOnce = 1000
	for slice := range numSlices {
		for from := slice; from < n; from += numSlices * atOnce {
			shard := sliceShard(slice)
			err := engine.Update(b.Context(), []kv.Shard{shard}, func(tx kv.Tx) error {
				for i := from; i < min(n, from+numSlices*atOnce); i += numSlices {
					if err := Put(tx.In(shard), benchMessage(i, body)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// Starting with a full queue: time and memory for each message.
func BenchmarkRebuild(b *testing.B) {
	for _, bc := range []struct {
		engine string
		n      int
		open   func(*testing.B) kv.Engine
	}{
		{"memkv", 100_000, func(*testing.B) kv.Engine { return memkv.New(memkv.Options{}) }},
		{"pebblekv", 1_000_000, benchPebble},
	} {
		b.Run(fmt.Sprintf("%s/messages=%d", bc.engine, bc.n), func(b *testing.B) {
			engine := bc.open(b)
			fill(b, engine, bc.n, []byte("Subject: x\r\n\r\n"))
			var q *Queue
			b.ResetTimer()
			for range b.N {
				q = benchQueue(engine)
				if err := (&loader{queue: q}).all(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			if size := q.schedule.size(); size != bc.n {
				b.Fatalf("%d messages in the schedule", size)
			}
			with := heapInUse()
			q.schedule = nil
			b.ReportMetric(float64(with-heapInUse())/float64(bc.n), "B/message")
			runtime.KeepAlive(engine)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bc.n), "ns/message")
		})
	}
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// From Put to the record of the delivery, with a remote side that costs nothing.
func BenchmarkPutAndDeliver(b *testing.B) {
	body := bytes.Repeat([]byte("Lorem ipsum dolor sit amet.\r\n"), 140) // 4 KB
	for name, open := range map[string]func(*testing.B) kv.Engine{
		"memkv": func(*testing.B) kv.Engine { return memkv.New(memkv.Options{}) }, "pebblekv": benchPebble,
	} {
		b.Run(name, func(b *testing.B) { putAndDeliver(b, open(b), body) })
	}
}

func putAndDeliver(b *testing.B, engine kv.Engine, body []byte) {
	q := benchQueue(engine)
	ctx, cancel := context.WithCancel(b.Context())
	var ended, left sync.WaitGroup
	ended.Go(func() {
		_ = q.Run(ctx, func(ctx context.Context, j *Job) []Result {
			defer left.Done()
			content, err := j.Open(ctx)
			if err != nil {
				b.Error(err)
				return nil
			}
			content.Close()
			return slices.Repeat([]Result{{Outcome: Accepted, Reply: noReply}}, len(j.Recipients))
		})
	})
	b.ReportAllocs()
	left.Add(b.N)
	b.SetParallelism(64)
	var next int
	var mu sync.Mutex
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.Lock()
			next++
			m := benchMessage(next, body)
			mu.Unlock()
			shard := ShardOf(m.ID)
			if err := engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error { return Put(tx.In(shard), m) }); err != nil {
				b.Error(err)
			}
		}
	})
	left.Wait()
	cancel()
	ended.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
