package login_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/login"
)

// TestFlood: ten thousand wrong logins at once. Each hash takes 4 MiB, of which there are
// two at a time; who has proven himself before needs none.
func TestFlood(t *testing.T) {
	const flood, slots, each = 10_000, 2, 4 << 10
	d := directory.New(memkv.New(memkv.Options{}), directory.Options{
		Hash: directory.HashParams{Memory: each, Passes: 1, Threads: 1}, MaxHashes: slots, MaxWait: 100 * time.Millisecond,
	})
	t.Cleanup(d.Close)
	if _, err := d.AddDomain(t.Context(), "example.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.AddAccount(t.Context(), addr.Address{Local: "alice", Domain: "example.test"}, "secret"); err != nil {
		t.Fatal(err)
	}
	g := login.New(login.Options{Directory: d})
	alice := func() error {
		_, err := g.Password(t.Context(), peer(), "", "alice@example.test", "secret")
		return err
	}
	if err := alice(); err != nil {
		t.Fatal(err)
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	var wrong, later atomic.Int64
	for i := range flood {
		all.Go(func() {
			_, err := g.Password(t.Context(), peer(), "", fmt.Sprintf("user%d@example.test", i), "guess")
			switch {
			case fault.Is(err, fault.Unauthenticated):
				wrong.Add(1)
			case fault.Is(err, fault.Unavailable):
				later.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	let, most := 0, uint64(0)
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		if err := alice(); err != nil {
			t.Fatalf("alice, who is known: %v", err)
		}
		if let++; let%512 == 1 {
			runtime.GC() // what is garbage already says nothing
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
	}
	// A waiting login costs 7 to 14 KiB, by the race detector, too; a hash for each would be 40 GiB.
	if grown := int64(most) - int64(before.HeapAlloc); grown > 2*slots*each<<10+flood*20<<10 {
		t.Errorf("%d MiB for %d logins at once", grown>>20, flood)
	}
	if later.Load() == 0 || wrong.Load()+later.Load() != flood {
		t.Errorf("%d wrong, %d to come again", wrong.Load(), later.Load())
	}
	t.Logf("%d were wrong, %d are to come again, and alice got in %d times; at most %d MiB more", wrong.Load(), later.Load(), let, (int64(most)-int64(before.HeapAlloc))>>20)
}
