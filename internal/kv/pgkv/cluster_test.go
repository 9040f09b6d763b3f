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
	// Nobody tells anything merely because some time has passed.
	o := pgkv.Options{DSN: server.NewSchema(t), Beat: time.Hour}
	writer, watcher := openEngine(t, o), openEngine(t, o)
	first := watch(t, watcher, "first")
	put(t, writer, "first")
	first.await(t, "the first change")
	for _, victims := range []string{"LISTEN%", "%pg_notify%"} {
		for i := range 5 {
			news := watch(t, watcher, "a")
			server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '"+victims+"' AND pid <> pg_backend_pid()")
			put(t, writer, "a")
			news.await(t, fmt.Sprintf("change %d without %s", i, victims))
		}
	}
	server.Kill(t)
	news := watch(t, watcher, "b")
	put(t, writer, "b")
	news.await(t, "after a crash of the server")
}

// TestNodesShareShards has two nodes count in the same shards, and enrol there: the
// former reads what it writes, the latter also what others write.
func TestNodesShareShards(t *testing.T) {
	dsn := pgtest.Start(t).NewSchema(t)
	const nodes, rounds = 2, 20
	var all sync.WaitGroup
	for node := range nodes {
		engine := openEngine(t, pgkv.Options{DSN: dsn})
		for _, shards := range [][]kv.Shard{{"a"}, {"a", "b"}, {"b", "a"}} {
			all.Go(func() {
				for range rounds {
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
		all.Go(func() {
			for round := range 3 * rounds {
				err := engine.Update(t.Context(), []kv.Shard{"c"}, func(tx kv.Tx) error {
					return enrol(tx.In("c"), fmt.Sprintf("%d/%d", node, round))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	engine := openEngine(t, pgkv.Options{DSN: dsn})
	for shard, due := range map[kv.Shard]int{"a": nodes * 3 * rounds, "b": nodes * 2 * rounds} {
		if n := get(t, engine, shard, "n"); n != fmt.Sprint(due) {
			t.Errorf("%s: %s counted, not %d", shard, n, due)
		}
	}
	seen := make(map[string]bool)
	err := engine.View(t.Context(), "c", func(r kv.Reader) error {
		return r.Scan(kv.Range{}, func(_, value []byte) bool {
			seen[string(value)] = true
			return true
		})
	})
	if due := nodes * 3 * rounds; len(seen) != due || err != nil {
		t.Errorf("%d enrolled under %d numbers, %v", due, len(seen), err)
	}
}

// TestBlindUpdateWaits has a node that only writes wait for one that has read.
func TestBlindUpdateWaits(t *testing.T) {
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	reading, blind := openEngine(t, pgkv.Options{DSN: server.DSN(database)}), openEngine(t, pgkv.Options{DSN: server.DSN(database)})
	put(t, reading, "a")
	written := make(chan struct{})
	err := reading.Update(t.Context(), []kv.Shard{"a"}, func(tx kv.Tx) error {
		if err := count(tx.In("a")); err != nil {
			return err
		}
		go func() {
			defer close(written)
			err := blind.Update(t.Context(), []kv.Shard{"a"}, func(tx kv.Tx) error { return tx.In("a").Put([]byte("n"), []byte("100")) })
			if err != nil {
				t.Error(err)
			}
		}()
		until(t, "the other node", func() bool {
			return len(server.Exec(t, database, "SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()")) > 0
		})
		return nil
	})
	<-written
	if n := get(t, blind, "a", "n"); n != "100" || err != nil {
		t.Errorf("the Update that came later wrote 100, but there is %s, %v", n, err)
	}
}

// TestServerDown wants clear errors while the server is away, and none after.
func TestServerDown(t *testing.T) {
	server := pgtest.Start(t)
	o := pgkv.Options{DSN: server.NewSchema(t), Patience: time.Second} // within which each dead connection is found out
	engine := openEngine(t, o)
	put(t, engine, "a")
	server.Down(t)
	var all sync.WaitGroup
	for what, do := range map[string]func() error{
		"Open": func() error { _, err := pgkv.Open(t.Context(), o); return err },
		"Update": func() error {
			return engine.Update(t.Context(), []kv.Shard{"a"}, func(tx kv.Tx) error { return count(tx.In("a")) })
		},
		"View": func() error {
			return engine.View(t.Context(), "a", func(r kv.Reader) error { _, _, err := r.Get(nil); return err })
		},
		"Shards": func() error { return engine.Shards(t.Context(), "", func(kv.Shard) bool { return true }) },
	} {
		all.Go(func() {
			if err := do(); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s without a server: %v", what, err)
			}
		})
	}
	all.Wait()
	server.Up(t)
	put(t, engine, "a")
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

func get(t *testing.T, engine kv.Engine, shard kv.Shard, key string) (value string) {
	t.Helper()
	err := engine.View(t.Context(), shard, func(r kv.Reader) error {
		found, _, err := r.Get([]byte(key))
		value = string(found)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return value
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

// enrol writes a row under the number of rows that were there before.
func enrol(w kv.Writer, name string) error {
	n := 0
	if err := w.Scan(kv.Range{}, func(_, _ []byte) bool { n++; return true }); err != nil {
		return err
	}
	return w.Put([]byte(name), fmt.Append(nil, n))
}
