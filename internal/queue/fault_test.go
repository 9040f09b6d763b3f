package queue

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/dsn"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// While the disk is full, what has been delivered is not delivered again.
func TestFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var full atomic.Bool
		w.engine = memkv.New(memkv.Options{Commit: func() error {
			if full.Load() {
				return fault.New(fault.StorageFull, "the disk is full")
			}
			return nil
		}})
		w.answer("slow.test", after(time.Minute, accept()))
		w.start()
		w.put(w.message("bob@slow.test"))
		full.Store(true)
		w.pass(10 * time.Hour)
		full.Store(false)
		w.pass(time.Minute)
		if n := len(w.tried("bob@slow.test")); n != 1 {
			t.Errorf("bob got it %d times", n)
		}
		w.wantEmpty()
	})
}

func TestPanicAndMissingResults(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var bad atomic.Bool
		bad.Store(true)
		w.answer("bad.test", func(context.Context, *Message, addr.Address) Result {
			if bad.Load() {
				panic("a defect")
			}
			return accept()
		})
		w.servers["mute.test"] = func(context.Context, *Message, addr.Address) Result { return Result{} }
		w.start()
		id := w.put(w.message("bob@bad.test", "carol@mute.test"))
		w.pass(time.Minute)
		for i, p := range w.status(id).Progress {
			if p.State != Pending || p.Attempts != 1 || p.Reply.Code != 451 {
				t.Errorf("recipient %d: %+v", i, p)
			}
		}
		if !strings.Contains(w.log.String(), "a defect") {
			t.Error("the panic is not in the log")
		}
		bad.Store(false)
		w.pass(time.Hour)
		if p := w.status(id).Progress[0]; p.State != Delivered {
			t.Errorf("%+v", p)
		}
	})
}

// Attempts that end because the server stops are none; what they have achieved
// counts.
func TestShutdown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		wait := func(ctx context.Context, d time.Duration) bool {
			select {
			case <-time.After(d):
				return true
			case <-ctx.Done():
				return false
			}
		}
		w.answer("quick.test", func(ctx context.Context, _ *Message, _ addr.Address) Result {
			if wait(ctx, 10*time.Second) {
				return accept()
			}
			return deferred("interrupted")
		})
		w.answer("slow.test", func(ctx context.Context, _ *Message, _ addr.Address) Result {
			if wait(ctx, 10*time.Minute) {
				return accept()
			}
			return unreachable()
		})
		w.start()
		w.put(w.message("bob@quick.test"))
		slow := w.put(w.message("carol@slow.test"))
		w.pass(time.Second)
		before := time.Now()
		w.stop()
		if took := time.Since(before); took != 30*time.Second {
			t.Errorf("it took %v to stop, want the time of grace", took)
		}
		if n := w.queued(); n != 1 {
			t.Errorf("%d messages are left, want the slow one", n)
		}
		if p := w.status(slow).Progress[0]; p.Attempts != 0 || !p.Last.IsZero() {
			t.Errorf("%+v", p)
		}
		w.start()
		w.pass(11 * time.Minute)
		w.wantEmpty()
	})
}

// A damaged record concerns its message alone.
func TestDamage(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", always(deferred("later")))
		var ids []ID
		for range 5 {
			ids = append(ids, w.put(w.message("bob@slow.test")))
		}
		w.start()
		w.pass(time.Minute)
		w.stop()
		envelope, progress, index, body := ids[0], ids[1], ids[2], ids[3]
		w.spoil(envelope, func(k key) []byte { return keyEnvelope(k.serial()) })
		w.spoil(progress, func(k key) []byte { return keyProgress(k.serial(), 0) })
		w.spoil(body, func(k key) []byte { return keyBody(k.serial()) })
		w.spoil(index, func(key) []byte { return keyID(index) })
		w.start()
		w.pass(time.Hour)
		for name, id := range map[string]ID{"envelope": envelope, "progress": progress} {
			if _, err := w.queue.Show(t.Context(), id); !fault.Is(err, fault.Corrupt) {
				t.Errorf("a damaged %s: %v", name, err)
			}
		}
		w.status(index)              // is found all the same
		if n := w.queued(); n != 2 { // the one that is sound, and the one whose index is damaged
			t.Errorf("%d messages are listed, want 2", n)
		}
		notes := w.notes("alice@example.test")
		if len(notes) != 1 || about(notes[0], dsn.Failed) != 1 || strings.Contains(notes[0], "rfc822-headers") {
			t.Errorf("of the damaged body: %q", notes)
		}
		if p := w.status(ids[4]).Progress[0]; p.Attempts < 5 {
			t.Errorf("the sound message: %+v", p)
		}
		if !strings.Contains(w.log.String(), "damaged message in the queue") {
			t.Error("the damage is not in the log")
		}
	})
}

// spoil flips bits of a message's record.
func (w *world) spoil(id ID, which func(key) []byte) {
	w.t.Helper()
	shard := ShardOf(id)
	err := w.engine.Update(context.Background(), []kv.Shard{shard}, func(tx kv.Tx) error {
		r := tx.In(shard)
		at, ok, err := locate(r, sliceOf(id), id)
		if err != nil || !ok {
			return errors.Join(err, errors.New("there is no such message"))
		}
		k := which(at)
		v, ok, err := r.Get(k)
		if err != nil || !ok {
			return errors.Join(err, errors.New("there is no such key"))
		}
		v = bytes.Clone(v)
		for i := range v {
			v[i] ^= 0xff
		}
		return r.Put(k, v)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Local gets the notification and the change for one commit.
func TestLocalSenders(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var mailbox []*Message
		var trouble error
		w.options.Local = func(ctx context.Context, n *Message, with Change) (bool, error) {
			switch {
			case n.Recipients[0].Address.Domain != "example.test":
				return false, nil
			case trouble != nil:
				return false, trouble
			}
			const account = kv.Shard("a/1")
			err := w.engine.Update(ctx, []kv.Shard{account, with.Shard}, func(tx kv.Tx) error {
				if err := tx.In(account).Put([]byte(n.ID), n.Body.Data); err != nil {
					return err
				}
				return with.Apply(tx.In(with.Shard))
			})
			if err == nil {
				mailbox = append(mailbox, n)
			}
			return true, err
		}
		w.answer("bad.test", always(refuse("no such user")))
		w.start()
		w.put(w.message("bob@bad.test"))
		w.pass(time.Minute)
		if len(mailbox) != 1 || about(string(mailbox[0].Body.Data), dsn.Failed) != 1 || !mailbox[0].From.IsZero() {
			t.Fatalf("in the mailbox: %+v", mailbox)
		}
		if n := len(w.tried("alice@example.test")); n != 0 {
			t.Error("the notification was queued as well")
		}

		stranger := w.message("bob@bad.test")
		stranger.From = address("eve@elsewhere.test")
		w.put(stranger)
		w.pass(time.Minute)
		if n := len(w.notes("eve@elsewhere.test")); n != 1 {
			t.Errorf("a sender from elsewhere got %d notifications", n)
		}

		trouble = fault.New(fault.OverQuota, "the mailbox is full")
		w.put(w.message("bob@bad.test"))
		w.pass(time.Minute)
		if n := len(w.notes("alice@example.test")); n != 1 || len(mailbox) != 1 {
			t.Errorf("with a full mailbox, %d notifications were queued", n)
		}
		w.wantEmpty()
	})
}

// What is protected on its way comes back protected, and its text does not.
func TestRequireTLS(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("bad.test", always(refuse("no such user")))
		var got *Message
		w.answer("example.test", func(_ context.Context, m *Message, _ addr.Address) Result {
			got = m
			return accept()
		})
		w.start()
		m := w.message("bob@bad.test")
		m.RequireTLS, m.Return, m.Priority = true, dsn.ReturnMessage, 4
		w.put(m)
		w.pass(time.Minute)
		if got == nil || !got.RequireTLS || got.Priority != 4 || !got.From.IsZero() || got.Recipients[0].Notify != dsn.Never {
			t.Fatalf("%+v", got)
		}
		if note := w.notes("alice@example.test")[0]; strings.Contains(note, "Hello") || !strings.Contains(note, "Subject: number 1") {
			t.Errorf("%s", note)
		}
	})
}

// Trouble with reading is waited out.
func TestUnreadable(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start()
		broken := &brokenEngine{Engine: w.engine}
		w.queue.engine = broken
		broken.down.Store(true)
		w.put(w.message("bob@remote.test"))
		w.pass(time.Minute)
		broken.down.Store(false)
		w.pass(time.Minute)
		if n := len(w.tried("bob@remote.test")); n != 1 {
			t.Errorf("tried %d times", n)
		}
		w.wantEmpty()
	})
}

// brokenEngine is an engine that cannot be read at times.
type brokenEngine struct {
	kv.Engine
	down atomic.Bool
}

func (e *brokenEngine) View(ctx context.Context, s kv.Shard, fn func(kv.Reader) error) error {
	if e.down.Load() {
		return fault.New(fault.Unavailable, "out of order")
	}
	return e.Engine.View(ctx, s, fn)
}
