package server

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// cutOff is an engine that can be out of reach.
type cutOff struct {
	kv.Engine
	away atomic.Bool
}

func (e *cutOff) Update(ctx context.Context, shards []kv.Shard, fn func(kv.Tx) error) error {
	if e.away.Load() {
		return context.DeadlineExceeded
	}
	return e.Engine.Update(ctx, shards, fn)
}

// TestTurns: one at a time, whoever leaves, dies or loses touch.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memkv.New(memkv.Options{})
		var working atomic.Int32
		begin := func(e kv.Engine) *background {
			turn := newTurn(e, slog.New(slog.DiscardHandler))
			return startBackground(func(ctx context.Context) {
				turn.run(ctx, func(ctx context.Context) {
					if n := working.Add(1); n != 1 {
						t.Errorf("%d work at a time", n)
					}
					<-ctx.Done()
					working.Add(-1)
				})
			})
		}
		expect := func(after time.Duration, want int32) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if n := working.Load(); n != want {
				t.Errorf("%d work, want %d", n, want)
			}
		}
		first := &cutOff{Engine: shared}
		a := begin(first)
		expect(0, 1)
		b := begin(shared)
		expect(time.Hour, 1)

		first.away.Store(true) // a ends by itself, then b begins
		expect(turnLoss+turnRenewal, 0)
		expect(turnTime, 1)
		first.away.Store(false)
		expect(time.Hour, 1)

		b.stop() // b hands over
		expect(turnRenewal+time.Second, 1)
		a.stop()
		expect(0, 0)

		dead := newTurn(shared, slog.New(slog.DiscardHandler)) // takes it, and is heard of no more
		if mine, err := dead.take(t.Context(), turnTime); !mine || err != nil {
			t.Fatal(mine, err)
		}
		c := begin(shared)
		expect(turnTime-time.Second, 0)
		expect(turnRenewal+time.Second, 1)
		c.stop()
	})
}
