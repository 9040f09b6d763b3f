package pgkv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/pgkv/pgtest"
)

// TestGroup has Updates wait for one another, and looks at what they share.
func TestGroup(t *testing.T) {
	engine, err := Open(t.Context(), Options{DSN: pgtest.Start(t).NewSchema(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	shards := []kv.Shard{"a"}
	inside, leave := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { // the one they wait for
		err := engine.Update(context.Background(), shards, func(tx kv.Tx) error {
			close(inside)
			<-leave
			return appendTo(tx, "first")
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inside

	// Members in the order of their turns; some of them go wrong.
	canceled, cancel := context.WithCancel(t.Context())
	errOnPurpose := errors.New("on purpose")
	for i, each := range []struct {
		ctx  context.Context
		fn   func(tx kv.Tx) error
		want func(err error, panicked any) bool
	}{
		{
			t.Context(), func(tx kv.Tx) error { return appendTo(tx, "one") },
			func(err error, _ any) bool { return err == nil },
		},
		{
			t.Context(), func(tx kv.Tx) error { return errors.Join(appendTo(tx, "failed"), errOnPurpose) },
			func(err error, _ any) bool { return errors.Is(err, errOnPurpose) },
		},
		{
			t.Context(), func(tx kv.Tx) error { return appendTo(tx, "two") },
			func(err error, _ any) bool { return err == nil },
		},
		{
			t.Context(), func(tx kv.Tx) error { _ = appendTo(tx, "panicked"); panic(errOnPurpose) },
			func(_ error, panicked any) bool { return panicked == errOnPurpose },
		},
		{
			canceled, func(tx kv.Tx) error { return appendTo(tx, "canceled") },
			func(err error, _ any) bool { return fault.Is(err, fault.Canceled) },
		},
		{
			t.Context(), func(tx kv.Tx) error { return appendTo(tx, "three") },
			func(err error, _ any) bool { return err == nil },
		},
	} {
		all.Go(func() {
			var err error
			defer func() { // the panic of fn comes through to its own caller
				if panicked := recover(); !each.want(err, panicked) {
					t.Errorf("member %d: %v, panic %v", i, err, panicked)
				}
			}()
			err = engine.Update(each.ctx, shards, each.fn)
		})
		joined(t, engine, i+2)
	}
	cancel()
	before := engine.RoundTrips()
	close(leave)
	all.Wait()
	// One read, by the first; the others find what it wrote. One commit.
	if trips := engine.RoundTrips() - before; trips != 2 {
		t.Errorf("an Update and 6 that waited for it took %d round trips, not 2", trips)
	}
	err = engine.View(t.Context(), "a", func(r kv.Reader) error {
		value, _, err := r.Get([]byte("key"))
		if due := " first one two three"; string(value) != due {
			t.Errorf("there is %q, not %q", value, due)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// joined waits until so many Updates wait for the one under way.
func joined(t *testing.T, engine *Engine, n int) {
	t.Helper()
	set := newShardSet([]kv.Shard{"a"})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		engine.updates.mu.Lock()
		g := engine.updates.open[set.key]
		arrived := g != nil && g.joined == n
		engine.updates.mu.Unlock()
		if arrived {
			return
		}
	}
	t.Fatalf("%d Updates do not form a group", n)
}

func appendTo(tx kv.Tx, word string) error {
	value, _, err := tx.In("a").Get([]byte("key"))
	if err != nil {
		return err
	}
	return tx.In("a").Put([]byte("key"), fmt.Appendf(nil, "%s %s", value, word))
}

// TestPanicInScan panics while the rows of two ranges are on their way, and has the
// next in the group read.
func TestPanicInScan(t *testing.T) {
	engine, err := Open(t.Context(), Options{DSN: pgtest.Start(t).NewSchema(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	shards := []kv.Shard{"a"}
	inside, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var all sync.WaitGroup
	update := func(fn func(w kv.Writer) error) {
		all.Go(func() {
			defer func() { _ = recover() }()
			if err := engine.Update(t.Context(), shards, func(tx kv.Tx) error { return fn(tx.In("a")) }); err != nil {
				t.Error(err)
			}
		})
	}
	update(func(w kv.Writer) error {
		for i := range 9 {
			if err := w.Put([]byte{byte(i)}, []byte{byte(i + 100)}); err != nil {
				return err
			}
		}
		return nil
	})
	all.Wait()
	update(func(w kv.Writer) error {
		once.Do(func() { close(inside) })
		<-leave
		return w.DeleteRange([]byte{3}, []byte{6})
	})
	<-inside
	update(func(w kv.Writer) error { return w.Scan(kv.Range{}, func(_, _ []byte) bool { panic("on purpose") }) })
	joined(t, engine, 2)
	update(func(w kv.Writer) error {
		value, _, err := w.Get([]byte{1})
		if len(value) != 1 || value[0] != 101 {
			t.Errorf("Get after the panic of another gives %v, %v", value, err)
		}
		return err
	})
	joined(t, engine, 3)
	close(leave)
	all.Wait()
}

// TestLeaderGone cancels the one that others follow while it waits for its lock.
func TestLeaderGone(t *testing.T) {
	engine, err := Open(t.Context(), Options{DSN: pgtest.Start(t).NewSchema(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	release, err := engine.updates.locks.acquire(t.Context(), newShardSet([]kv.Shard{"a"}).locks)
	if err != nil {
		t.Fatal(err)
	}
	leading, cancel := context.WithCancel(t.Context())
	results := make(chan error, 3)
	update := func(ctx context.Context) {
		results <- engine.Update(ctx, []kv.Shard{"a"}, func(tx kv.Tx) error { return appendTo(tx, "x") })
	}
	go update(leading)
	joined(t, engine, 1)
	go update(t.Context())
	go update(t.Context())
	joined(t, engine, 3)
	cancel()
	if err := <-results; !fault.Is(err, fault.Canceled) {
		t.Errorf("the canceled one: %v", err)
	}
	release()
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("one that followed it: %v", err)
		}
	}
}

// TestListener goes through what makes a node tell all its watchers.
func TestListener(t *testing.T) {
	told := make(map[kv.Shard]int)
	var watchers kv.Watchers
	for _, s := range []kv.Shard{"a", "b"} {
		watchers.Watch(s, func() { told[s]++ })
	}
	o := withDefaults(Options{Beat: time.Minute})
	l := newNodes(nil, &watchers, o).listener
	expect := func(what string, a, b int) {
		t.Helper()
		if told["a"] != a || told["b"] != b {
			t.Errorf("%s: a was told %d times, not %d, b %d times, not %d", what, told["a"], a, told["b"], b)
		}
		clear(told)
	}
	now := time.Now()
	l.began = now

	for _, m := range payloads(map[kv.Shard]bool{"a": true}) {
		l.hear("other " + m)
	}
	expect("a change in a", 1, 0)
	l.hear("other beat")
	l.hear(l.node + ` changed "a"`) // which our watchers know
	expect("nothing new", 0, 0)
	l.hear("other shouts something")
	expect("a message of a newer version", 1, 1)
	l.hear("gone bye")

	l.notice(now.Add(l.silence / 2))
	expect("all is well", 0, 0)
	l.notice(now.Add(l.silence + time.Minute))
	expect("a while after the start, and another node silent", 1, 1)
	for range forgotten - 1 {
		for _, p := range l.peers {
			now = p.heard
		}
		l.notice(now.Add(l.silence + time.Minute))
		expect("another node still silent", 1, 1)
	}
	l.notice(now.Add(10 * l.silence))
	expect("it is forgotten", 0, 0)
}

func TestKinds(t *testing.T) {
	for code, due := range map[string]struct {
		kind      fault.Kind
		transient bool
	}{
		diskFull:            {fault.StorageFull, false},
		dataCorrupted:       {fault.Corrupt, false},
		indexCorrupted:      {fault.Corrupt, false},
		programLimit:        {fault.TooLarge, false},
		serializationFailed: {fault.Unavailable, true},
		deadlockDetected:    {fault.Unavailable, true},
		tooManyConnections:  {fault.Unavailable, true},
		readOnly:            {fault.Unavailable, true},
		"57P01":             {fault.Unavailable, true}, // shutting down
		"57P03":             {fault.Unavailable, true}, // starting up
		"08006":             {fault.Unavailable, true},
		"28P01":             {fault.Unavailable, false}, // wrong password
		"3D000":             {fault.Unavailable, false}, // no such database
		"42501":             {fault.Unavailable, false}, // not allowed
	} {
		err := failure(context.Background(), "test", fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code}))
		again, transient := err.(transient)
		if transient {
			err = again.error
		}
		if !fault.Is(err, due.kind) || transient != due.transient {
			t.Errorf("%s: %v, transient %v", code, fault.KindOf(err), transient)
		}
	}
	err := failure(context.Background(), "test", errors.New("connection reset"))
	if again, ok := err.(transient); !ok || !fault.Is(again.error, fault.Unavailable) {
		t.Errorf("a lost connection: %#v", err)
	}
}

// TestWriterIsDurable has the session of a writer wait for the disk whatever the
// server's default is.
func TestWriterIsDurable(t *testing.T) {
	for setting, due := range map[string]string{"off": "on", "local": "on", "on": "on", "remote_apply": "remote_apply"} {
		d, err := newDialer(pgtest.Start(t).DSN("postgres")+" synchronous_commit="+setting, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		c, err := d.raw(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(t.Context())
		results, err := c.Exec(t.Context(), writerSetup+"SHOW synchronous_commit").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(results[len(results)-1].Rows[0][0]); got != due {
			t.Errorf("synchronous_commit is %s where the server has %s", got, setting)
		}
	}
}
