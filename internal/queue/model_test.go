package queue

import (
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

	"pgregory.net/rapid"

	"posthorn/internal/addr"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/dsn"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// TestModel puts messages, lets time pass, crashes and interferes at random, with
// remote servers that behave in every way, and holds the promises of the package
// comment: nobody is lost, nobody gets a message again once that is on record, no
// attempt is forgotten, and everything ends in a mailbox or in one notification.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		inOwnTime(t, func() {
			m := newMachine(rt)
			defer func() { m.stop() }()
			rt.Repeat(map[string]func(*rapid.T){
				"put": m.put, "pass": m.pass, "crash": m.crash, "restart": m.restart,
				"fill": m.fill, "operate": m.operate, "": m.check,
			})
			m.finish(rt)
		})
	})
}

// inOwnTime runs fn in a bubble, and hands on what it panics with, as rapid's
// failures do.
func inOwnTime(t *testing.T, fn func()) {
	var panicked any
	synctest.Test(t, func(*testing.T) {
		defer func() { panicked = recover() }()
		fn()
	})
	if panicked != nil {
		panic(panicked)
	}
}

// behaviour is how the remote side answers for a recipient, attempt by attempt.
type behaviour struct {
	vain  int     // attempts that fail for now
	how   Outcome // as what
	end   Outcome // what follows: Accepted or Refused
	think time.Duration
	reply time.Duration // from the other side's decision until we know it
}

// fate is what the model knows of one recipient.
type fate struct {
	behaviour
	notify   dsn.Notify
	null     bool // the sender is the null one
	seen     int  // attempts that reached the remote side
	accepted int  // of them successful
	lost     int  // successes that a crash has made us forget
	pending  bool // a success is on its way to us, or not on record yet
	over     bool // it is on record that nothing more is to be done
	deleted  bool // by the operator
	bounced  bool // by the operator, who does not stop an attempt under way
	attempts int  // on record
}

type machine struct {
	engine *memkv.Engine
	blobs  *memblob.Store
	queue  *Queue
	stop   func()
	gather time.Duration

	mu       sync.Mutex
	full     bool
	life     chan struct{} // closed by a crash
	fates    map[ID]map[string]*fate
	notes    map[ID]string // notifications that have reached their mailbox
	violated string
	serial   int
}

var modelPolicy = Policy{
	Pauses: []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute}, Lifetime: 3 * time.Hour, Notice: time.Hour, Concurrency: 3,
}

func newMachine(t *rapid.T) *machine {
	m := &machine{blobs: memblob.New(memblob.Options{}), fates: map[ID]map[string]*fate{}, notes: map[ID]string{}}
	m.engine = memkv.New(memkv.Options{Commit: m.commit, Rerun: rapid.Bool().Draw(t, "rerun")})
	m.gather = rapid.SampledFrom([]time.Duration{0, 3 * time.Millisecond}).Draw(t, "together")
	m.open()
	return m
}

// commit takes a while, so that crashes come in the middle.
func (m *machine) commit() error {
	time.Sleep(2 * time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return fault.New(fault.StorageFull, "the disk is full")
	}
	return nil
}

func (m *machine) open() {
	m.life = make(chan struct{})
	m.queue = New(Options{
		Engine: m.engine, Blobs: m.blobs, Settings: Settings{Hostname: "mail.test", Postmaster: address("postmaster@mail.test"), Policy: func(string) Policy { return modelPolicy }}, Jobs: 8,
		Local: m.local, Logger: slog.New(slog.DiscardHandler), Grace: time.Second, Together: m.gather,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	q, life := m.queue, m.life
	go func() {
		defer close(ended)
		if err := q.Run(ctx, func(ctx context.Context, j *Job) []Result { return m.deliver(ctx, j, life) }); err != nil {
			m.violate("Run: %v", err)
		}
	}()
	m.stop = func() { cancel(); <-ended }
	synctest.Wait()
}

func (m *machine) violate(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.violated == "" {
		m.violated = fmt.Sprintf(format, args...)
	}
}

// sleep is false if the server crashed or stopped in the meantime.
func sleep(ctx context.Context, life chan struct{}, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-life:
	case <-ctx.Done():
	}
	return false
}

// deliver is the remote side.
func (m *machine) deliver(ctx context.Context, j *Job, life chan struct{}) []Result {
	select {
	case <-life:
		return nil // whoever this is died in the crash
	default:
	}
	if j.Message.Recipients[0].Address.Domain == "sender.test" {
		return []Result{m.receive(ctx, j, life)}
	}
	var fates []*fate
	for _, i := range j.Recipients {
		fates = append(fates, m.arrive(j.Message.ID, j.Message.Recipients[i].Address))
	}
	var results []Result
	for _, f := range fates {
		results = append(results, m.serve(ctx, f, life))
	}
	return results
}

// receive takes a notification into the sender's mailbox elsewhere.
func (m *machine) receive(ctx context.Context, j *Job, life chan struct{}) Result {
	content, err := j.Open(ctx)
	if err != nil {
		m.violate("notification %s cannot be read: %v", j.Message.ID, err)
		return deferred("unreadable")
	}
	text, err := io.ReadAll(io.NewSectionReader(content, 0, content.Size()))
	if err != nil {
		m.violate("notification %s cannot be read: %v", j.Message.ID, err)
	}
	if !sleep(ctx, life, time.Second) {
		return deferred("broken off")
	}
	m.mu.Lock()
	m.notes[j.Message.ID] = string(text)
	m.mu.Unlock()
	return accept()
}

// serve answers for one recipient.
func (m *machine) serve(ctx context.Context, f *fate, life chan struct{}) Result {
	if f == nil || !sleep(ctx, life, f.think) {
		return deferred("broken off")
	}
	r := m.decide(f)
	sleep(ctx, life, f.reply)
	return r
}

// arrive is the moment in which the remote side hears of an attempt.
func (m *machine) arrive(id ID, to addr.Address) *fate {
	m.mu.Lock()
	f := m.fates[id][to.String()]
	m.mu.Unlock()
	if f == nil {
		m.violate("message %s to %s is tried, and nobody has sent it", id, to)
		return nil
	}
	if f.over {
		m.violate("message %s to %s is tried again, though it is on record as done", id, to)
	}
	return f
}

// decide is the moment in which the remote side takes the message over, or not.
func (m *machine) decide(f *fate) Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.seen++
	switch {
	case f.seen <= f.vain && f.how == Unreachable:
		return unreachable()
	case f.seen <= f.vain:
		return deferred("later")
	case f.end == Refused:
		return refuse("no such user")
	}
	f.accepted++
	f.pending = true
	return accept()
}

// local is the mailbox of a sender here: its notification and the change are one
// commit.
func (m *machine) local(ctx context.Context, n *Message, with Change) (bool, error) {
	if n.Recipients[0].Address.Domain != "local.test" {
		return false, nil
	}
	const account = kv.Shard("a/1")
	return true, m.queue.engine.Update(ctx, []kv.Shard{account, with.Shard}, func(tx kv.Tx) error {
		if err := tx.In(account).Put([]byte(n.ID), n.Body.Data); err != nil {
			return err
		}
		return with.Apply(tx.In(with.Shard))
	})
}

// The actions.

func drawBehaviour(t *rapid.T) behaviour {
	return behaviour{
		vain:  rapid.SampledFrom([]int{0, 0, 1, 3, 1000}).Draw(t, "vain"),
		how:   rapid.SampledFrom([]Outcome{Deferred, Unreachable}).Draw(t, "how"),
		end:   rapid.SampledFrom([]Outcome{Accepted, Accepted, Refused}).Draw(t, "end"),
		think: rapid.SampledFrom([]time.Duration{0, time.Second, 10 * time.Minute}).Draw(t, "think"),
		reply: rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(t, "reply"),
	}
}

func (m *machine) put(t *rapid.T) {
	m.serial++
	msg := &Message{
		ID: NewID(time.Now()), Created: time.Now(), Body: Body{Data: fmt.Appendf(nil, "Subject: number %d\r\n\r\n", m.serial)},
		Priority: rapid.IntRange(-2, 2).Draw(t, "priority"), Hold: rapid.IntRange(0, 9).Draw(t, "hold") == 0,
	}
	if from := rapid.SampledFrom([]string{"", "a@sender.test", "b@local.test"}).Draw(t, "from"); from != "" {
		msg.From = address(from)
	}
	fates := map[string]*fate{}
	for i := range rapid.IntRange(1, 4).Draw(t, "recipients") {
		to := address(fmt.Sprintf("r%d@d%d.test", i, rapid.IntRange(0, 3).Draw(t, "domain")))
		notify := rapid.SampledFrom([]dsn.Notify{0, 0, dsn.Never, dsn.Failure, dsn.Success | dsn.Failure | dsn.Delay}).Draw(t, "notify")
		msg.Recipients = append(msg.Recipients, Recipient{Address: to, Notify: notify})
		fates[to.String()] = &fate{behaviour: drawBehaviour(t), notify: notify, null: msg.From.IsZero()}
	}
	m.mu.Lock()
	m.fates[msg.ID] = fates
	m.mu.Unlock()
	err := m.engine.Update(context.Background(), []kv.Shard{ShardOf(msg.ID)}, func(tx kv.Tx) error { return Put(tx.In(ShardOf(msg.ID)), msg) })
	if err != nil {
		m.mu.Lock()
		delete(m.fates, msg.ID)
		m.mu.Unlock()
	}
}

func (m *machine) pass(t *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 30 * time.Second, 5 * time.Minute, time.Hour, 4 * time.Hour}).Draw(t, "time"))
}

// crash loses all that is not committed.
func (m *machine) crash(t *rapid.T) {
	m.mu.Lock()
	m.engine = m.engine.Clone()
	close(m.life)
	m.mu.Unlock()
	m.stop()
	m.forget(t)
	m.open()
}

// restart ends the server properly, and takes a while.
func (m *machine) restart(t *rapid.T) {
	m.stop()
	m.forget(t)
	m.pass(t)
	m.open()
}

// forget finds the successes that are not on record, when nothing is under way.
func (m *machine) forget(t *rapid.T) {
	q := New(Options{Engine: m.engine, Blobs: m.blobs})
	for id, fates := range m.fates {
		st, err := q.Show(context.Background(), id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		for to, f := range fates {
			if f.pending && err == nil && st.Progress[numberIn(st, to)].State == Pending {
				f.lost++
			}
			f.pending = false
		}
	}
}

func numberIn(st Status, to string) int {
	return slices.IndexFunc(st.Message.Recipients, func(r Recipient) bool { return r.Address.String() == to })
}

func (m *machine) fill(*rapid.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = !m.full
}

func (m *machine) operate(t *rapid.T) {
	m.mu.Lock()
	full := m.full
	m.mu.Unlock()
	if full {
		t.Skip()
	}
	f := Filter{Recipient: "@d", Domain: rapid.SampledFrom([]string{"", "d0.test", "d1.test"}).Draw(t, "domain"), Untried: rapid.Bool().Draw(t, "untried")}
	o := Order{Operation: rapid.SampledFrom([]Operation{Retry, Hold, Release, Bounce, Delete, Reroute}).Draw(t, "operation"), Route: "elsewhere.test"}
	if o.Operation == Delete || o.Operation == Bounce {
		err := m.queue.List(context.Background(), f, func(st Status) bool {
			for _, i := range st.Matching {
				if f := m.fates[st.Message.ID][st.Message.Recipients[i].Address.String()]; f != nil {
					f.deleted = f.deleted || o.Operation == Delete
					f.bounced = f.bounced || o.Operation == Bounce
				}
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.queue.Operate(context.Background(), f, o); err != nil {
		t.Fatal(err)
	}
}

// check compares what is on record with what the model knows.
func (m *machine) check(t *rapid.T) {
	synctest.Wait()
	for id, fates := range m.fates {
		st, err := m.queue.Show(context.Background(), id)
		gone := fault.Is(err, fault.NotFound)
		if err != nil && !gone {
			t.Fatalf("message %s: %v", id, err)
		}
		m.mu.Lock()
		for to, f := range fates {
			if gone {
				f.over = true
				continue
			}
			p := st.Progress[numberIn(st, to)]
			if p.Attempts < f.attempts {
				m.violated = fmt.Sprintf("message %s to %s: %d attempts on record, there were %d", id, to, p.Attempts, f.attempts)
			}
			f.attempts, f.over = p.Attempts, f.over || p.State != Pending
		}
		m.mu.Unlock()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.violated != "" {
		t.Fatal(m.violated)
	}
}

// finish lets everything end, and settles the accounts.
func (m *machine) finish(t *rapid.T) {
	m.mu.Lock()
	m.full = false
	m.mu.Unlock()
	if _, err := m.queue.Operate(context.Background(), Filter{}, Order{Operation: Release}); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		time.Sleep(time.Hour)
		m.check(t)
	}
	left := 0
	if err := m.queue.List(context.Background(), Filter{}, func(Status) bool { left++; return true }); err != nil || left > 0 {
		t.Fatalf("%d messages are left, %v", left, err)
	}
	if n := m.queue.schedule.size(); n != 0 {
		t.Fatalf("the schedule still has %d messages", n)
	}
	m.stop()
	told := m.told(t)
	for id, fates := range m.fates {
		for to, f := range fates {
			if err := f.settle(told[string(id)+" "+to]); err != nil {
				t.Fatalf("message %s to %s: %v; %+v", id, to, err, *f)
			}
		}
	}
}

// settle says whether a recipient has met with a proper end, given what his sender
// was told.
func (f *fate) settle(told []string) error {
	wants := func(a dsn.Action) bool { return !f.null && f.notify.Wants(a) }
	count := func(action dsn.Action) int {
		n := 0
		for _, a := range told {
			if a == action.String() {
				n++
			}
		}
		return n
	}
	failed := count(dsn.Failed)
	switch {
	case f.accepted > 1+f.lost:
		return fmt.Errorf("delivered %d times", f.accepted)
	case failed > 1 || count(dsn.Delayed) > 1:
		return fmt.Errorf("the sender was told %v", told)
	case f.accepted > 0 && failed > 0 && f.lost == 0 && !f.bounced:
		return fmt.Errorf("delivered, and the sender was told of a failure")
	case f.accepted == 0 && failed == 0 && !f.deleted && wants(dsn.Failed):
		return fmt.Errorf("lost")
	case failed > 0 && !wants(dsn.Failed), count(dsn.Delayed) > 0 && !wants(dsn.Delayed):
		return fmt.Errorf("the sender did not want to be told %v", told)
	}
	return nil
}

// told collects what senders were told, by message and recipient.
func (m *machine) told(t *rapid.T) map[string][]string {
	err := m.engine.View(context.Background(), "a/1", func(r kv.Reader) error {
		return r.Scan(kv.Range{}, func(k, v []byte) bool { m.notes[ID(k)] = string(v); return true })
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, note := range m.notes {
		for group := range strings.SplitSeq(note, "\r\n\r\n") {
			field := func(name string) string {
				_, rest, _ := strings.Cut("\r\n"+group, "\r\n"+name+": ")
				value, _, _ := strings.Cut(rest, "\r\n")
				return value
			}
			if to, ok := strings.CutPrefix(field("Final-Recipient"), "rfc822; "); ok {
				who := field("Final-Log-ID") + " " + to
				all[who] = append(all[who], field("Action"))
			}
		}
	}
	return all
}
