package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/store"
)

// benchStore is a store on the disk. Account 1 has n messages of 4 KB in INBOX.
func benchStore(b *testing.B, n int) (*store.Store, *store.Account) {
	b.Helper()
	engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { engine.Close() })
	s := store.New(store.Options{Engine: engine, Blobs: memblob.New(memblob.Options{})})
	a := s.Account(1)
	m := incoming(b, s, benchMessage)
	defer m.Release()
	for left := n; left > 0; {
		batch := min(left, 1000)
		left -= batch
		err := a.Update(b.Context(), func(tx *store.Tx) error {
			for range batch {
				if _, err := tx.Append(store.InboxID, m, store.AppendOptions{}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return s, a
}

var benchMessage = "From: Alice <alice@example.test>\r\nTo: Bob <bob@example.test>\r\nSubject: benchmark\r\n" +
	"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\n" + strings.Repeat("Lorem ipsum dolor sit amet.\r\n", 130)

// A delivery costs the same in a mailbox of any size.
func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{0, 10_000, 100_000} {
		b.Run(fmt.Sprintf("into=%d", n), func(b *testing.B) {
			s, a := benchStore(b, n)
			b.ReportAllocs()
			for b.Loop() {
				m := incoming(b, s, benchMessage)
				err := a.Update(b.Context(), func(tx *store.Tx) error {
					_, err := tx.Append(store.InboxID, m, store.AppendOptions{})
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
				m.Release()
			}
		})
	}
}

// Deliveries to many accounts at once.
func BenchmarkDeliverParallel(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", n), func(b *testing.B) { deliverParallel(b, n) })
	}
}

func deliverParallel(b *testing.B, writers int) {
	s, _ := benchStore(b, 0)
	var next atomic.Uint64
	b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		a := s.Account(store.AccountID(next.Add(1)))
		for pb.Next() {
			m := incoming(b, s, benchMessage)
			err := a.Update(b.Context(), func(tx *store.Tx) error {
				_, err := tx.Append(store.InboxID, m, store.AppendOptions{})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			m.Release()
		}
	})
}

// A look at a mailbox of 50,000 messages in which one thing has changed.
func BenchmarkSnapshotAfterChange(b *testing.B) {
	_, a := benchStore(b, 50_000)
	op := store.AddFlags
	for b.Loop() {
		err := a.Update(b.Context(), func(tx *store.Tx) error {
			_, err := tx.Store(store.InboxID, []store.UIDRange{{First: 777, Last: 777}}, store.FlagChange{Op: op, Flags: []string{`\Answered`}})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.Snapshot(b.Context(), store.InboxID); err != nil {
			b.Fatal(err)
		}
		op ^= store.AddFlags ^ store.RemoveFlags
	}
}

// One change of flags over all of 50,000 messages.
func BenchmarkStoreRange(b *testing.B) {
	_, a := benchStore(b, 50_000)
	op := store.AddFlags
	for b.Loop() {
		err := a.Update(b.Context(), func(tx *store.Tx) error {
			_, err := tx.Store(store.InboxID, store.AllUIDs, store.FlagChange{Op: op, Flags: []string{`\Flagged`}})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		op ^= store.AddFlags ^ store.RemoveFlags
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/50_000, "ns/message")
}

// All records of 10,000 messages, as for a list of mail.
func BenchmarkRecords(b *testing.B) {
	_, a := benchStore(b, 10_000)
	snap, err := a.Snapshot(b.Context(), store.InboxID)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		err := a.Records(b.Context(), snap, store.AllUIDs, func(int, store.Entry, *store.Record) bool { n++; return true })
		if err != nil || n != 10_000 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/message")
}

// Copies of 1,000 messages, in one commit.
func BenchmarkCopy(b *testing.B) {
	_, a := benchStore(b, 10_000)
	trash, err := a.Mailbox(b.Context(), "Trash")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		err := a.Update(b.Context(), func(tx *store.Tx) error {
			_, err := tx.Copy(store.InboxID, []store.UIDRange{{First: 1, Last: 1000}}, trash.ID)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/message")
}

// A list of 10,000 messages that came in another order, or with so many others between.
func BenchmarkRecordsApart(b *testing.B) {
	for _, step := range []int{2, 7, 37} {
		b.Run(fmt.Sprintf("step=%d", step), func(b *testing.B) {
			_, a := benchStore(b, 10_000)
			var archive store.Mailbox
			err := a.Update(b.Context(), func(tx *store.Tx) (err error) {
				if archive, err = tx.CreateMailbox("Apart", ""); err != nil {
					return err
				}
				for first := range step {
					var rs []store.UIDRange
					for uid := store.UID(first + 1); uid <= 10_000; uid += store.UID(step) {
						rs = append(rs, store.UIDRange{First: uid, Last: uid})
					}
					if _, err := tx.Copy(store.InboxID, rs, archive.ID); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			snap, err := a.Snapshot(b.Context(), archive.ID)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				n := 0
				err := a.Records(b.Context(), snap, store.AllUIDs, func(_ int, _ store.Entry, r *store.Record) bool { n++; return r != nil })
				if err != nil || n != 10_000 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/message")
		})
	}
}

// All bodies of 10,000 messages of 8 KB, with the engine's cache large enough for them
// and not.
func BenchmarkBodies(b *testing.B) {
	for _, cache := range []int64{128 << 20, 4 << 20} {
		b.Run(fmt.Sprintf("cache=%dM", cache>>20), func(b *testing.B) {
			engine, err := pebblekv.Open(b.TempDir(), pebblekv.Options{Logger: slog.New(slog.DiscardHandler), CacheSize: cache})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { engine.Close() })
			s := store.New(store.Options{Engine: engine, Blobs: memblob.New(memblob.Options{})})
			a := s.Account(1)
			random := rand.New(rand.NewPCG(1, 2))
			for range 10_000 {
				var text strings.Builder
				text.WriteString("Subject: benchmark\r\n\r\n")
				for text.Len() < 8<<10 {
					fmt.Fprintf(&text, "word%d of%d\r\n", random.IntN(10_000), random.IntN(1000))
				}
				m := incoming(b, s, text.String())
				err := a.Update(b.Context(), func(tx *store.Tx) error {
					_, err := tx.Append(store.InboxID, m, store.AppendOptions{})
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
				m.Release()
			}
			snap, err := a.Snapshot(b.Context(), store.InboxID)
			if err != nil {
				b.Fatal(err)
			}
			for what, read := range map[string]func(context.Context, *store.Snapshot, []store.UIDRange, func(int, store.Entry, *store.Record, []byte) bool) error{
				"with records": a.Bodies, "alone": a.Whole,
			} {
				b.Run(what, func(b *testing.B) {
					for b.Loop() {
						n := 0
						err := read(b.Context(), snap, store.AllUIDs, func(_ int, _ store.Entry, r *store.Record, _ []byte) bool { n++; return r != nil })
						if err != nil || n != 10_000 {
							b.Fatal(n, err)
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/message")
				})
			}
		})
	}
}
