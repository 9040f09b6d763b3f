package search

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"mime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"posthorn/internal/blob"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/kv/pebblekv"
	"posthorn/internal/message"
	"posthorn/internal/store"
)

const account store.AccountID = 7

// subject is an engine that can lose its power, or fail in the middle of something.
type subject struct {
	engine   kv.Engine
	blobs    blob.Store
	crash    func()
	failures *int // commits until one fails; negative: none does
}

func memSubject() *subject {
	s := &subject{blobs: memblob.New(memblob.Options{}), failures: new(int), crash: func() {}}
	*s.failures = -1
	s.engine = memkv.New(memkv.Options{Rerun: true, Commit: func() error {
		if *s.failures--; *s.failures == -1 {
			return fault.New(fault.Unavailable, "test: a commit fails")
		}
		*s.failures = max(*s.failures, -2)
		return nil
	}})
	return s
}

func pebbleSubject() *subject {
	s := &subject{blobs: memblob.New(memblob.Options{}), failures: new(int)}
	fs := vfs.NewCrashableMem()
	open := func() {
		e, err := pebblekv.Open("store", pebblekv.Options{
			FS: fs, CacheSize: 1 << 20, FreeSpace: func() (uint64, error) { return 1 << 40, nil },
		})
		if err != nil {
			panic(err)
		}
		s.engine = e
	}
	open()
	s.crash = func() {
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 2))})
		s.engine.Close()
		fs = after
		open()
	}
	return s
}

func TestModelMem(t *testing.T)    { testModel(t, memSubject) }
func TestModelPebble(t *testing.T) { testModel(t, pebbleSubject) }

func testModel(t *testing.T, open func() *subject) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{subject: open(), now: time.Unix(1_700_000_000, 0)}
		defer func() { m.engine.Close(); m.blobs.Close() }()
		m.start()
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.Append, "append again": m.Append, "delete": m.Delete, "copy": m.Copy, "step": m.Step, "catch up": m.CatchUp,
			"fail": m.Fail, "shrink": m.Shrink, "rebuild": m.Rebuild, "crash": m.Crash, "wait": m.Wait, "search": m.Search, "search again": m.Search,
			"": m.Check,
		})
	})
}

// machine is an account with its index and, as the model, its messages themselves.
type machine struct {
	*subject
	store *store.Store
	index *Index
	now   time.Time
	texts []string // what has been said in messages, to be looked for
}

func (m *machine) start() {
	m.store = store.New(store.Options{Engine: m.engine, Blobs: m.blobs, InlineLimit: 2000, Retention: -1, Clock: func() time.Time { return m.now }})
	m.index = New(Options{Engine: m.engine, Store: m.store, Clock: func() time.Time { return m.now }, BatchMessages: 3, FanIn: 3})
}

func (m *machine) Append(t *rapid.T) {
	for range rapid.IntRange(1, 5).Draw(t, "messages") {
		text := drawLetter(t)
		m.texts = append(m.texts, text.said...)
		in := m.store.NewIncoming(context.Background())
		must(t, second(in.Write([]byte(text.raw))))
		msg, err := in.Finish()
		must(t, err)
		must(t, m.store.Account(account).Update(context.Background(), func(tx *store.Tx) error {
			_, err := tx.Append(store.InboxID, msg, store.AppendOptions{})
			return err
		}))
	}
}

// Delete removes some messages for good.
func (m *machine) Delete(t *rapid.T) {
	from := store.UID(rapid.IntRange(1, 40).Draw(t, "from"))
	rs := []store.UIDRange{{First: from, Last: from + store.UID(rapid.IntRange(0, 20).Draw(t, "more"))}}
	ctx := context.Background()
	must(t, m.store.Account(account).Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Remove(store.InboxID, rs)
		return err
	}))
	m.now = m.now.Add(time.Minute)
	must(t, m.store.Maintain(ctx))
}

func (m *machine) Copy(t *rapid.T) {
	uid := store.UID(rapid.IntRange(1, 40).Draw(t, "uid"))
	must(t, m.store.Account(account).Update(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Copy(store.InboxID, []store.UIDRange{{First: uid, Last: uid + 2}}, store.InboxID)
		return err
	}))
}

func (m *machine) Step(t *rapid.T) {
	_, err := m.index.step(context.Background(), account, func(context.Context, time.Duration) {})
	must(t, err)
}

func (m *machine) CatchUp(t *rapid.T) { must(t, m.index.CatchUp(context.Background(), account)) }

// Fail lets a commit fail while the index catches up.
func (m *machine) Fail(t *rapid.T) {
	*m.failures = rapid.IntRange(0, 8).Draw(t, "commits")
	err := m.index.CatchUp(context.Background(), account)
	*m.failures = -2
	if err != nil && !fault.Is(err, fault.Unavailable) {
		t.Fatal(err)
	}
}

func (m *machine) Shrink(t *rapid.T) {
	h, err := m.index.head(context.Background(), account)
	must(t, err)
	if h != nil {
		must(t, m.index.shrink(context.Background(), account, h))
	}
}

func (m *machine) Rebuild(t *rapid.T) {
	must(t, m.index.Rebuild(context.Background(), account))
}

func (m *machine) Crash(*rapid.T) {
	m.crash()
	m.start()
}

func (m *machine) Wait(*rapid.T) { m.now = m.now.Add(time.Hour) }

// Search compares what the index says with the messages themselves.
func (m *machine) Search(t *rapid.T) {
	q := m.query(t)
	ctx := context.Background()
	found, err := m.index.Candidates(ctx, account, q)
	must(t, err)
	a := m.store.Account(account)
	contents, _, _, err := a.Contents(ctx, 0, 10_000, 1<<30)
	must(t, err)
	for i := range contents {
		c := &contents[i]
		want := No
		if naive(t, c, q) {
			want = Yes
		}
		if got := found.Test(c.EmailID); got != Unknown && got != want {
			body, _ := c.Open(ctx)
			raw := make([]byte, body.Size())
			body.ReadAt(raw, 0)
			t.Fatalf("message %d and %q in %q (whole: %v): the index says %d, want %d:\n%s", c.EmailID, q.Needle.folded, q.Header, q.Whole, got, want, raw)
		}
	}
}

// naive looks into the message.
func naive(t *rapid.T, c *store.Content, q Query) bool {
	body, err := c.Open(context.Background())
	must(t, err)
	defer body.Close()
	text := NewText(body, body.Size(), c.Layout)
	if q.Header == "" {
		return text.Contains(q.Needle, q.Whole)
	}
	h := text.Header()
	if c.HeadersComplete && store.CachedHeader(q.Header) {
		h = c.Headers
	}
	return anyField(h, func(f *message.Field) bool {
		return strings.EqualFold(string(f.Name), q.Header) && q.Needle.InValue(f.Value)
	})
}

// query draws something to look for: part of what was said, or of what was not.
func (m *machine) query(t *rapid.T) Query {
	q := Query{Whole: rapid.Bool().Draw(t, "whole")}
	if rapid.Bool().Draw(t, "in a field") {
		q.Header = rapid.SampledFrom([]string{"Subject", "from", "To", "CC", "bcc", "X-Other", "Message-ID", "Received"}).Draw(t, "field")
	}
	text := phrase(t)
	if len(m.texts) > 0 && rapid.IntRange(0, 4).Draw(t, "unknown") > 0 {
		text = rapid.SampledFrom(m.texts).Draw(t, "text")
	}
	runes := []rune(text)
	from := rapid.IntRange(0, len(runes)-1).Draw(t, "from")
	size := rapid.SampledFrom([]int{1, 2, 3, 5, 10, 40, 130, 600}).Draw(t, "size")
	text = string(runes[from:min(len(runes), from+size)])
	if rapid.IntRange(0, 20).Draw(t, "broken") == 0 {
		text = text[min(1, len(text)-1):]
	}
	if rapid.Bool().Draw(t, "loud") {
		text = strings.ToUpper(text)
	}
	q.Needle = NewNeedle(text)
	return q
}

// Check: what is stored decodes.
func (m *machine) Check(t *rapid.T) {
	must(t, m.index.Verify(context.Background(), func(problem string) { t.Fatal(problem) }))
}

// words are what messages consist of.
var words = []string{
	"meeting", "Minutes", "Straße", "ÄRGER", "naïve", "e\u0301te\u0301", "北京", "大学", "手", "東京タワー", "한국어", "ไทย", "Привет", "İstanbul",
	"alice@example.test", "<bob@example.test>", "iPhone手机13", "🎉", "x", "0042", "a-b_c", "=?utf-8?q?x?=", "\ufffd", "don't", "…", "ﬁn", "哈哈哈", "\u200d",
}

// phrase draws some words with something between them.
func phrase(t *rapid.T) string {
	var b strings.Builder
	for range rapid.IntRange(1, 8).Draw(t, "words") {
		switch rapid.IntRange(0, 12).Draw(t, "kind") {
		case 0:
			b.WriteString(strings.Repeat(rapid.SampledFrom([]string{"abc", "b", "語文", "é"}).Draw(t, "unit"), rapid.IntRange(100, 500).Draw(t, "units")))
		case 1:
			b.WriteString(rapid.StringMatching(`[a-d]{1,4}`).Draw(t, "letters"))
		default:
			b.WriteString(rapid.SampledFrom(words).Draw(t, "word"))
		}
		b.WriteString(rapid.SampledFrom([]string{" ", " ", "", ", ", "\t", "/", "  "}).Draw(t, "between"))
	}
	return b.String()
}

// drawn is a message and what it says.
type drawn struct {
	raw  string
	said []string
}

// drawLetter draws a message.
func drawLetter(t *rapid.T) drawn {
	var d drawn
	say := func() string {
		s := phrase(t)
		d.said = append(d.said, s)
		return s
	}
	var h strings.Builder
	for range rapid.IntRange(0, 6).Draw(t, "fields") {
		name := rapid.SampledFrom([]string{"Subject", "From", "To", "Cc", "X-Other", "Message-ID", "Received", "subject"}).Draw(t, "name")
		value := say()
		switch rapid.IntRange(0, 3).Draw(t, "coding") {
		case 0:
			value = mime.QEncoding.Encode("utf-8", value)
		case 1:
			value = mime.BEncoding.Encode("utf-8", value)
		case 2:
			value = strings.ReplaceAll(value, ", ", ",\r\n ")
		}
		fmt.Fprintf(&h, "%s:%s%s\r\n", name, rapid.SampledFrom([]string{" ", "", "\t"}).Draw(t, "blank"), value)
	}
	part := func() string {
		text := say() + "\r\n" + say()
		switch rapid.IntRange(0, 4).Draw(t, "encoding") {
		case 0:
			return "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(text)) + "\r\n"
		case 1:
			return "Content-Type: text/html; charset=iso-8859-1\r\n\r\n<p>" + text + "</p>\r\n"
		case 2:
			return "Content-Type: application/pdf; name=\"" + say() + "\"\r\n\r\n" + text + "\r\n"
		case 3:
			return "Content-Type: message/rfc822\r\n\r\nSubject: " + say() + "\r\n\r\n" + text + "\r\n"
		}
		return "Content-Type: text/plain; charset=utf-8\r\n\r\n" + text + "\r\n"
	}
	if rapid.Bool().Draw(t, "single") {
		d.raw = h.String() + part()
		return d
	}
	h.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=XX\r\n\r\n")
	for range rapid.IntRange(1, 3).Draw(t, "parts") {
		h.WriteString("--XX\r\n" + part())
	}
	d.raw = h.String() + "--XX--\r\n"
	return d
}

// Damage is found, told, and mended.
func TestDamage(t *testing.T) {
	s := memSubject()
	m := &machine{subject: s}
	m.start()
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		m.Append(rt)
		must(rt, m.index.CatchUp(ctx, account))
		must(rt, s.engine.Update(ctx, []kv.Shard{shardOf(account)}, func(tx kv.Tx) error {
			w := tx.In(shardOf(account))
			var key, value []byte
			at := rapid.IntRange(0, 50).Draw(rt, "key")
			err := w.Scan(kv.Range{}, func(k, v []byte) bool {
				key, value = bytes.Clone(k), bytes.Clone(v)
				at--
				return at > 0
			})
			if err != nil {
				return err
			}
			value[rapid.IntRange(0, len(value)-1).Draw(rt, "byte")] ^= 0x80
			return w.Put(key, value)
		}))
		m.Search(rt) // slower, perhaps, but right
		must(rt, m.index.CatchUp(ctx, account))
		must(rt, m.index.Rebuild(ctx, account))
		must(rt, m.index.CatchUp(ctx, account))
		m.Check(rt)
		m.Search(rt)
	})
}

// FuzzBlock: whatever lies in a block, reading it ends, and ends well.
func FuzzBlock(f *testing.F) {
	f.Add([]byte("\nabc\nabd\n"), []byte{2, 1, 2, 5, 1, 1}, []byte("b"))
	f.Fuzz(func(t *testing.T, dictionary, block, pattern []byte) {
		d, err := openDictionary(seal(append(make([]byte, checksum), dictionary...)))
		if err != nil || len(pattern) == 0 {
			return
		}
		numbers := matches(nil, d, pattern)
		s := newBitset(1000)
		_ = s.addLists(seal(append(make([]byte, checksum), block...)), numbers)
		_, _ = decodeHead(block)
	})
}

func second[T any](_ T, err error) error { return err }

func must(t interface{ Fatal(...any) }, err error) {
	if err != nil && !errors.Is(err, errStale) {
		t.Fatal(err)
	}
}
