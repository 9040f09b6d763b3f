package queue

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/dsn"
	"posthorn/internal/kv"
)

func TestDelivery(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start()
		m := w.message("bob@one.test", "carol@two.test", "dave@One.Test")
		w.put(m)
		w.pass(0)
		for _, to := range []string{"bob@one.test", "carol@two.test", "dave@One.Test"} {
			tries := w.tried(to)
			if len(tries) != 1 || tries[0].body != string(m.Body.Data) {
				t.Errorf("%s: %+v", to, tries)
			}
		}
		w.wantEmpty()
	})
}

// Five days of refusals for now: attempts at growing distances, one word of the
// delay, one bounce.
func TestPatience(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", always(deferred("come back later")))
		w.start()
		id := w.put(w.message("bob@slow.test"))
		w.pass(4*24*time.Hour + 23*time.Hour)
		tries := w.tried("bob@slow.test")
		pauses := DefaultPolicy().Pauses
		for i := 1; i < len(tries); i++ {
			pause := tries[i].at - tries[i-1].at
			want := pauses[min(i, len(pauses))-1]
			if pause < want || pause > want+want/5+time.Second {
				t.Errorf("%v between attempts %d and %d, want %v and a fifth at most", pause, i, i+1, want)
			}
		}
		if n := len(tries); n < 190 || n > 240 {
			t.Errorf("%d attempts in five days", n)
		}
		if p := w.status(id).Progress[0]; p.Attempts != len(tries) || p.Reply.Lines[0] != "come back later" {
			t.Errorf("progress %+v after %d attempts", p, len(tries))
		}
		notes := w.tried("alice@example.test")
		if len(notes) != 1 || about(notes[0].body, dsn.Delayed) != 1 || notes[0].at < 4*time.Hour || notes[0].at > 5*time.Hour {
			t.Fatalf("word of the delay: %+v", notes)
		}

		w.pass(2 * time.Hour)
		notes = w.tried("alice@example.test")
		if len(notes) != 2 || about(notes[1].body, dsn.Failed) != 1 || !strings.Contains(notes[1].body, "Status: 4.4.7") {
			t.Fatalf("the bounce: %+v", notes)
		}
		if at := notes[1].at; at < 5*24*time.Hour || at > 5*24*time.Hour+time.Minute {
			t.Errorf("it was given up after %v", at)
		}
		w.wantEmpty()
	})
}

func TestRestartForgetsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", always(deferred("later")))
		w.start()
		id := w.put(w.message("bob@slow.test", "carol@fast.test"))
		w.pass(20 * time.Minute)
		before := w.status(id)
		w.stop()
		w.pass(time.Minute)
		w.start()
		after := w.status(id)
		if a, b := before.Progress[0], after.Progress[0]; a.Attempts != b.Attempts || !a.Next.Equal(b.Next) || a.Attempts < 3 {
			t.Errorf("before %+v, after %+v", a, b)
		}
		w.pass(30 * time.Minute)
		if n := len(w.tried("carol@fast.test")); n != 1 {
			t.Errorf("carol got it %d times", n)
		}
		if n := w.status(id).Progress[0].Attempts; n != len(w.tried("bob@slow.test")) {
			t.Errorf("%d attempts counted, %d made", n, len(w.tried("bob@slow.test")))
		}
	})
}

// What several destinations refuse is told in one notification.
func TestOneBounceForAll(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, domain := range []string{"one.test", "two.test", "three.test"} {
			w.answer(domain, after(time.Duration(len(domain))*time.Second, refuse("no such user")))
		}
		w.answer("slow.test", always(deferred("later")))
		w.start()
		id := w.put(w.message("a@one.test", "b@two.test", "c@three.test", "d@four.test", "e@slow.test"))
		w.pass(time.Minute)
		notes := w.notes("alice@example.test")
		if len(notes) != 1 || about(notes[0], dsn.Failed) != 3 {
			t.Errorf("notifications: %q", notes)
		}
		for i, want := range []State{Failed, Failed, Failed, Delivered, Pending} {
			if p := w.status(id).Progress[i]; p.State != want {
				t.Errorf("recipient %d: %+v, want %s", i, p, want)
			}
		}
	})
}

// What became of twenty dead domains is not told in twenty notifications.
func TestManyDeadDomains(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var to []string
		for i := range 20 {
			domain := string(rune('a'+i/10)) + string(rune('a'+i%10)) + ".test"
			w.answer(domain, after(30*time.Second, unreachable()))
			to = append(to, "x@"+domain)
		}
		w.start()
		w.put(w.message(to...))
		w.pass(6 * 24 * time.Hour)
		delayed, failed := 0, 0
		for _, note := range w.notes("alice@example.test") {
			delayed += about(note, dsn.Delayed)
			failed += about(note, dsn.Failed)
		}
		if delayed != 20 || failed != 20 {
			t.Errorf("alice was told of %d delays and %d failures", delayed, failed)
		}
		if n := len(w.notes("alice@example.test")); n > 4 {
			t.Errorf("in %d notifications", n)
		}
		w.wantEmpty()
	})
}

func TestNullSenderIsToldNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("remote.test", always(refuse("no such user")))
		w.start()
		m := w.message("bob@remote.test")
		m.From = addr.Address{}
		w.put(m)
		w.pass(time.Minute)
		if len(w.tries) != 1 {
			t.Errorf("%+v", w.tries)
		}
		w.wantEmpty()
	})
}

func TestNotify(t *testing.T) {
	for _, tc := range []struct {
		name   string
		notify dsn.Notify
		answer Result
		want   string // actions that are told of
	}{
		{"failure is told by default", 0, refuse("no"), "failed"},
		{"failure", dsn.Failure, refuse("no"), "failed"},
		{"failure, never", dsn.Never, refuse("no"), ""},
		{"failure, only success", dsn.Success, refuse("no"), ""},
		{"success is not told by default", 0, accept(), ""},
		{"success, to a server that tells nothing", dsn.Success, accept(), "relayed"},
		{"success, to a server that tells", dsn.Success, Result{Outcome: Accepted, Notifies: true}, ""},
		{"success, into a mailbox", dsn.Success | dsn.Failure, Result{Outcome: Accepted, Mailbox: true}, "delivered"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.answer("remote.test", always(tc.answer))
				w.start()
				m := w.message("bob@remote.test")
				m.Recipients[0].Notify = tc.notify
				w.put(m)
				w.pass(time.Minute)
				var told []string
				for _, note := range w.notes("alice@example.test") {
					_, rest, _ := strings.Cut(note, "\r\nAction: ")
					action, _, _ := strings.Cut(rest, "\r\n")
					told = append(told, action)
				}
				if got := strings.Join(told, " "); got != tc.want {
					t.Errorf("told: %q, want %q", got, tc.want)
				}
				w.wantEmpty()
			})
		})
	}
}

func TestDelayNoticeIsNotWanted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", always(deferred("later")))
		w.start()
		m := w.message("bob@slow.test")
		m.Recipients[0].Notify = dsn.Failure
		w.put(m)
		w.pass(5*24*time.Hour + time.Minute)
		if notes := w.notes("alice@example.test"); len(notes) != 1 || about(notes[0], dsn.Failed) != 1 {
			t.Errorf("%q", notes)
		}
	})
}

func TestLaterSending(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start()
		m := w.message("bob@remote.test")
		m.NotBefore = time.Now().Add(36 * time.Hour)
		w.put(m)
		far := w.message("carol@remote.test")
		far.NotBefore = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
		w.put(far)
		w.pass(40 * time.Hour)
		if tries := w.tried("bob@remote.test"); len(tries) != 1 || tries[0].at != 36*time.Hour {
			t.Errorf("%+v", tries)
		}
		if tries := w.tried("carol@remote.test"); tries != nil {
			t.Errorf("%+v", tries)
		}
	})
}

// RFC 2852: by the sender's deadline the message comes back, or word of the delay.
func TestDeliverBy(t *testing.T) {
	for _, tc := range []struct {
		name string
		back bool
		want dsn.Action
	}{{"return", true, dsn.Failed}, {"notify", false, dsn.Delayed}} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.answer("slow.test", always(deferred("later")))
				w.start()
				m := w.message("bob@slow.test")
				m.DeliverBy = DeliverBy{At: time.Now().Add(time.Hour), Return: tc.back}
				w.put(m)
				w.pass(3 * time.Hour)
				notes := w.tried("alice@example.test")
				if len(notes) != 1 || about(notes[0].body, tc.want) != 1 || notes[0].at != time.Hour {
					t.Fatalf("%+v", notes)
				}
				if tc.back && !strings.Contains(notes[0].body, "Status: 5.4.7") {
					t.Errorf("%s", notes[0].body)
				}
			})
		})
	}
}

func TestBodies(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", always(deferred("later")))
		w.start()
		blobWriter, err := w.blobs.Create(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		const skip, text = "Return-Path: <alice@example.test>\r\n", "Subject: large\r\n\r\nHello\r\n"
		if _, err := blobWriter.Write([]byte(skip + text)); err != nil {
			t.Fatal(err)
		}
		id, err := blobWriter.Commit()
		if err != nil {
			t.Fatal(err)
		}
		large := w.message("bob@slow.test")
		large.Body = Body{Blob: id, Size: int64(len(skip + text)), Skip: int64(len(skip))}
		same := w.message("carol@slow.test")
		same.Body = large.Body
		small := w.message("dave@slow.test")
		small.Body = Body{Data: []byte(skip + text), Skip: int64(len(skip))}
		for _, m := range []*Message{large, same, small} {
			w.put(m)
		}
		w.pass(time.Minute)
		for _, to := range []string{"bob", "carol", "dave"} {
			if tries := w.tried(to + "@slow.test"); len(tries) != 1 || tries[0].body != text {
				t.Errorf("%s: %+v", to, tries)
			}
		}
		if got := w.status(large.ID).Message.Body; got.Blob != id || got.Len() != int64(len(text)) {
			t.Errorf("body %+v", got)
		}
		if n := w.references(); n != 2 {
			t.Errorf("%d references to the blob, want 2", n)
		}
		w.answer("slow.test", nil)
		w.pass(time.Hour)
		if n := w.references(); n != 0 {
			t.Errorf("%d references to the blob are left", n)
		}
		w.wantEmpty()
	})
}

// What is to stand in front of a body does so, whatever the body lies in, and is
// quoted with it.
func TestHeader(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer("slow.test", after(time.Second, refuse("no")))
		w.start()
		blobWriter, err := w.blobs.Create(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		const skip, text, signature = "Return-Path: <alice@example.test>\r\n", "Subject: signed\r\n\r\nHello\r\n", "DKIM-Signature: v=1\r\n"
		if _, err := blobWriter.Write([]byte(skip + text)); err != nil {
			t.Fatal(err)
		}
		id, err := blobWriter.Commit()
		if err != nil {
			t.Fatal(err)
		}
		large, small, lone := w.message("bob@slow.test"), w.message("carol@slow.test"), w.message("dave@slow.test")
		large.Body = Body{Blob: id, Size: int64(len(skip + text)), Skip: int64(len(skip))}
		small.Body = Body{Data: []byte(skip + text), Skip: int64(len(skip))}
		lone.Body = Body{Data: bytes.Repeat([]byte(text), readAlong/len(text)+1)} // not read along with its envelope
		for _, m := range []*Message{large, small, lone} {
			m.Header = []byte(signature)
			w.put(m)
			if got, want := w.status(m.ID).Message.Size(), int64(len(signature+text)); m != lone && got != want {
				t.Errorf("%d bytes, want %d", got, want)
			}
		}
		w.pass(time.Minute)
		for _, to := range []string{"bob", "carol"} {
			if tries := w.tried(to + "@slow.test"); len(tries) != 1 || tries[0].body != signature+text {
				t.Errorf("%s: %+v", to, tries)
			}
		}
		if tries := w.tried("dave@slow.test"); len(tries) != 1 || tries[0].body != signature+string(lone.Body.Data) {
			t.Errorf("dave: %d attempts", len(tries))
		}
		notes := w.notes("alice@example.test")
		if len(notes) != 3 {
			t.Fatalf("%d notifications", len(notes))
		}
		for _, note := range notes {
			if !strings.Contains(note, "\r\n\r\n"+signature+"Subject: signed\r\n") {
				t.Errorf("the message is quoted otherwise than it was sent:\n%s", note)
			}
		}
	})
}

// Notifications are signed if they leave, and from whom they are.
func TestNotificationsAreSigned(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var signed []string
		w.options.Sign = func(_ context.Context, from addr.Address, message []byte) []byte {
			signed = append(signed, from.String())
			if !bytes.HasPrefix(message, []byte("From: ")) && !bytes.Contains(message, []byte("\r\nFrom: ")) {
				t.Errorf("to be signed: %.100q", message)
			}
			return []byte("DKIM-Signature: v=1\r\n")
		}
		w.options.Local = func(_ context.Context, n *Message, with Change) (bool, error) {
			if n.Recipients[0].Address.Local != "carol" {
				return false, nil
			}
			if len(n.Header) > 0 {
				t.Error("a notification for a mailbox is signed")
			}
			return true, w.engine.Update(context.Background(), []kv.Shard{with.Shard}, func(tx kv.Tx) error { return with.Apply(tx.In(with.Shard)) })
		}
		w.answer("gone.test", always(refuse("no")))
		w.start()
		local := w.message("bob@gone.test")
		local.From = address("carol@example.test")
		w.put(local)
		w.put(w.message("bob@gone.test"))
		w.pass(time.Minute)
		if len(signed) != 1 || signed[0] != "postmaster@example.test" {
			t.Errorf("signed: %v", signed)
		}
		if notes := w.notes("alice@example.test"); len(notes) != 1 || !strings.HasPrefix(notes[0], "DKIM-Signature: v=1\r\n") {
			t.Errorf("notes: %.300q", notes)
		}
		w.wantEmpty()
	})
}

// Every way of reading across the seam gives the same bytes.
func TestHeaderIsReadAnywhere(t *testing.T) {
	const front, back = "one\r\n", "two\r\nthree\r\n"
	c := withHeader([]byte(front), small{bytes.NewReader([]byte(back))})
	for off := range len(front + back) {
		for n := 1; off+n <= len(front+back); n++ {
			p := make([]byte, n)
			if got, err := c.ReadAt(p, int64(off)); got != n || err != nil && err != io.EOF || string(p) != (front + back)[off:off+n] {
				t.Fatalf("ReadAt(%d, %d) = %q, %d, %v", n, off, p, got, err)
			}
		}
	}
	if n, err := c.ReadAt(make([]byte, 100), 2); n != len(front+back)-2 || err != io.EOF {
		t.Errorf("beyond the end: %d, %v", n, err)
	}
	if _, err := c.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("an offset below 0 is let pass")
	}
}

func TestPutRefusesNonsense(t *testing.T) {
	w := newWorld(t)
	for name, spoil := range map[string]func(*Message){
		"a bad name":         func(m *Message) { m.ID = "../etc/passwd!!!" },
		"no recipients":      func(m *Message) { m.Recipients = nil },
		"no domain":          func(m *Message) { m.Recipients[0].Address.Domain = "" },
		"no body":            func(m *Message) { m.Body = Body{} },
		"two bodies":         func(m *Message) { m.Body.Blob = "x" },
		"no time":            func(m *Message) { m.Created = time.Time{} },
		"priority":           func(m *Message) { m.Priority = 10 },
		"a long header":      func(m *Message) { m.Header = make([]byte, maxHeader+1) },
		"more than is there": func(m *Message) { m.Body.Skip = 1000 },
	} {
		m := w.message("bob@remote.test")
		spoil(m)
		if err := Put(nil, m); err == nil {
			t.Errorf("%s is let pass", name)
		}
	}
}
