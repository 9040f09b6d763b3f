package kvtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/internal/kv"
)

func testCrashKeeps(t *testing.T, s Subject) {
	var due []string
	for i := range 20 {
		due = append(due, fmt.Sprintf("%02d", i), strings.Repeat("x", i*500))
		put(t, s, "a", due[2*i], due[2*i+1])
		if i%5 == 4 {
			s.Crash(t)
			want(t, s, "a", due...)
		}
	}
	update(t, s, "a", func(w kv.Writer) error { return w.DeleteRange([]byte("05"), nil) })
	s.Crash(t)
	want(t, s, "a", due[:10]...)
}

// load is a number of writers at work, each with shards of its own and one that
// all share, and readers that follow them, until a crash ends it all.
type load struct {
	engine   kv.Engine
	crashing atomic.Bool // set before the crash: what returns later proves nothing
	stop     context.CancelFunc
	workers  sync.WaitGroup

	mu       sync.Mutex
	returned map[string]uint64 // per writer: the last number whose Update returned nil
	seen     map[string]uint64 // per writer: the highest number that was read
}

const loadWriters = 8

func startLoad(s Subject) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{engine: s.Engine(), stop: stop, returned: make(map[string]uint64), seen: make(map[string]uint64)}
	for g := range loadWriters {
		name := fmt.Sprintf("w%d", g)
		l.workers.Go(func() {
			for ctx.Err() == nil && l.write(ctx, name) == nil {
			}
		})
		l.workers.Go(func() {
			for ctx.Err() == nil && l.read(ctx, name) == nil {
			}
		})
	}
	return l
}

// write stores the writer's next number in two of its shards and the shared one.
func (l *load) write(ctx context.Context, name string) error {
	var n uint64
	one, other := kv.Shard(name+"/1"), kv.Shard(name+"/2")
	err := l.engine.Update(ctx, []kv.Shard{one, other, "shared"}, func(tx kv.Tx) (err error) {
		if n, err = count(tx.In(one), "n"); err != nil {
			return err
		}
		for _, w := range []kv.Writer{tx.In(other), tx.In("shared")} {
			if err := putAll(w, name, string(number(n)), name+" filler", strings.Repeat("x", 700)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		l.note(l.returned, name, n)
	}
	return err
}

// read notes the writer's numbers that can be read: by Views, and by an Update
// that writes nothing but may find what others have yet to make durable.
func (l *load) read(ctx context.Context, name string) error {
	n, err := counterIn(ctx, l.engine, kv.Shard(name+"/1"), "n")
	if err != nil {
		return err
	}
	l.note(l.seen, name, n)
	if n, err = counterIn(ctx, l.engine, "shared", name); err != nil {
		return err
	}
	l.note(l.seen, name, n)
	err = l.engine.Update(ctx, []kv.Shard{"shared"}, func(tx kv.Tx) error {
		n, err = counter(tx.In("shared"), name)
		return err
	})
	if err != nil {
		return err
	}
	l.note(l.seen, name, n)
	return nil
}

func (l *load) note(in map[string]uint64, name string, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.crashing.Load() {
		in[name] = max(in[name], n)
	}
}

// crash ends the load in a crash of the subject.
func (l *load) crash(t *testing.T, s Subject) {
	l.mu.Lock()
	l.crashing.Store(true)
	l.mu.Unlock()
	s.Crash(t)
	l.stop()
	within(t, "work on the engine that crashed", started(l.workers.Wait))
}

// verify compares what a writer left behind with what was known of it.
func (l *load) verify(t *testing.T, s Subject, name string) {
	var n [3]uint64
	for i, from := range []struct {
		shard kv.Shard
		key   string
	}{{kv.Shard(name + "/1"), "n"}, {kv.Shard(name + "/2"), name}, {"shared", name}} {
		var err error
		if n[i], err = counterIn(t.Context(), s.Engine(), from.shard, from.key); err != nil {
			t.Fatal(err)
		}
	}
	if n[0] != n[1] || n[0] != n[2] {
		t.Errorf("an Update of %s is there in part: its three shards have %d", name, n)
	}
	if n[0] < l.returned[name] {
		t.Errorf("Update number %d of %s returned nil, but after the crash there is only %d", l.returned[name], name, n[0])
	}
	if n[0] < l.seen[name] {
		t.Errorf("a reader found number %d of %s, but after the crash there is only %d", l.seen[name], name, n[0])
	}
}

func testCrashUnderWay(t *testing.T, s Subject) {
	random := rand.New(rand.NewPCG(3, 3))
	for range 6 {
		l := startLoad(s)
		time.Sleep(time.Duration(5+random.IntN(60)) * time.Millisecond)
		l.crash(t, s)
		for g := range loadWriters {
			l.verify(t, s, fmt.Sprintf("w%d", g))
		}
	}
}

// testReadersSeeDurable has readers watch one busy shard, and crashes the moment
// they have seen something new.
func testReadersSeeDurable(t *testing.T, s Subject) {
	for range 8 {
		engine := s.Engine()
		before, err := counterIn(t.Context(), engine, "a", "n")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for ctx.Err() == nil {
					err := engine.Update(ctx, []kv.Shard{"a"}, func(tx kv.Tx) error { _, err := count(tx.In("a"), "n"); return err })
					if err != nil {
						return
					}
				}
			})
		}
		seen := before
		for deadline := time.Now().Add(patience); seen < before+5 && time.Now().Before(deadline); {
			if seen, err = counterIn(ctx, engine, "a", "n"); err != nil {
				t.Fatal(err)
			}
		}
		s.Crash(t)
		stop()
		within(t, "work on the engine that crashed", started(writers.Wait))
		after, err := counterIn(t.Context(), s.Engine(), "a", "n")
		if err != nil {
			t.Fatal(err)
		}
		if after < seen || seen < before+5 {
			t.Fatalf("a View found %d (from %d on), but after the crash there is %d", seen, before, after)
		}
	}
}
