package server

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"time"

	"posthorn/internal/kv"
)

const turnShard kv.Shard = "turn/queue"

// turn lets one of several servers on the same engine do something: the one whose
// note lies in a shard, with a time until which it counts.
type turn struct {
	engine kv.Engine
	log    *slog.Logger
	name   string
	turnTimes
}

type turnTimes struct {
	// life is how long a turn lasts that is not renewed: a server that died keeps the
	// queue from the others for so long.
	life time.Duration
	// renewal is how often it is renewed, and asked for. A server that could not renew
	// it for loss ends its work before anybody else can begin.
	renewal, loss time.Duration
}

func newTurn(engine kv.Engine, log *slog.Logger) *turn {
	return &turn{engine, log, rand.Text(), turnTimes{life: 30 * time.Second, renewal: 5 * time.Second, loss: 15 * time.Second}}
}

// run calls fn whenever it is our turn, until ctx is done. The context that fn gets
// ends when it is our turn no longer.
func (t *turn) run(ctx context.Context, fn func(context.Context)) {
	for ctx.Err() == nil {
		switch mine, err := t.take(ctx, t.life); {
		case mine:
			t.use(ctx, fn)
		case err != nil && ctx.Err() == nil:
			t.log.Warn("it cannot be found out who runs the queue", "error", err)
		}
		pause(ctx, t.renewal)
	}
}

// use calls fn and renews the turn meanwhile; it returns when fn has.
func (t *turn) use(ctx context.Context, fn func(context.Context)) {
	running, cancel := context.WithCancel(ctx)
	renewing := startBackground(func(done context.Context) {
		defer cancel()
		for renewed := time.Now(); pause(done, t.renewal); {
			limited, end := context.WithTimeout(done, t.renewal)
			mine, err := t.take(limited, t.life)
			end()
			switch {
			case mine:
				renewed = time.Now()
			case err == nil, time.Since(renewed) >= t.loss:
				t.log.Warn("another server may run the queue now", "error", err)
				return
			}
		}
	})
	fn(running)
	renewing.stop()
	// Whoever waits need not wait any longer. If this fails, he does.
	last, end := context.WithTimeout(context.WithoutCancel(ctx), t.renewal)
	defer end()
	if _, err := t.take(last, 0); err != nil {
		t.log.Warn("the queue could not be handed over at once", "error", err)
	}
}

// take makes it our turn for so long from now on, unless it is somebody else's.
func (t *turn) take(ctx context.Context, long time.Duration) (mine bool, err error) {
	err = t.engine.Update(ctx, []kv.Shard{turnShard}, func(tx kv.Tx) error {
		w, now := tx.In(turnShard), time.Now()
		note, ok, err := w.Get([]byte("holder"))
		if err != nil {
			return err
		}
		mine = !ok || len(note) < 8 || string(note[8:]) == t.name || now.UnixMilli() >= int64(binary.BigEndian.Uint64(note))
		if !mine {
			return nil
		}
		note = binary.BigEndian.AppendUint64(nil, uint64(now.Add(long).UnixMilli()))
		return w.Put([]byte("holder"), append(note, t.name...))
	})
	return mine && err == nil, err
}

// pause waits; it returns false if ctx has ended.
func pause(ctx context.Context, long time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(long):
		return true
	}
}
