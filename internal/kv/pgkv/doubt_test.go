package pgkv_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/internal/kv"
	"posthorn/internal/kv/pgkv"
	"posthorn/internal/kv/pgkv/pgtest"
)

// TestCommitInDoubt loses the connection at every moment at which a commit can be,
// and wants Update to tell the truth.
func TestCommitInDoubt(t *testing.T) {
	for _, each := range []struct {
		name  string
		blind bool // the Update does not read
		runs  int  // how often its fn is called
		lose  func(t *testing.T, c *caught)
	}{
		{"LostOnItsWay", false, 2, func(t *testing.T, c *caught) { c.hangUp() }},
		{"AnswerLost", false, 1, loseAnswer},
		{"AnswerLostBlind", true, 1, loseAnswer},
		{"HangsAndDies", false, 2, hang},
		{"HangsAndCommits", false, 1, func(t *testing.T, c *caught) {
			hang(t, c)
			c.send(t, c.commit[len(c.commit)-syncLength:])
			c.hear(t, committed, 1)
		}},
		{"ArrivesTooLate", true, 2, func(t *testing.T, c *caught) {
			c.hangUp()
			<-c.updated
			c.send(t, c.commit)
			c.hear(t, "duplicate key value", 1)
		}},
	} {
		t.Run(each.name, func(t *testing.T) { testCommitInDoubt(t, each.blind, each.runs, each.lose) })
	}
}

// loseAnswer loses the connection when the server has committed.
func loseAnswer(t *testing.T, c *caught) {
	c.send(t, c.commit)
	c.hear(t, committed, 1)
	c.hangUp()
}

// hang has the server come as far as it does without the sync, and loses the
// connection; when it returns, somebody waits for the outcome.
func hang(t *testing.T, c *caught) {
	c.send(t, c.commit[:len(c.commit)-syncLength])
	c.send(t, []byte("H\x00\x00\x00\x04")) // a flush: answer so far
	c.hear(t, "INSERT 0 1", 2)             // the row and the mark
	c.hangUp()
	until(t, "who asks for the outcome", c.blocked)
}

// In PostgreSQL's protocol:
const (
	syncLength = 5                    // what ends a commit
	committed  = "Z\x00\x00\x00\x05I" // the answer to it
)

func testCommitInDoubt(t *testing.T, blind bool, runs int, lose func(*testing.T, *caught)) {
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	direct := openEngine(t, pgkv.Options{DSN: server.DSN(database)})
	updated := make(chan struct{})
	p := startProxy(t, server.Socket(), "precious", func(c *caught) {
		c.updated = updated
		c.blocked = func() bool {
			return len(server.Exec(t, database, "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")) > 0
		}
		lose(t, c)
	})
	engine := openEngine(t, pgkv.Options{DSN: fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=%s sslmode=disable", p.port(), database)})

	ran := 0
	err := engine.Update(t.Context(), []kv.Shard{"a"}, func(tx kv.Tx) error {
		ran++
		value := fmt.Sprintf("precious %d", ran)
		if !blind {
			old, _, err := tx.In("a").Get([]byte("key"))
			if err != nil {
				return err
			}
			if string(old) != "" {
				t.Errorf("run %d finds %q", ran, old)
			}
			value = "precious 1"
		}
		return tx.In("a").Put([]byte("key"), []byte(value))
	})
	close(updated)
	if err != nil || ran != runs {
		t.Errorf("after %d runs, not %d: %v", ran, runs, err)
	}
	p.wait()
	due := "precious 1"
	if blind {
		due = fmt.Sprintf("precious %d", runs)
	}
	if value := get(t, direct, "a", "key"); value != due {
		t.Errorf("the database has %q, not %q", value, due)
	}
}

// TestEveryUpdateOnce counts while connections are cut and the server is killed. No
// Update may fail, none may count twice.
func TestEveryUpdateOnce(t *testing.T) {
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	engine := openEngine(t, pgkv.Options{DSN: server.DSN(database), Patience: time.Minute})
	const goroutines = 12
	var counted [goroutines]int
	var all sync.WaitGroup
	stop := make(chan struct{})
	for g := range goroutines {
		all.Go(func() {
			shards := []kv.Shard{kv.Shard(fmt.Sprintf("own/%d", g)), kv.Shard(fmt.Sprintf("shared/%d", g%3))}[g%2:]
			for {
				select {
				case <-stop:
					return
				default:
				}
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
					return
				}
				counted[g]++
			}
		})
	}
	for i := range 12 {
		time.Sleep(time.Duration(10+7*i) * time.Millisecond) // anywhere in the work
		if i%4 == 3 {
			server.Kill(t)
		} else {
			server.Exec(t, database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'")
		}
	}
	close(stop)
	all.Wait()
	due := make(map[kv.Shard]int)
	for g, n := range counted {
		due[kv.Shard(fmt.Sprintf("shared/%d", g%3))] += n
		if g%2 == 0 {
			due[kv.Shard(fmt.Sprintf("own/%d", g))] += n
		}
	}
	for shard, n := range due {
		if got := get(t, engine, shard, "n"); got != fmt.Sprint(n) {
			t.Errorf("%s: %d Updates returned nil, %s happened", shard, n, got)
		}
	}
}

// proxy stands between an engine and the server until a commit with some word in
// it comes along. That is given to lose instead.
type proxy struct {
	listener net.Listener
	socket   string
	word     []byte
	lose     func(*caught)
	lost     atomic.Bool
	losing   sync.WaitGroup
}

// caught is a commit that has come as far as the proxy. From here on the client
// hears nothing from the server.
type caught struct {
	commit  []byte // with the sync at its end
	client  net.Conn
	server  net.Conn
	said    *deaf
	blocked func() bool     // a transaction waits for another
	updated <-chan struct{} // closed when Update has returned
}

func (c *caught) hangUp() { c.client.Close() }

func (c *caught) send(t *testing.T, b []byte) {
	if _, err := c.server.Write(b); err != nil {
		t.Error(err)
	}
}

// hear waits until the server has said something n times.
func (c *caught) hear(t *testing.T, what string, n int) {
	until(t, fmt.Sprintf("%q", what), func() bool {
		c.said.mu.Lock()
		defer c.said.mu.Unlock()
		return bytes.Count(c.said.kept, []byte(what)) == n
	})
}

// deaf passes on what is written to it, until the client is to hear no more.
type deaf struct {
	client net.Conn
	mu     sync.Mutex
	deaf   bool
	kept   []byte
}

func (d *deaf) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.deaf {
		d.kept = append(d.kept, b...)
		return len(b), nil
	}
	return d.client.Write(b)
}

func startProxy(t *testing.T, socket, word string, lose func(*caught)) *proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, socket: socket, word: []byte(word), lose: lose}
	p.losing.Add(1)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	t.Cleanup(func() { listener.Close() })
	return p
}

func (p *proxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// wait waits until the loss is over.
func (p *proxy) wait() { p.losing.Wait() }

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	defer server.Close()
	answers := &deaf{client: client}
	go func() {
		_, _ = io.Copy(answers, server)
		client.Close()
	}()
	buffer := make([]byte, 1<<16)
	for {
		n, err := client.Read(buffer)
		if bytes.Contains(buffer[:n], p.word) && p.lost.CompareAndSwap(false, true) {
			defer p.losing.Done()
			answers.mu.Lock()
			answers.deaf = true
			answers.mu.Unlock()
			p.lose(&caught{commit: buffer[:n], client: client, server: server, said: answers})
			return
		}
		if _, errWrite := server.Write(buffer[:n]); err != nil || errWrite != nil {
			return
		}
	}
}

// until waits for something that is bound to come.
func until(t *testing.T, what string, come func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !come(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("still waiting for %s", what)
			return
		}
	}
}
