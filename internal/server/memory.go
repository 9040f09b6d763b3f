package server

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// memoryEvery is how often the memory is looked at.
const memoryEvery = time.Second

// startMemory gives memory back to the system whenever a rush is over. A rush of
// logins leaves 19 MiB behind for each password hash, ten thousand clients their
// buffers and grown stacks; the collector would keep that for minutes, and for good
// when nothing else allocates.
func startMemory() *background {
	return startBackground(func(ctx context.Context) {
		ticker := time.NewTicker(memoryEvery)
		defer ticker.Stop()
		var rush rush
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-ticker.C:
				if rush.over(now, allocated()) {
					debug.FreeOSMemory()
				}
			}
		}
	})
}

// allocated is how many bytes the program has allocated since its start.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// rush knows when much has been allocated, and then hardly anything any more.
type rush struct {
	last, freed uint64 // allocated when we looked last, and when memory was given back last
	when        time.Time
}

const (
	rushBytes  = 16 << 20        // allocated since memory was given back: worth doing it again
	quietBytes = 2 << 20         // allocated since the last look: nothing goes on
	rushPause  = 3 * time.Second // at least, between two times
)

func (r *rush) over(now time.Time, allocated uint64) bool {
	quiet := allocated-r.last < quietBytes
	r.last = allocated
	if !quiet || allocated-r.freed < rushBytes || now.Sub(r.when) < rushPause {
		return false
	}
	r.freed, r.when = allocated, now
	return true
}
