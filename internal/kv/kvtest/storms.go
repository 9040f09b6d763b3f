package kvtest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"posthorn/internal/kv"
)

// someShards picks n of the shards s0, s1, … in random order.
func someShards(random *rand.Rand, n, of int) []kv.Shard {
	var picked []kv.Shard
	for _, i := range random.Perm(of)[:n] {
		picked = append(picked, kv.Shard(fmt.Sprintf("s%d", i)))
	}
	return picked
}

// testConflictStorm has everyone count in overlapping sets of shards. A lost
// update leaves a sum too low; a deadlock does not end.
func testConflictStorm(t *testing.T, s Subject) {
	const goroutines, rounds, shards = 32, 12, 5
	var mu sync.Mutex
	due := make(map[kv.Shard]uint64)
	within(t, "the storm", started(func() {
		var all sync.WaitGroup
		for g := range goroutines {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(g), 1))
				for range rounds {
					picked := someShards(random, 1+random.IntN(3), shards)
					err := s.Engine().Update(t.Context(), picked, func(tx kv.Tx) error {
						for _, shard := range picked {
							if _, err := count(tx.In(shard), "n"); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, shard := range picked {
						due[shard]++
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
	}))
	for shard, n := range due {
		want(t, s, shard, "n", fmt.Sprint(n))
	}
}

// testTransfers moves units between two keys of a shard, and between shards,
// while readers add them up: within one shard every View finds the same sum.
func testTransfers(t *testing.T, s Subject) {
	const total = 1000
	put(t, s, "s0", "a", fmt.Sprint(total), "b", "0")
	var writers, readers sync.WaitGroup
	for g := range 4 {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 2))
			for range 25 {
				n := uint64(random.IntN(10))
				update(t, s, "s0", func(w kv.Writer) error { return transfer(w, n) })
			}
		})
	}
	stop := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var sum uint64
				ok := view(t, s, "s0", func(r kv.Reader) error {
					a, err := counter(r, "a")
					if err != nil {
						return err
					}
					b, err := counter(r, "b")
					sum = a + b
					return err
				})
				if !ok || sum != total {
					t.Errorf("a View found a sum of %d, not %d", sum, total)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

// transfer moves n from a to b, or back when a has not that much.
func transfer(w kv.Writer, n uint64) error {
	a, err := counter(w, "a")
	if err != nil {
		return err
	}
	b, err := counter(w, "b")
	if err != nil {
		return err
	}
	if n <= a {
		a, b = a-n, b+n
	} else {
		a, b = a+b, 0
	}
	return putAll(w, "a", fmt.Sprint(a), "b", fmt.Sprint(b))
}
