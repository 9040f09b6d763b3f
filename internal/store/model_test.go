package store_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"posthorn/internal/blob"
	"posthorn/internal/fault"
	"posthorn/internal/kv/enginetest"
	"posthorn/internal/store"
)

// The naive model of an account: what the store must agree with after every step.
type model struct {
	boxes map[string]*modelBox
	used  map[string]map[uint32]bool // UIDVALIDITYs each name has had
}

type modelBox struct {
	id       store.MailboxID
	validity uint32
	next     store.UID
	messages []modelMessage
}

type modelMessage struct {
	uid   store.UID
	body  string
	flags map[string]bool
}

// client believes only what Diff told it, as a mail program does.
type client struct {
	snap *store.Snapshot
	uids []store.UID
	flag []string
}

// machine drives the store and the model side by side.
type machine struct {
	on      enginetest.Machine
	blobs   blob.Store
	store   *store.Store
	account *store.Account
	model   model
	clients map[store.MailboxID]*client
	now     time.Time
	serial  int
	lost    []lostMessage
}

// lostMessage is a message that was deleted.
type lostMessage struct {
	box  store.MailboxID
	when time.Time
	modelMessage
}

func newMachine(on enginetest.Machine, blobs blob.Store) *machine {
	m := &machine{on: on, blobs: blobs, now: time.Unix(1_700_000_000, 0), clients: map[store.MailboxID]*client{}}
	m.model = model{boxes: map[string]*modelBox{}, used: map[string]map[uint32]bool{}}
	m.open()
	return m
}

func (m *machine) open() {
	m.store = store.New(store.Options{
		Engine: m.on.Engine(), Blobs: m.blobs, InlineLimit: 200,
		Clock: func() time.Time { return m.now },
	})
	m.account = m.store.Account(7)
}

func (m *machine) must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// sync takes over the mailboxes' numbers, checking that UIDVALIDITYs are fresh.
func (m *machine) sync(t *rapid.T) {
	boxes, err := m.account.Mailboxes(t.Context())
	m.must(t, err)
	for _, b := range boxes {
		mb, ok := m.model.boxes[b.Name]
		if !ok {
			mb = &modelBox{next: 1}
			m.model.boxes[b.Name] = mb
		}
		if mb.validity == 0 {
			if m.model.used[b.Name] == nil {
				m.model.used[b.Name] = map[uint32]bool{}
			}
			if m.model.used[b.Name][b.UIDValidity] {
				t.Fatalf("mailbox %q has a UIDVALIDITY that it has had before: %d", b.Name, b.UIDValidity)
			}
			m.model.used[b.Name][b.UIDValidity] = true
			mb.id, mb.validity = b.ID, b.UIDValidity
		}
		if mb.id != b.ID || mb.validity != b.UIDValidity {
			t.Fatalf("mailbox %q changed its identity: %d/%d, was %d/%d", b.Name, b.ID, b.UIDValidity, mb.id, mb.validity)
		}
	}
}

func (m *machine) pick(t *rapid.T) (string, *modelBox) {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(m.model.boxes))).Draw(t, "mailbox")
	return name, m.model.boxes[name]
}

var flagNames = []string{`\Seen`, `\Flagged`, `\Deleted`, `\Answered`, "$Forwarded", "work", "Work2"}

func drawFlags(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(flagNames), 0, 3, rapid.ID).Draw(t, "flags")
}

// drawRanges picks some UIDs, given as ranges that may hold gaps and strangers.
func drawRanges(t *rapid.T, b *modelBox) []store.UIDRange {
	var rs []store.UIDRange
	top := int(b.next) + 2
	for range rapid.IntRange(1, 3).Draw(t, "ranges") {
		first := rapid.IntRange(1, top).Draw(t, "first")
		last := rapid.IntRange(first, top).Draw(t, "last")
		rs = append(rs, store.UIDRange{First: store.UID(first), Last: store.UID(last)})
	}
	return rs
}

func within(rs []store.UIDRange, u store.UID) bool {
	return slices.ContainsFunc(rs, func(r store.UIDRange) bool { return r.First <= u && u <= r.Last })
}

func (m *machine) Append(t *rapid.T) {
	_, b := m.pick(t)
	n := rapid.IntRange(1, 4).Draw(t, "count")
	var messages []*store.Message
	var bodies []string
	flags := drawFlags(t)
	for range n {
		m.serial++
		body := fmt.Sprintf("Subject: number %d\r\n\r\n%s\r\n", m.serial, strings.Repeat("x", rapid.IntRange(0, 300).Draw(t, "size")))
		messages = append(messages, incoming(t, m.store, body))
		bodies = append(bodies, body)
	}
	var uids []store.UID
	m.must(t, m.account.Update(t.Context(), func(tx *store.Tx) error {
		uids = uids[:0]
		for _, msg := range messages {
			uid, err := tx.Append(b.id, msg, store.AppendOptions{Flags: flags})
			if err != nil {
				return err
			}
			uids = append(uids, uid)
		}
		return nil
	}))
	for i, msg := range messages {
		msg.Release()
		b.place(t, uids[i], bodies[i], flags)
	}
}

func (b *modelBox) place(t *rapid.T, uid store.UID, body string, flags []string) {
	if uid < b.next {
		t.Fatalf("UID %d was given out, the next was to be at least %d", uid, b.next)
	}
	b.next = uid + 1
	set := map[string]bool{}
	for _, f := range flags {
		set[f] = true
	}
	b.messages = append(b.messages, modelMessage{uid, body, set})
}

func (m *machine) Store(t *rapid.T) {
	_, b := m.pick(t)
	rs, flags := drawRanges(t, b), drawFlags(t)
	op := rapid.SampledFrom([]store.FlagOp{store.AddFlags, store.RemoveFlags, store.SetFlags}).Draw(t, "op")
	m.must(t, m.account.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Store(b.id, rs, store.FlagChange{Op: op, Flags: flags})
		return err
	}))
	for _, msg := range b.messages {
		if !within(rs, msg.uid) {
			continue
		}
		if op == store.SetFlags {
			clear(msg.flags)
		}
		for _, f := range flags {
			if op == store.RemoveFlags {
				delete(msg.flags, f)
			} else {
				msg.flags[f] = true
			}
		}
	}
}

func (m *machine) Expunge(t *rapid.T) {
	_, b := m.pick(t)
	rs := drawRanges(t, b)
	all := rapid.Bool().Draw(t, "all")
	m.must(t, m.account.Update(t.Context(), func(tx *store.Tx) error {
		var err error
		if all {
			_, err = tx.Remove(b.id, rs)
		} else {
			_, err = tx.Expunge(b.id, rs)
		}
		return err
	}))
	b.messages = slices.DeleteFunc(b.messages, func(msg modelMessage) bool {
		gone := within(rs, msg.uid) && (all || msg.flags[`\Deleted`])
		if gone {
			m.lost = append(m.lost, lostMessage{b.id, m.now, msg})
		}
		return gone
	})
}

// Restore brings a message back that was deleted within the last 30 days.
func (m *machine) Restore(t *rapid.T) {
	if len(m.lost) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.lost)-1).Draw(t, "which")
	_, to := m.pick(t)
	l := m.lost[i]
	var uids []store.UID
	m.must(t, m.account.Update(t.Context(), func(tx *store.Tx) (err error) {
		uids, err = tx.Restore(l.box, []store.UIDRange{{First: l.uid, Last: l.uid}}, to.id)
		return err
	}))
	switch {
	case len(uids) == 1:
		to.place(t, uids[0], l.body, []string{`\Seen`})
	case len(uids) > 1 || m.now.Sub(l.when) < 30*24*time.Hour:
		t.Fatalf("message %d of mailbox %d came back as %v", l.uid, l.box, uids)
	}
	m.lost = slices.Delete(m.lost, i, i+1)
}

// Age makes the store one that an older program has left behind.
func (m *machine) Age(t *rapid.T) {
	m.must(t, m.account.Age(t.Context(), rapid.IntRange(1, 2).Draw(t, "version")))
	m.open()
	clear(m.clients)
}

func (m *machine) CopyOrMove(t *rapid.T) {
	_, from := m.pick(t)
	_, to := m.pick(t)
	rs := drawRanges(t, from)
	move := rapid.Bool().Draw(t, "move")
	var res store.Copied
	m.must(t, m.account.Update(t.Context(), func(tx *store.Tx) (err error) {
		if move {
			res, err = tx.Move(from.id, rs, to.id)
		} else {
			res, err = tx.Copy(from.id, rs, to.id)
		}
		return err
	}))
	var picked []modelMessage
	for _, msg := range from.messages {
		if within(rs, msg.uid) {
			picked = append(picked, msg)
		}
	}
	if len(picked) != len(res.From) {
		t.Fatalf("%d messages were copied, %d were asked for", len(res.From), len(picked))
	}
	if move {
		from.messages = slices.DeleteFunc(from.messages, func(msg modelMessage) bool { return within(rs, msg.uid) })
	}
	for i, msg := range picked {
		if res.From[i] != msg.uid {
			t.Fatalf("message %d was copied, expected %d", res.From[i], msg.uid)
		}
		to.place(t, res.To[i], msg.body, slices.Collect(maps.Keys(msg.flags)))
	}
}

var treeNames = []string{"a", "a/b", "a/b/c", "Work", "收件", "INBOX/x"}

func (m *machine) Create(t *rapid.T) {
	name := rapid.SampledFrom(treeNames).Draw(t, "name")
	err := m.account.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.CreateMailbox(name, "")
		return err
	})
	if _, exists := m.model.boxes[name]; exists != fault.Is(err, fault.Exists) || !exists && err != nil {
		t.Fatalf("CREATE %q, which exists: %v, gave %v", name, exists, err)
	}
	m.sync(t)
}

// Annotate sets or removes metadata; that it is counted, and goes with its mailbox, is
// proven by Verify.
func (m *machine) Annotate(t *rapid.T) {
	_, b := m.pick(t)
	who := rapid.SampledFrom([]store.AccountID{store.EveryoneShares, 1, 2}).Draw(t, "who")
	e := store.MetadataEntry{Name: rapid.SampledFrom([]string{"/private/comment", "/private/x"}).Draw(t, "entry")}
	if n := rapid.IntRange(-1, 100).Draw(t, "size"); n >= 0 {
		e.Value = []byte(strings.Repeat("x", n))
	}
	m.must(t, m.account.Update(t.Context(), func(tx *store.Tx) error { return tx.SetMetadata(b.id, who, e) }))
	all, err := m.account.Metadata(t.Context(), b.id, who)
	m.must(t, err)
	i := slices.IndexFunc(all, func(have store.MetadataEntry) bool { return have.Name == e.Name })
	if (i >= 0) != (e.Value != nil) || i >= 0 && string(all[i].Value) != string(e.Value) {
		t.Fatalf("mailbox %d has %v after %s was set to %q", b.id, all, e.Name, e.Value)
	}
}

func (m *machine) Delete(t *rapid.T) {
	name, b := m.pick(t)
	if name == store.Inbox {
		return
	}
	m.must(t, m.account.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteMailbox(name) }))
	for _, msg := range b.messages {
		m.lost = append(m.lost, lostMessage{b.id, m.now, msg})
	}
	delete(m.model.boxes, name)
	delete(m.clients, b.id)
}

func (m *machine) Rename(t *rapid.T) {
	from, _ := m.pick(t)
	to := rapid.SampledFrom(treeNames).Draw(t, "to")
	err := m.account.Update(t.Context(), func(tx *store.Tx) error { return tx.RenameMailbox(from, to) })
	_, exists := m.model.boxes[to]
	if exists || strings.HasPrefix(to, from+"/") && from != store.Inbox {
		if err == nil {
			t.Fatalf("RENAME %q to %q succeeded", from, to)
		}
		return
	}
	if err != nil && fault.KindOf(err) == fault.Exists {
		return // a mailbox below would take a name that is in use: nothing was renamed
	}
	m.must(t, err)
	if from == store.Inbox {
		inbox := m.model.boxes[from]
		m.sync(t)
		dst := m.model.boxes[to]
		snap, err := m.account.Snapshot(t.Context(), dst.id)
		m.must(t, err)
		for i, msg := range inbox.messages {
			dst.place(t, snap.At(i+1).UID, msg.body, slices.Collect(maps.Keys(msg.flags)))
		}
		inbox.messages = nil
		return
	}
	moved := map[string]*modelBox{}
	for name, b := range m.model.boxes {
		if name == from || strings.HasPrefix(name, from+"/") {
			moved[to+strings.TrimPrefix(name, from)] = b
			delete(m.model.boxes, name)
		}
	}
	maps.Copy(m.model.boxes, moved)
	m.sync(t)
}

// Look brings a client forward by what Diff tells it.
func (m *machine) Look(t *rapid.T) {
	_, b := m.pick(t)
	snap, err := m.account.Snapshot(t.Context(), b.id)
	m.must(t, err)
	c, ok := m.clients[b.id]
	if !ok {
		c = &client{}
		m.clients[b.id] = c
		snap.Each(1, snap.Len(), func(_ int, e store.Entry) bool { c.learn(snap, e); return true })
		c.snap = snap
		return
	}
	ch := store.Diff(c.snap, snap)
	m.resync(t, c.snap, snap, ch)
	for _, gone := range ch.Expunged {
		if c.uids[gone.Seq-1] != gone.UID {
			t.Fatalf("message %d is said to be gone, with UID %d; it has %d", gone.Seq, gone.UID, c.uids[gone.Seq-1])
		}
		c.uids = slices.Delete(c.uids, gone.Seq-1, gone.Seq)
		c.flag = slices.Delete(c.flag, gone.Seq-1, gone.Seq)
	}
	snap.Each(snap.Len()-ch.Appended+1, snap.Len(), func(_ int, e store.Entry) bool { c.learn(snap, e); return true })
	for _, changed := range ch.Changed {
		c.flag[changed.Seq-1] = flagString(snap, snap.At(changed.Seq))
	}
	c.snap = snap
	var want client
	snap.Each(1, snap.Len(), func(_ int, e store.Entry) bool { want.learn(snap, e); return true })
	if !slices.Equal(c.uids, want.uids) || !slices.Equal(c.flag, want.flag) {
		t.Fatalf("the client believes %v %v, the mailbox has %v %v", c.uids, c.flag, want.uids, want.flag)
	}
}

// resync compares what a client that comes back is told with the difference of what
// it knows and what there is.
func (m *machine) resync(t *rapid.T, before, after *store.Snapshot, ch store.Changes) {
	var since []int
	after.EachSince(store.AllUIDs, before.ModSeq(), func(seq int, _ store.Entry) bool {
		since = append(since, seq)
		return true
	})
	var want []int
	for _, changed := range ch.Changed {
		want = append(want, changed.Seq)
	}
	for seq := after.Len() - ch.Appended + 1; seq <= after.Len(); seq++ {
		want = append(want, seq)
	}
	if !slices.Equal(since, want) {
		t.Fatalf("since %d messages %v have changed, want %v", before.ModSeq(), since, want)
	}
	known := []store.UIDRange{{First: 1, Last: max(1, before.UIDNext()-1)}}
	vanished, err := m.account.Vanished(t.Context(), after, known, before.ModSeq())
	m.must(t, err)
	said := func(u store.UID) bool {
		return slices.ContainsFunc(vanished, func(r store.UIDRange) bool { return r.First <= u && u <= r.Last })
	}
	for _, gone := range ch.Expunged {
		if !said(gone.UID) {
			t.Fatalf("UID %d is gone since %d, but only %v are said to be", gone.UID, before.ModSeq(), vanished)
		}
	}
	after.Each(1, after.Len(), func(_ int, e store.Entry) bool {
		if said(e.UID) {
			t.Fatalf("UID %d is there, but %v are said to be gone", e.UID, vanished)
		}
		return true
	})
}

func (c *client) learn(s *store.Snapshot, e store.Entry) {
	c.uids = append(c.uids, e.UID)
	c.flag = append(c.flag, flagString(s, e))
}

func flagString(s *store.Snapshot, e store.Entry) string {
	names := s.FlagNames(e.Flags)
	slices.Sort(names)
	return strings.Join(names, " ")
}

// Wait lets time pass and the maintenance run: within the window nothing is lost.
func (m *machine) Wait(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 40*24).Draw(t, "hours")) * time.Hour)
	m.must(t, m.store.Maintain(t.Context()))
}

// Crash loses the power, and whatever was not durable with it.
func (m *machine) Crash(t *rapid.T) {
	m.on.Crash()
	m.open()
	clear(m.clients)
}

// Check compares the whole account with the model.
func (m *machine) Check(t *rapid.T) {
	ctx := t.Context()
	boxes, err := m.account.Mailboxes(ctx)
	m.must(t, err)
	if len(boxes) != len(m.model.boxes) {
		t.Fatalf("there are %d mailboxes, expected %v", len(boxes), slices.Sorted(maps.Keys(m.model.boxes)))
	}
	for _, b := range boxes {
		m.checkBox(t, b)
	}
	if _, err := m.store.Verify(ctx, func(p store.Problem) { t.Errorf("verify: %v", p) }); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) checkBox(t *rapid.T, b store.Mailbox) {
	want, ok := m.model.boxes[b.Name]
	if !ok {
		t.Fatalf("mailbox %q should not exist", b.Name)
	}
	snap, err := m.account.Snapshot(t.Context(), b.ID)
	m.must(t, err)
	if snap.Len() != len(want.messages) {
		t.Fatalf("mailbox %q has %d messages, expected %d", b.Name, snap.Len(), len(want.messages))
	}
	i, unseen := 0, 0
	err = m.account.Records(t.Context(), snap, store.AllUIDs, func(seq int, e store.Entry, r *store.Record) bool {
		msg := want.messages[i]
		flags := slices.Sorted(maps.Keys(msg.flags))
		if !msg.flags[`\Seen`] {
			unseen++
		}
		switch {
		case seq != i+1 || e.UID != msg.uid:
			t.Errorf("mailbox %q: message %d is UID %d at %d, expected %d", b.Name, i+1, e.UID, seq, msg.uid)
		case flagString(snap, e) != strings.Join(flags, " "):
			t.Errorf("mailbox %q, message %d: flags %q, expected %q", b.Name, e.UID, flagString(snap, e), flags)
		case r == nil:
			t.Errorf("mailbox %q, message %d: no record", b.Name, e.UID)
		}
		i++
		return true
	})
	m.must(t, err)
	if int(b.Messages) != len(want.messages) || int(b.Unseen) != unseen || i != len(want.messages) {
		t.Fatalf("mailbox %q counts %d messages, %d unseen; expected %d, %d; %d records", b.Name, b.Messages, b.Unseen, len(want.messages), unseen, i)
	}
	for _, read := range []func(context.Context, *store.Snapshot, []store.UIDRange, func(int, store.Entry, *store.Record, []byte) bool) error{m.account.Bodies, m.account.Whole} {
		i = 0
		m.must(t, read(t.Context(), snap, store.AllUIDs, func(seq int, e store.Entry, r *store.Record, body []byte) bool {
			msg := want.messages[i]
			if i++; seq != i || e.UID != msg.uid || r == nil || r.Size != int64(len(msg.body)) || body != nil && string(body) != msg.body {
				t.Errorf("mailbox %q, message %d: %d, record %v, body %q; expected %q", b.Name, i, e.UID, r, body, msg.body)
			}
			return true
		}))
		if i != len(want.messages) {
			t.Errorf("mailbox %q: %d bodies, expected %d", b.Name, i, len(want.messages))
		}
	}
	for _, msg := range want.messages {
		if have := readBody(t, m.account, snap, msg.uid); have != msg.body {
			t.Fatalf("mailbox %q, message %d reads %q, expected %q", b.Name, msg.uid, have, msg.body)
		}
	}
}

type fataler interface {
	Helper()
	Fatal(...any)
	Context() context.Context
}

func incoming(t fataler, s *store.Store, body string) *store.Message {
	t.Helper()
	in := s.NewIncoming(t.Context())
	if _, err := io.WriteString(in, body); err != nil {
		t.Fatal(err)
	}
	m, err := in.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func readBody(t fataler, a *store.Account, snap *store.Snapshot, uid store.UID) string {
	t.Helper()
	body, err := a.Body(t.Context(), snap, uid)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
