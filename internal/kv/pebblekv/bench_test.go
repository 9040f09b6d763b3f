package pebblekv_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthorn/internal/kv"
	"posthorn/internal/kv/pebblekv"
)

// disk is the operating system's file system, with a count of what is done to it.
// It is the same as without but for one more call on each write and sync.
type disk struct {
	vfs.FS
	syncs, written atomic.Int64
}

func (d *disk) Unwrap() vfs.FS { return d.FS }

func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	return diskFile{f, d}, err
}

func (d *disk) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(old, name, category)
	return diskFile{f, d}, err
}

type diskFile struct {
	vfs.File
	disk *disk
}

func (f diskFile) Write(p []byte) (int, error) {
	f.disk.written.Add(int64(len(p)))
	return f.File.Write(p)
}

func (f diskFile) Sync() error {
	f.disk.syncs.Add(1)
	return f.File.Sync()
}

func (f diskFile) SyncData() error {
	f.disk.syncs.Add(1)
	return f.File.SyncData()
}

func openBench(b *testing.B) (*pebblekv.Engine, *disk) {
	b.Helper()
	d := &disk{FS: vfs.Default}
	engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{FS: d, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = engine.Close() })
	return engine, d
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// reportCPU reports the processor time since then, which says more than the time
// that passed where others are at work too.
func reportCPU(b *testing.B, then time.Duration) {
	b.ReportMetric(float64((cpu()-then).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// deliver does what the delivery of a small message does: it reads a counter and
// writes six small keys and a body.
func deliver(b *testing.B, engine kv.Engine, shard kv.Shard, n uint64, body []byte) {
	err := engine.Update(b.Context(), []kv.Shard{shard}, func(tx kv.Tx) error {
		w := tx.In(shard)
		if _, _, err := w.Get([]byte("modseq")); err != nil {
			return err
		}
		small := []byte("thirty-two bytes of information.")
		for _, key := range []string{"modseq", "mailbox/1", "quota"} {
			if err := w.Put([]byte(key), small); err != nil {
				return err
			}
		}
		for _, key := range []string{"feed/%016x", "index/%016x", "id/%016x"} {
			if err := w.Put(fmt.Appendf(nil, key, n), small); err != nil {
				return err
			}
		}
		return w.Put(fmt.Appendf(nil, "body/%016x", n), body)
	})
	if err != nil {
		b.Error(err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		for _, shards := range []string{"own", "one"} {
			b.Run(fmt.Sprintf("writers=%d/shards=%s", writers, shards), func(b *testing.B) {
				engine, d := openBench(b)
				text := letters(1 << 20)
				var ids atomic.Uint64
				b.ReportAllocs()
				syncs, written, used := d.syncs.Load(), d.written.Load(), cpu()
				b.ResetTimer()
				run(b, writers, func() {
					n := ids.Add(1)
					shard := kv.Shard("a/0")
					if shards == "own" {
						shard = kv.Shard(fmt.Sprintf("a/%d", n%1000))
					}
					start := n * 7919 % (1<<20 - 4096)
					deliver(b, engine, shard, n, text[start:start+4096])
				})
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
				b.ReportMetric(float64(d.syncs.Load()-syncs)/float64(b.N), "syncs/commit")
				b.ReportMetric(float64(d.written.Load()-written)/float64(b.N), "written-B/op")
				reportCPU(b, used)
			})
		}
	}
}

// letters is n bytes that compress about as well as mail does.
func letters(n int) []byte {
	text := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(text)
	for i, c := range text {
		text[i] = "etaoin shrdlucmfwypvbgkjqxz ETAO"[c%32]
	}
	return text
}

// run calls fn b.N times from a number of goroutines.
func run(b *testing.B, goroutines int, fn func()) {
	var next atomic.Int64
	done := make(chan struct{})
	for range goroutines {
		go func() {
			for next.Add(1) <= int64(b.N) {
				fn()
			}
			done <- struct{}{}
		}()
	}
	for range goroutines {
		<-done
	}
}

// fill stores n rows of a size in each of some shards.
func fill(b *testing.B, engine kv.Engine, shards, n, size int) {
	b.Helper()
	value := make([]byte, size)
	random := rand.NewChaCha8([32]byte{})
	for s := range shards {
		shard := kv.Shard(fmt.Sprintf("a/%d", s))
		err := engine.Update(b.Context(), []kv.Shard{shard}, func(tx kv.Tx) error {
			for i := range n {
				_, _ = random.Read(value[:size/2]) // the other half compresses
				if err := tx.In(shard).Put(fmt.Appendf(nil, "r/%08d", i), value); err != nil {
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

func BenchmarkScan(b *testing.B) {
	const rows = 10_000
	engine, _ := openBench(b)
	fill(b, engine, 10, rows, 600)
	b.ReportAllocs()
	used := cpu()
	for b.Loop() {
		found := 0
		err := engine.View(b.Context(), "a/5", func(r kv.Reader) error {
			return r.Scan(kv.Range{}, func(_, _ []byte) bool { found++; return true })
		})
		if err != nil || found != rows {
			b.Fatal(found, err)
		}
	}
	reportCPU(b, used)
}

func BenchmarkView(b *testing.B) {
	const rows = 1000
	engine, _ := openBench(b)
	fill(b, engine, 100, rows, 600)
	for _, gets := range []int{0, 1, 10} {
		b.Run(fmt.Sprintf("gets=%d", gets), func(b *testing.B) {
			b.ReportAllocs()
			i, used := 0, cpu()
			for b.Loop() {
				i += 7919
				shard := kv.Shard(fmt.Sprintf("a/%d", i%100))
				err := engine.View(b.Context(), shard, func(r kv.Reader) error {
					for j := range gets {
						if _, ok, err := r.Get(fmt.Appendf(nil, "r/%08d", (i+j)%rows)); err != nil || !ok {
							return fmt.Errorf("%v, %w", ok, err)
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			reportCPU(b, used)
		})
	}
}

// BenchmarkUpdateReadOnly is what an Update costs before it writes anything.
func BenchmarkUpdateReadOnly(b *testing.B) {
	engine, _ := openBench(b)
	fill(b, engine, 100, 1000, 600)
	b.ReportAllocs()
	used := cpu()
	for b.Loop() {
		err := engine.Update(b.Context(), []kv.Shard{"a/7"}, func(tx kv.Tx) error {
			_, _, err := tx.In("a/7").Get([]byte("r/00000500"))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, used)
}
