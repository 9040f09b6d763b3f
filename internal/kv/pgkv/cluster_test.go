package pgkv_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/pgkv"
	"posthorn/internal/kv/pgkv/pgtest"
)

// TestNodesWatchEachOther has one node write and another watch.
func TestNodesWatchEachOther(t *testing.T) {
	dsn := pgtest.Start(t).NewSchema(t)
	writer, watcher := openEngine(t, pgkv.Options{DSN: dsn}), openEngine(t, pgkv.Options{DSN: dsn})
	for _, shard := range []kv.Shard{"a/1", `with "quotes" and spaces`, "a/\xff\x01", "ä"} {
		news := watch(t, watcher, shard)
		put(t, writer, shard)
		news.await(t, string(shard))
	}
	var many []kv.Shard
	var news []hints
	for i := range 600 { // more than one message can name
		many = append(many, kv.Shard(fmt.Sprintf("many/%050d", i)))
		news = append(news, watch(t, watcher, many[i]))
	}
	put(t, writer, many...)
	for i := range many {
		news[i].await(t, string(many[i]))
	}
}

// TestInterruptedNodes cuts the nodes' connections while one of them writes.
func TestInterruptedNodes(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.NewSchema(t)
	writer, watcher := openEngine(t, pgkv.Options{DSN: dsn}), openEngine(t, pgkv.Options{DSN: dsn})
	for i := range 5 {
		news := watch(t, watcher, "a")
		server.Exec(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE query LIKE 'LISTEN%' OR query LIKE '%pg_notify%' AND pid <> pg_backend_pid()`)
		put(t, writer, "a")
		news.await(t, fmt.Sprintf("change %d", i))
	}
	server.Kill(t)
	news := watch(t, watcher, "b")
	put(t, writer, "b")
	news.await(t, "after a crash of the server")
}

// TestNodesShareShards has two nodes count in the same shards.
func TestNodesShareShards(t *testing.T) {
	dsn := pgtest.Start(t).NewSchema(t)
	const goroutines, rounds = 4, 15
	var all sync.WaitGroup
	for range 2 {
		engine := openEngine(t, pgkv.Options{DSN: dsn})
		for g := range goroutines {
			all.Go(func() {
				for range rounds {
					shards := [][]kv.Shard{{"a"}, {"a", "b"}, {"b", "a"}}[g%3]
					err := engine.Update(t.Context(), shards, func(tx kv.Tx) error {
						for _, s := range shards {
							if err := count(tx.In(s)); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	engine := openEngine(t, pgkv.Options{DSN: dsn})
	for shard, due := range map[kv.Shard]int{"a": 2 * goroutines * rounds, "b": 2 * 2 * rounds} {
		err := engine.View(t.Context(), shard, func(r kv.Reader) error {
			value, _, err := r.Get([]byte("n"))
			if string(value) != fmt.Sprint(due) {
				t.Errorf("%s: %s counted, not %d", shard, value, due)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestServerDown wants clear errors while the server is away, and none after.
func TestServerDown(t *testing.T) {
	server := pgtest.Start(t)
	o := pgkv.Options{DSN: server.NewSchema(t), Patience: 30 * time.Millisecond}
	engine := openEngine(t, o)
	put(t, engine, "a")
	server.Down(t)
	defer put(t, engine, "a")
	defer server.Up(t)
	_, errOpen := pgkv.Open(t.Context(), o)
	for what, err := range map[string]error{
		"Open":   errOpen,
		"Update": engine.Update(t.Context(), []kv.Shard{"a"}, func(tx kv.Tx) error { return count(tx.In("a")) }),
		"View":   engine.View(t.Context(), "a", func(r kv.Reader) error { _, _, err := r.Get(nil); return err }),
		"Shards": engine.Shards(t.Context(), "", func(kv.Shard) bool { return true }),
	} {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s without a server: %v", what, err)
		}
	}
}

// TestServerComesBack has operations wait for a server that is only restarting.
func TestServerComesBack(t *testing.T) {
	server := pgtest.Start(t)
	engine := openEngine(t, pgkv.Options{DSN: server.NewSchema(t)})
	put(t, engine, "a")
	server.Down(t)
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() { put(t, engine, "a") })
		waiting.Go(func() {
			if err := engine.View(t.Context(), "a", func(r kv.Reader) error { _, _, err := r.Get(nil); return err }); err != nil {
				t.Error(err)
			}
		})
	}
	server.Up(t)
	waiting.Wait()
}

func TestSchema(t *testing.T) {
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	dsn := server.DSN(database)
	var nodes sync.WaitGroup
	for range 6 {
		nodes.Go(func() {
			engine, err := pgkv.Open(t.Context(), pgkv.Options{DSN: dsn})
			if err != nil {
				t.Error(err)
				return
			}
			put(t, engine, "a")
			engine.Close()
		})
	}
	nodes.Wait()

	server.Exec(t, database, "UPDATE kv_schema SET version = 99")
	put(t, openEngine(t, pgkv.Options{DSN: dsn}), "a") // newer, and fit for us
	server.Exec(t, database, "UPDATE kv_schema SET oldest_reader = 99")
	if _, err := pgkv.Open(t.Context(), pgkv.Options{DSN: dsn}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a schema made by a much newer program: %v", err)
	}
	if _, err := pgkv.Open(t.Context(), pgkv.Options{DSN: server.DSN("nowhere")}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no such database: %v", err)
	}
	if _, err := pgkv.Open(t.Context(), pgkv.Options{DSN: "nonsense"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("no connection string: %v", err)
	}
}

// hints holds one when a watcher was notified.
type hints chan struct{}

func watch(t *testing.T, engine kv.Engine, shard kv.Shard) hints {
	news := make(hints, 1)
	stop := engine.Watch(shard, func() {
		select {
		case news <- struct{}{}:
		default:
		}
	})
	t.Cleanup(stop)
	return news
}

func (h hints) await(t *testing.T, what string) {
	t.Helper()
	select {
	case <-h:
	case <-time.After(20 * time.Second):
		t.Fatalf("nobody was told: %s", what)
	}
}

// put changes shards.
func put(t *testing.T, engine kv.Engine, shards ...kv.Shard) {
	t.Helper()
	err := engine.Update(context.Background(), shards, func(tx kv.Tx) error {
		for _, s := range shards {
			if err := tx.In(s).Put([]byte("key"), []byte("value")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func count(w kv.Writer) error {
	n := 0
	value, ok, err := w.Get([]byte("n"))
	if err != nil {
		return err
	}
	if ok {
		if _, err := fmt.Sscan(string(value), &n); err != nil {
			return err
		}
	}
	return w.Put([]byte("n"), fmt.Append(nil, n+1))
}
