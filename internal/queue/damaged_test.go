package queue

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// What cannot be read is listed by name, or by place where its name is lost, takes
// part in nothing, and goes away when the operator deletes it.
func TestDamagedMessages(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", always(deferred("later")))
		w.start()
		var ids []ID
		for slice := range 4 {
			m := w.message("bob@slow.test")
			m.ID = newIDIn(slice, time.Now())
			ids = append(ids, w.put(m))
		}
		large := w.message("carol@slow.test")
		large.ID, large.Body = newIDIn(4, time.Now()), Body{Blob: "b10b", Size: 100}
		large.Hold = true
		ids = append(ids, w.put(large))
		w.pass(time.Minute)
		w.stop()
		w.spoil(ids[0], func(k key) []byte { return keyEnvelope(k.serial()) })
		w.spoil(ids[1], func(k key) []byte { return keyProgress(k.serial(), 0) })
		w.remove(ids[2], func(k key) []byte { return keyEnvelope(k.serial()) })
		w.remove(ids[2], func(key) []byte { return keyID(ids[2]) })
		w.spoil(ids[4], func(k key) []byte { return keyEnvelope(k.serial()) })
		w.start()
		w.pass(time.Hour)
		if n := len(w.tried("bob@slow.test")); n < 7 {
			t.Errorf("the sound message does not go on: %d attempts", n)
		}
		bad := []ID{ids[0], ids[1], "q/02/1", ids[4]}
		w.wantDamaged(bad...)

		got, err := w.queue.Operate(t.Context(), Filter{IDs: append(bad, ids[3])}, Order{Operation: Hold})
		if err != nil || !slices.Equal(got.Damaged, bad) || !slices.Equal(got.Messages, ids[3:4]) {
			t.Errorf("on hold: %+v, %v", got, err)
		}
		got, err = w.queue.Operate(t.Context(), Filter{}, Order{Operation: Delete})
		if err != nil || !slices.Equal(got.Messages, ids[3:4]) {
			t.Errorf("all deleted: %+v, %v", got, err)
		}
		w.wantDamaged(bad...)
		for _, preview := range []bool{true, false} {
			w.wantDamaged(bad...)
			got, err := w.queue.Operate(t.Context(), Filter{IDs: bad}, Order{Operation: Delete, Preview: preview})
			if err != nil || !slices.Equal(got.Messages, bad) {
				t.Errorf("deleted: %+v, %v", got, err)
			}
		}
		w.wantDamaged()
		w.pass(0)
		w.wantEmpty()
	})
}

// wantDamaged says which messages are listed as damaged.
func (w *world) wantDamaged(ids ...ID) {
	w.t.Helper()
	found, err := w.queue.Damaged(context.Background())
	var got []ID
	for _, d := range found {
		got = append(got, d.ID)
		if !fault.Is(d.Err, fault.Corrupt) {
			w.t.Errorf("%s: %v", d.ID, d.Err)
		}
		if _, err := w.queue.Show(context.Background(), d.ID); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), string(d.ID)) {
			w.t.Errorf("%s is shown: %v", d.ID, err)
		}
	}
	if err != nil || !slices.Equal(got, ids) {
		w.t.Errorf("damaged: %v, %v; want %v", got, err, ids)
	}
}

// remove takes one of a message's records away.
func (w *world) remove(id ID, which func(key) []byte) {
	w.t.Helper()
	shard := ShardOf(id)
	err := w.engine.Update(context.Background(), []kv.Shard{shard}, func(tx kv.Tx) error {
		k := makeKey(sliceOf(id), 1)
		return tx.In(shard).Delete(which(k))
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// A slice that does not know its last serial any more takes and delivers messages
// all the same, before and after a restart.
func TestDamagedHead(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", always(deferred("later")))
		put := func(to string) ID {
			m := w.message(to)
			m.ID = newIDIn(7, time.Now())
			return w.put(m)
		}
		w.start()
		first := put("bob@slow.test")
		put("carol@fast.test") // has the last serial, and leaves
		w.pass(time.Minute)
		w.spoil(first, func(key) []byte { return keyHead })
		put("dave@fast.test")
		w.pass(time.Minute)
		if n := len(w.tried("dave@fast.test")); n != 1 {
			t.Errorf("dave was tried %d times", n)
		}
		w.stop()
		w.spoil(first, func(key) []byte { return keyHead })
		w.start()
		put("erin@fast.test")
		w.pass(time.Hour)
		if n := len(w.tried("erin@fast.test")); n != 1 {
			t.Errorf("erin was tried %d times", n)
		}
		if p := w.status(first).Progress[0]; p.Attempts < 5 {
			t.Errorf("what was there before: %+v", p)
		}
	})
}

func TestPlaces(t *testing.T) {
	for slice := range numSlices {
		k := makeKey(slice, 1234567)
		if got, ok := placed(k.place()); !ok || got != k {
			t.Errorf("%s is %x, %v; want %x", k.place(), got, ok, k)
		}
	}
	for _, none := range []ID{"", "q/03", "q/03/", "q/3/1", "q/10/1", "q/03/01", "q/03/-1", "03/1", "q/03/999999999999999999999", "0123456789abcdef"} {
		if k, ok := placed(none); ok {
			t.Errorf("%q is taken for %x", none, k)
		}
	}
}

// Messages that are not there are named, and the others are done.
func TestMissing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.message("bob@slow.test")
		m.Hold = true
		w.start()
		there, gone := w.put(m), NewID(time.Now())
		for _, preview := range []bool{true, false} {
			got, err := w.queue.Operate(t.Context(), Filter{IDs: []ID{gone, there}}, Order{Operation: Release, Preview: preview})
			if err != nil || !slices.Equal(got.Missing, []ID{gone}) || !slices.Equal(got.Messages, []ID{there}) {
				t.Errorf("%+v, %v", got, err)
			}
		}
		_, err := w.queue.Operate(t.Context(), Filter{IDs: []ID{there, "nonsense"}}, Order{Operation: Delete})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("what is no name: %v", err)
		}
		w.pass(time.Minute)
		if n := len(w.tried("bob@slow.test")); n != 1 {
			t.Errorf("bob was tried %d times", n)
		}
	})
}
