package queue

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/blob"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/dsn"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/smtpwire"
)

// world is a queue in synctest's time, with remote servers that are functions. Its
// engine runs every Update twice.
type world struct {
	t       testing.TB
	engine  *memkv.Engine
	blobs   *memblob.Store
	options Options
	queue   *Queue
	log     logged
	serial  int

	mu      sync.Mutex
	servers map[string]server // by domain; others accept all
	tries   []try
	active  map[string]int
	busiest map[string]int // most jobs at once, by domain

	stop func()
}

// server says what becomes of one recipient.
type server func(ctx context.Context, m *Message, to addr.Address) Result

// try is one attempt for one recipient, as the remote side saw it.
type try struct {
	at   time.Duration // since the world began
	id   ID
	to   string
	dest string
	body string
	r    Result
}

var began = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when a bubble begins

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, engine: memkv.New(memkv.Options{Rerun: true}), blobs: memblob.New(memblob.Options{}),
		servers: map[string]server{}, active: map[string]int{}, busiest: map[string]int{},
	}
	w.options = Options{
		Settings: Settings{Hostname: "mail.example.test", Postmaster: address("postmaster@example.test")}, Jobs: 100,
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	return w
}

// logged is a log that several goroutines write, and a test reads meanwhile.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// inBubble runs a test in a time of its own.
func inBubble(t *testing.T, fn func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		fn(t, w)
		w.end()
		if t.Failed() {
			t.Logf("the log begins\n%.20000s", w.log.String())
		}
	})
}

// start opens the queue on the engine and runs it.
func (w *world) start() {
	w.options.Engine, w.options.Blobs = w.engine, w.blobs
	w.queue = New(w.options)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	q := w.queue
	go func() { ended <- q.Run(ctx, w.deliver) }()
	w.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
		w.stop = nil
	}
	synctest.Wait()
}

func (w *world) end() {
	if w.stop != nil {
		w.stop()
	}
}

// most is how many jobs a domain had at once.
func (w *world) most(domain string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busiest[domain]
}

// deliver is the outside world.
func (w *world) deliver(ctx context.Context, j *Job) []Result {
	content, err := j.Open(ctx)
	if err != nil {
		return slices.Repeat([]Result{refuse("damaged")}, len(j.Recipients))
	}
	body, err := io.ReadAll(io.NewSectionReader(content, 0, content.Size()))
	if err != nil {
		w.t.Errorf("reading %s: %v", j.Message.ID, err)
	}
	content.Close()

	w.mu.Lock()
	w.active[j.Destination]++
	w.busiest[j.Destination] = max(w.busiest[j.Destination], w.active[j.Destination])
	serve := w.servers[j.Destination]
	w.mu.Unlock()
	if serve == nil {
		serve = func(context.Context, *Message, addr.Address) Result { return accept() }
	}
	var results []Result
	for _, i := range j.Recipients {
		to := j.Message.Recipients[i].Address
		r := serve(ctx, j.Message, to)
		results = append(results, r)
		w.mu.Lock()
		w.tries = append(w.tries, try{time.Since(began), j.Message.ID, to.String(), j.Destination, string(body), r})
		w.mu.Unlock()
	}
	w.mu.Lock()
	w.active[j.Destination]--
	w.mu.Unlock()
	return results
}

// answer sets how the servers of a domain answer.
func (w *world) answer(domain string, s server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[domain] = s
}

func accept() Result {
	return Result{Outcome: Accepted, Reply: smtpwire.NewReply(250, smtpwire.EnhancedCode{2, 0, 0}, "OK"), Remote: "mx.test [192.0.2.1]"}
}

func refuse(text string) Result {
	return Result{Outcome: Refused, Reply: smtpwire.NewReply(550, smtpwire.EnhancedCode{5, 1, 1}, text), Remote: "mx.test [192.0.2.1]"}
}

func deferred(text string) Result {
	return Result{Outcome: Deferred, Reply: smtpwire.NewReply(450, smtpwire.EnhancedCode{4, 2, 0}, text), Remote: "mx.test [192.0.2.1]"}
}

func unreachable() Result {
	return Result{Outcome: Unreachable, Reply: smtpwire.NewReply(451, smtpwire.EnhancedCode{4, 4, 1}, "connection timed out")}
}

// always is a server with one answer.
func always(r Result) server {
	return func(context.Context, *Message, addr.Address) Result { return r }
}

// after is a server that takes its time.
func after(d time.Duration, r Result) server {
	return func(context.Context, *Message, addr.Address) Result { time.Sleep(d); return r }
}

func address(s string) addr.Address {
	a, err := addr.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

// message makes a message from alice.
func (w *world) message(to ...string) *Message {
	w.serial++
	m := &Message{
		ID: NewID(time.Now()), From: address("alice@example.test"), Created: time.Now(),
		Body: Body{Data: fmt.Appendf(nil, "Subject: number %d\r\n\r\nHello\r\n", w.serial)},
	}
	for _, each := range to {
		m.Recipients = append(m.Recipients, Recipient{Address: address(each)})
	}
	return m
}

func (w *world) put(m *Message) ID {
	w.t.Helper()
	shard := ShardOf(m.ID)
	err := w.engine.Update(context.Background(), []kv.Shard{shard}, func(tx kv.Tx) error { return Put(tx.In(shard), m) })
	if err != nil {
		w.t.Fatalf("Put: %v", err)
	}
	return m.ID
}

// pass lets time pass until everything that happens in it has happened.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// tried lists the attempts for a recipient.
func (w *world) tried(to string) []try {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []try
	for _, each := range w.tries {
		if each.to == to {
			all = append(all, each)
		}
	}
	return all
}

// notes are the notifications that have reached somebody.
func (w *world) notes(to string) []string {
	var bodies []string
	for _, each := range w.tried(to) {
		if each.r.Outcome == Accepted {
			bodies = append(bodies, each.body)
		}
	}
	return bodies
}

func (w *world) status(id ID) Status {
	w.t.Helper()
	st, err := w.queue.Show(context.Background(), id)
	if err != nil {
		w.t.Fatalf("Show: %v", err)
	}
	return st
}

// queued counts the messages in the queue.
func (w *world) queued() int {
	w.t.Helper()
	n := 0
	if err := w.queue.List(context.Background(), Filter{}, func(Status) bool { n++; return true }); err != nil {
		w.t.Fatalf("List: %v", err)
	}
	return n
}

// references counts the references to blobs.
func (w *world) references() int {
	w.t.Helper()
	n := 0
	if err := w.queue.Blobs(context.Background(), func(blob.ID) bool { n++; return true }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// wantEmpty says that nothing is left behind in the slices.
func (w *world) wantEmpty() {
	w.t.Helper()
	for slice := range numSlices {
		err := w.engine.View(context.Background(), sliceShard(slice), func(r kv.Reader) error {
			return r.Scan(kv.Range{}, func(k, _ []byte) bool {
				if !bytes.Equal(k, keyHead) {
					w.t.Errorf("slice %d still has key %q", slice, k)
				}
				return true
			})
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if n := w.queue.schedule.size(); n != 0 {
		w.t.Errorf("the schedule still has %d messages", n)
	}
}

// about counts the actions that a notification tells of.
func about(note string, a dsn.Action) int {
	return strings.Count(note, "\r\nAction: "+a.String()+"\r\n")
}
