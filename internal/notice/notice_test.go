package notice

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"mime"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/directory"
	"posthorn/internal/dsn"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/queue"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	alice = addr.Address{Local: "alice", Domain: "example.test"}
	wang  = addr.Address{Local: "wang", Domain: "example.test"}
	away  = addr.Address{Local: "operator", Domain: "elsewhere.test"}
)

// office is a server that writes letters. Alice reads English, Wang Chinese; both have
// their mailboxes here. Its engine runs every Update twice.
type office struct {
	*Notices
	t      *testing.T
	engine *memkv.Engine
	queue  *queue.Queue
	site   Site
	now    time.Time
	log    bytes.Buffer

	mu      sync.Mutex
	letters []*queue.Message // in the mailboxes
	full    bool
}

func open(t *testing.T) *office {
	o := &office{
		t: t, engine: memkv.New(memkv.Options{Rerun: true}), site: Site{Hostname: "mail.example.test"},
		now: time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC),
	}
	d := directory.New(o.engine, directory.Options{})
	t.Cleanup(d.Close)
	const hash = "{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ=="
	_, err := d.AddDomain(t.Context(), "example.test")
	for _, a := range []addr.Address{alice, wang} {
		if err == nil {
			_, err = d.AddAccount(t.Context(), a, hash)
		}
	}
	if err == nil {
		err = d.SetLanguage(t.Context(), wang, "zh-CN")
	}
	if err != nil {
		t.Fatal(err)
	}
	o.queue = queue.New(queue.Options{
		Settings: queue.Settings{Hostname: o.site.Hostname}, Engine: o.engine, Blobs: memblob.New(memblob.Options{}), Local: o.box,
	})
	o.Notices = New(Options{
		Engine: o.engine, Queue: o.queue, Directory: d, Logger: slog.New(slog.NewTextHandler(&o.log, nil)),
		Site: func() Site { return o.site }, Clock: func() time.Time { return o.now },
	})
	return o
}

// box is the mailboxes.
func (o *office) box(ctx context.Context, m *queue.Message, with queue.Change) (bool, error) {
	if o.full || m.Recipients[0].Address.Domain != "example.test" {
		return false, nil
	}
	err := o.engine.Update(ctx, []kv.Shard{with.Shard}, func(tx kv.Tx) error { return with.Apply(tx.In(with.Shard)) })
	if err == nil {
		o.mu.Lock()
		o.letters = append(o.letters, m)
		o.mu.Unlock()
	}
	return true, err
}

func (o *office) post(l Letter) {
	o.t.Helper()
	if err := o.Post(o.t.Context(), l); err != nil {
		o.t.Fatal(err)
	}
}

func certificate(to addr.Address) Letter {
	return Letter{To: to, Kind: CertificateTrouble, Account: "mail.example.test", Values: map[string]string{"problem": "it ends 2026-03-15"}}
}

var asked = regexp.MustCompile(`{{(?:if )?\.(\w+)}}`)

// Every kind has a text in every language, which asks for the same values; testdata
// has what people read.
func TestTexts(t *testing.T) {
	for kind, row := range texts {
		var names [dsn.NumLanguages][]string
		values := map[string]string{}
		for language, text := range row {
			for _, m := range asked.FindAllStringSubmatch(text.subject+text.body, -1) {
				names[language] = append(names[language], m[1])
				values[m[1]] = "<" + m[1] + ">"
			}
			slices.Sort(names[language])
			names[language] = slices.Compact(names[language])
		}
		if !slices.Equal(names[dsn.English], names[dsn.Chinese]) {
			t.Errorf("%s: English asks for %q, Chinese for %q", kind, names[dsn.English], names[dsn.Chinese])
		}
		for language, name := range []string{dsn.English: "en", dsn.Chinese: "zh"} {
			subject, body, err := Letter{Kind: kind, Account: "bob@example.test", Values: values}.words(dsn.Language(language))
			if err != nil {
				t.Error(err)
			}
			golden(t, string(kind)+"."+name, subject+"\n"+body)
		}
	}
}

func golden(t *testing.T, name, got string) {
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, _ := os.ReadFile(file); string(want) != got {
		t.Errorf("%s: run with -update if this is right; got:\n%s", name, got)
	}
}

// One letter of a kind about the same, a day, however many ask for it at once.
func TestOncePerDay(t *testing.T) {
	o := open(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := o.Post(t.Context(), certificate(alice)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(o.letters) != 1 {
		t.Fatalf("%d letters, not one", len(o.letters))
	}
	other := certificate(alice)
	other.Account = "imap.example.test"
	o.post(other)
	o.post(certificate(wang))
	if len(o.letters) != 3 {
		t.Fatalf("%d letters; of another account and to somebody else there is one more each", len(o.letters))
	}
	o.now = o.now.Add(time.Hour) // it is after midnight
	o.post(certificate(alice))
	o.post(certificate(alice))
	if len(o.letters) != 4 {
		t.Fatalf("%d letters, not one more on another day", len(o.letters))
	}
	o.now = o.now.AddDate(0, 0, 5)
	o.post(certificate(alice))
	notes := 0
	err := o.engine.View(t.Context(), shard, func(r kv.Reader) error {
		return r.Scan(kv.Range{}, func(_, _ []byte) bool { notes++; return true })
	})
	if err != nil || notes != 1 {
		t.Errorf("%d notes are kept, err %v; want that of today", notes, err)
	}
}

// What is for the operator goes to his address, wherever it is; without one, into the log.
func TestOperator(t *testing.T) {
	o := open(t)
	o.post(certificate(addr.Address{}))
	o.post(certificate(addr.Address{}))
	if got := o.log.String(); strings.Count(got, "it ends 2026-03-15") != 1 || len(o.letters) != 0 {
		t.Errorf("%d letters; the log says\n%s", len(o.letters), got)
	}
	o.site.Operator = wang
	o.post(certificate(addr.Address{}))
	if len(o.letters) != 1 || !strings.Contains(string(o.letters[0].Body.Data), "\r\nTo: <wang@example.test>\r\n") {
		t.Errorf("no letter to the operator: %v", o.letters)
	}
	o.site.Operator = away
	o.post(certificate(addr.Address{}))
	if got := o.queued(); !slices.Equal(got, []string{"<> operator@elsewhere.test"}) {
		t.Errorf("queued: %q", got)
	}
}

func (o *office) queued() (all []string) {
	o.t.Helper()
	err := o.queue.List(o.t.Context(), queue.Filter{}, func(m queue.Status) bool {
		all = append(all, "<"+m.Message.From.String()+"> "+m.Message.Recipients[0].Address.String())
		return true
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return all
}

// A mailbox that is full gets the letter later.
func TestFull(t *testing.T) {
	o := open(t)
	o.full = true
	o.post(certificate(alice))
	o.post(certificate(alice))
	if got := o.queued(); !slices.Equal(got, []string{"<> alice@example.test"}) {
		t.Errorf("queued: %q", got)
	}
}

// Everybody is written to in his language, and what others have written stays in its line.
func TestWords(t *testing.T) {
	o := open(t)
	for to, want := range map[addr.Address]string{
		alice: "Subject: Certificate mail.example.test: it ends soon\r\n",
		wang:  mime.BEncoding.Encode("utf-8", "证书 mail.example.test：it ends soon"),
	} {
		l := certificate(to)
		l.Values["problem"] = "it ends\r\n\r\nsoon"
		o.letters = nil
		o.post(l)
		if got := string(o.letters[0].Body.Data); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// A letter that lacks something is a mistake of whoever posts it, and is not noted.
func TestMistakes(t *testing.T) {
	o := open(t)
	for _, l := range []Letter{{To: alice, Kind: "nonsense"}, {To: alice, Kind: CertificateTrouble}} {
		if err := o.Post(t.Context(), l); !fault.Is(err, fault.Internal) {
			t.Errorf("%v: %v", l, err)
		}
	}
	o.post(certificate(alice))
	if len(o.letters) != 1 {
		t.Errorf("%d letters", len(o.letters))
	}
}
