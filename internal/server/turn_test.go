package server

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/kv/pgkv"
	"posthorn/internal/kv/pgkv/pgtest"
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
		times := newTurn(shared, nil).turnTimes
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
		expect(times.loss+times.renewal, 0)
		expect(times.life, 1)
		first.away.Store(false)
		expect(time.Hour, 1)

		b.stop() // b hands over
		expect(times.renewal+time.Second, 1)
		a.stop()
		expect(0, 0)

		dead := newTurn(shared, slog.New(slog.DiscardHandler)) // takes it, and is heard of no more
		if mine, err := dead.take(t.Context(), times.life); !mine || err != nil {
			t.Fatal(mine, err)
		}
		c := begin(shared)
		expect(times.life-time.Second, 0)
		expect(times.renewal+time.Second, 1)
		c.stop()
	})
}

// nodes are servers that share an engine. It says who begins and who ends, and
// complains when two work at a time.
type nodes struct {
	t       *testing.T
	events  chan string
	working atomic.Int32
}

func (n *nodes) start(name, dsn string) *background {
	n.t.Helper()
	log := slog.New(slog.DiscardHandler)
	engine, err := pgkv.Open(n.t.Context(), pgkv.Options{DSN: dsn, Logger: log})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { engine.Close() })
	turn := newTurn(engine, log)
	turn.turnTimes = turnTimes{life: 8 * time.Second, renewal: 500 * time.Millisecond, loss: 4 * time.Second}
	return startBackground(func(ctx context.Context) {
		turn.run(ctx, func(ctx context.Context) {
			if now := n.working.Add(1); now != 1 {
				n.t.Errorf("%d nodes work at a time", now)
			}
			n.events <- name + " begins"
			<-ctx.Done()
			n.working.Add(-1)
			n.events <- name + " ends"
		})
	})
}

// expect waits for an event, and returns the name.
func (n *nodes) expect(what string) (name string) {
	n.t.Helper()
	select {
	case event := <-n.events:
		name, got, _ := strings.Cut(event, " ")
		if got != what {
			n.t.Fatalf("%s, want that one %s", event, what)
		}
		return name
	case <-time.After(time.Minute):
		n.t.Fatalf("nobody %s", what)
	}
	return ""
}

// TestTurnsOnPostgres: the same on a database, which goes away and comes back.
func TestTurnsOnPostgres(t *testing.T) {
	postgres := pgtest.Start(t)
	dsn := postgres.NewSchema(t)
	n := &nodes{t: t, events: make(chan string, 10)}
	running := map[string]*background{}
	for _, name := range []string{"a", "b", "c"} {
		running[name] = n.start(name, dsn)
	}
	first := n.expect("begins")
	running[first].stop() // hands over
	if who := n.expect("ends"); who != first {
		t.Errorf("%s ends, and %s has begun", who, first)
	}
	second := n.expect("begins")
	postgres.Down(t)
	if who := n.expect("ends"); who != second {
		t.Errorf("%s ends, and %s has begun", who, second)
	}
	postgres.Up(t)
	third := n.expect("begins")
	running[third].stop()
	n.expect("ends")
	last := n.expect("begins")
	for _, node := range running {
		node.stop()
	}
	if who := n.expect("ends"); who != last {
		t.Errorf("%s ends, and %s has begun", who, last)
	}
}
