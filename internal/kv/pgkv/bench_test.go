package pgkv_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/kv/pgkv"
	"posthorn/internal/kv/pgkv/pgtest"
)

// deliver is an Update as a delivery makes it: a counter is read, four keys are
// written, one of them a body of 4 KB.
func deliver(b *testing.B, engine kv.Engine, shard kv.Shard, body []byte) {
	err := engine.Update(b.Context(), []kv.Shard{shard}, func(tx kv.Tx) error {
		w := tx.In(shard)
		var n uint64
		if value, ok, err := w.Get([]byte("modseq")); err != nil {
			return err
		} else if ok {
			fmt.Sscanf(string(value), "%d", &n)
		}
		for key, value := range map[string][]byte{
			"modseq":                     fmt.Appendf(nil, "%d", n+1),
			fmt.Sprintf("record/%d", n):  body[:300],
			fmt.Sprintf("changes/%d", n): body[:20],
			fmt.Sprintf("body/%d", n):    body,
		} {
			if err := w.Put([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkUpdate has so many goroutines deliver, each to a shard of its own, or
// all to one.
func BenchmarkUpdate(b *testing.B) {
	for _, goroutines := range []int{1, 8, 32} {
		for _, shards := range slices.Compact([]int{goroutines, 1}) {
			b.Run(fmt.Sprintf("goroutines=%d/shards=%d", goroutines, shards), func(b *testing.B) {
				server, engine := benchmarkEngine(b)
				body := make([]byte, 4096)
				for i := range body {
					body[i] = byte(i * i >> 3)
				}
				deliver(b, engine, "warm up", body)
				defer measure(b, server)()
				parallel(b, goroutines, func(g, _ int) {
					deliver(b, engine, kv.Shard(fmt.Sprintf("a/%d", g%shards)), body)
				})
			})
		}
	}
}

func BenchmarkView(b *testing.B) {
	server, engine := benchmarkEngine(b)
	for _, rows := range []int{1, 10_000, 50_000} {
		shard := kv.Shard(fmt.Sprintf("a/%d", rows))
		err := engine.Update(b.Context(), []kv.Shard{shard}, func(tx kv.Tx) error {
			for i := range rows {
				if err := tx.In(shard).Put(fmt.Appendf(nil, "%06d", i), make([]byte, 20)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("scan/rows=%d", rows), func(b *testing.B) {
			defer measure(b, server)()
			for range b.N {
				n := 0
				err := engine.View(b.Context(), shard, func(r kv.Reader) error {
					return r.Scan(kv.Range{}, func(_, _ []byte) bool { n++; return true })
				})
				if err != nil || n != rows {
					b.Fatal(n, err)
				}
			}
		})
	}
	for _, goroutines := range []int{1, 8} {
		b.Run(fmt.Sprintf("get/goroutines=%d", goroutines), func(b *testing.B) {
			defer measure(b, server)()
			parallel(b, goroutines, func(_, i int) {
				err := engine.View(b.Context(), "a/50000", func(r kv.Reader) error {
					_, _, err := r.Get(fmt.Appendf(nil, "%06d", i%50_000))
					return err
				})
				if err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func benchmarkEngine(b *testing.B) (*pgtest.Server, *pgkv.Engine) {
	server := pgtest.Start(b)
	return server, openEngine(b, pgkv.Options{DSN: server.DSN(server.NewDatabase(b)), MaxWriters: 32})
}

// parallel calls do b.N times in all.
func parallel(b *testing.B, goroutines int, do func(g, i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				do(g, int(i))
			}
		})
	}
	all.Wait()
}

// measure begins to measure, and reports at its end, besides the time, the rate
// and the processor time of both sides.
func measure(b *testing.B, server *pgtest.Server) (end func()) {
	serverBefore, ownBefore := server.CPU(), ownCPU()
	b.ResetTimer()
	return func() {
		b.StopTimer()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		b.ReportMetric(float64((server.CPU()-serverBefore).Microseconds())/float64(b.N), "server-µs/op")
		b.ReportMetric(float64((ownCPU()-ownBefore).Microseconds())/float64(b.N), "client-µs/op")
	}
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
