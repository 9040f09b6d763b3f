package smtpd

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/filter/lists"
	"posthorn/internal/inbound"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/login"
	"posthorn/internal/queue"
	"posthorn/internal/smtpwire"
	"posthorn/internal/store"
	"posthorn/internal/wire"
	"posthorn/internal/wire/wiretest"
)

// house is all that stands behind the protocol, in memory: the domain
// example.test with the accounts alice, bob and carol (password "secret"), who is
// disabled; the aliases sales (alice, bob) and al (alice); and what forwards() adds.
type house struct {
	t       testing.TB
	blobs   *memblob.Store
	store   *store.Store
	dir     *directory.Directory
	memory  *memkv.Engine // what it is built on, if it is a newHouse
	servers map[string]*wiretest.Server
	client  *tls.Config
	conns   map[string]net.Conn         // the clients' ends, by name
	broken  atomic.Pointer[fault.Error] // what commits fail with
	log     *slog.Logger

	folder string // of lists
	lists  map[string]*lists.List
}

// newHouse builds the house with a server for each role: "mx", "submission" (in
// clear, with STARTTLS), "submissions", "plain" (submission that allows passwords
// in clear), "relay" and "relaymx" (like "plain" and "mx", with a queue) and "lmtp".
func newHouse(t testing.TB, policy inbound.Policy) *house {
	h := &house{t: t, log: slog.New(slog.DiscardHandler)}
	h.memory = memkv.New(memkv.Options{Rerun: true, Commit: func() error {
		if err := h.broken.Load(); err != nil {
			return err
		}
		return nil
	}})
	h.build(policy, h.memory)
	return h
}

// build builds the house on an engine.
func (h *house) build(policy inbound.Policy, engine kv.Engine) {
	t := h.t
	h.blobs = memblob.New(memblob.Options{})
	h.folder, h.lists = t.TempDir(), map[string]*lists.List{}
	h.servers, h.conns = map[string]*wiretest.Server{}, map[string]net.Conn{}
	h.store = store.New(store.Options{Engine: engine, Blobs: h.blobs, InlineLimit: 32 << 10})
	h.dir = directory.New(engine, directory.Options{Hash: directory.HashParams{Memory: 8, Passes: 1, Threads: 1}})
	t.Cleanup(h.dir.Close)
	h.people()
	h.secret(engine)

	in := inbound.Options{Hostname: "mail.example.test", Policy: policy, Directory: h.dir, Store: h.store}
	acceptor := inbound.New(in)
	in.Relay = true
	relaying := inbound.New(in)
	serverTLS, clientTLS := wiretest.TLS(t)
	h.client = clientTLS
	gate := login.Options{Directory: h.dir, Only: []string{"PLAIN", "LOGIN"}, Guard: guessed("guessed@example.test")}
	safe := login.New(gate)
	gate.InClear = true
	inClear := login.New(gate)
	start := func(name string, o Options, w wire.Options) {
		o.Hostname = "mail.example.test"
		if o.Gate == nil {
			o.Gate = safe
		}
		if o.Acceptor == nil {
			o.Acceptor = acceptor
		}
		w.Protocol, w.Serve, w.Logger = name, New(o).Serve, h.log
		w.PreAuthTimeout, w.Busy = Timeout, Busy
		h.servers[name] = wiretest.Start(t, w)
	}
	start("mx", Options{Role: inbound.MX}, wire.Options{TLS: serverTLS})
	start("submission", Options{Role: inbound.Submission}, wire.Options{TLS: serverTLS})
	start("submissions", Options{Role: inbound.Submission}, wire.Options{TLS: serverTLS, ImplicitTLS: true})
	start("plain", Options{Role: inbound.Submission, Gate: inClear}, wire.Options{})
	start("relay", Options{Role: inbound.Submission, Gate: inClear, Acceptor: relaying}, wire.Options{})
	start("relays", Options{Role: inbound.Submission, Acceptor: relaying}, wire.Options{TLS: serverTLS, ImplicitTLS: true})
	start("relaymx", Options{Role: inbound.MX, Acceptor: relaying}, wire.Options{})
	clients := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	start("proxied", Options{Role: inbound.MX, Trusted: clients}, wire.Options{TLS: serverTLS})
	start("filtered", Options{Role: inbound.Submission, Gate: inClear, Trusted: clients}, wire.Options{})
	in.Policy.MaxRecipients = 100
	start("hundred", Options{Role: inbound.MX, Acceptor: inbound.New(in)}, wire.Options{})
	start("mailboxes", Options{Role: inbound.Submission, Gate: inClear, URLs: h.urls()}, wire.Options{})
	start("mxmailboxes", Options{Role: inbound.MX, URLs: h.urls()}, wire.Options{})
	start("lmtp", Options{Role: inbound.LMTP}, wire.Options{})
	for name, o := range h.guarded(in) {
		start(name, Options{Role: o.role, Gate: inClear, Acceptor: inbound.New(o.Options)}, wire.Options{})
	}
}

func (h *house) people() {
	ctx := context.Background()
	_, err := h.dir.AddDomain(ctx, "example.test")
	h.must(err)
	for _, name := range []string{"alice", "bob", "carol"} {
		_, err := h.dir.AddAccount(ctx, address(name), "secret")
		h.must(err)
	}
	h.must(h.dir.SetState(ctx, address("carol"), directory.StateDisabled, ""))
	_, err = h.dir.AddAlias(ctx, address("sales"), address("alice"), address("bob"))
	h.must(err)
	_, err = h.dir.AddAlias(ctx, address("al"), address("alice"))
	h.must(err)
	h.forwards()
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func address(name string) addr.Address { return addr.Address{Local: name, Domain: "example.test"} }

// dial connects to the server whose name the connection's begins with, digits
// aside: "mx", "mx2", "lmtp1".
func (h *house) dial(connection string) net.Conn {
	name := strings.TrimRight(connection, "0123456789")
	server := h.servers[name]
	if server == nil {
		h.t.Fatalf("there is no server %q", name)
	}
	nc := server.Dial()
	h.conns[connection] = nc
	if name == "submissions" || name == "relays" {
		return tls.Client(nc, h.client)
	}
	return nc
}

// account is the mail of one of the people.
func (h *house) account(name string) *store.Account {
	a, err := h.dir.Account(context.Background(), address(name))
	h.must(err)
	return h.store.Account(store.AccountID(a.ID))
}

// inbox gives all messages in somebody's INBOX.
func (h *house) inbox(name string) []string {
	ctx, account := context.Background(), h.account(name)
	snap, err := account.Snapshot(ctx, store.InboxID)
	h.must(err)
	var all []string
	for seq := 1; seq <= snap.Len(); seq++ {
		body, err := account.Body(ctx, snap, snap.At(seq).UID)
		h.must(err)
		text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
		h.must(err)
		h.must(body.Close())
		all = append(all, string(text))
	}
	return all
}

// queued lists the messages in the queue, the oldest first, as they would be sent:
// on a copy of what is durable, all of them are.
func (h *house) queued() []string {
	q := queue.New(queue.Options{Engine: h.memory.Clone(), Blobs: h.blobs, Settings: queue.Settings{Hostname: "mail.example.test", Postmaster: address("postmaster")}})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	left := 0
	h.must(q.List(ctx, queue.Filter{}, func(s queue.Status) bool {
		left += len(s.Matching)
		return true
	}))
	if left == 0 {
		return nil
	}
	var mu sync.Mutex
	sent := map[string]string{}
	h.must(q.Run(ctx, func(ctx context.Context, j *queue.Job) []queue.Result {
		text := describe(ctx, j)
		mu.Lock()
		defer mu.Unlock()
		m := j.Message // what belongs to one message: first itself, then what is told of it
		sent[fmt.Sprint(m.Created.UnixMilli(), m.From.IsZero(), m.ID)] = text
		if left -= len(j.Recipients); left <= 0 {
			stop()
		}
		return slices.Repeat([]queue.Result{{Outcome: queue.Accepted, Notifies: true, Reply: smtpwire.NewReply(250, code{2, 0, 0}, "Taken")}}, len(j.Recipients))
	}))
	var all []string
	for _, id := range slices.Sorted(maps.Keys(sent)) {
		all = append(all, sent[id])
	}
	return all
}

// describe spells a queued message out: its envelope, then its text.
func describe(ctx context.Context, j *queue.Job) string {
	var b strings.Builder
	b.WriteString(envelope(j.Message))
	content, err := j.Open(ctx)
	if err != nil {
		return err.Error()
	}
	defer content.Close()
	if _, err := io.Copy(&b, io.NewSectionReader(content, 0, content.Size())); err != nil {
		return err.Error()
	}
	return b.String()
}

// envelope spells a queued message's envelope out.
func envelope(m *queue.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "id=%s from=<%s> envid=%q ret=%v eightbit=%v%s\r\n", m.ID, m.ReversePath(), m.EnvelopeID, m.Return, m.EightBit, rarities(m))
	for _, to := range m.Recipients {
		fmt.Fprintf(&b, "to=<%s> notify=%v orcpt=%q\r\n", to.Address, to.Notify, to.Original)
	}
	return b.String()
}

// waiting gives the envelopes in the queue.
func (h *house) waiting() []string {
	q := queue.New(queue.Options{Engine: h.memory, Blobs: h.blobs, Settings: queue.Settings{Hostname: "mail.example.test", Postmaster: address("postmaster")}})
	var all []string
	h.must(q.List(context.Background(), queue.Filter{}, func(s queue.Status) bool {
		all = append(all, envelope(s.Message))
		return true
	}))
	return all
}

// rarities spells out what few envelopes have.
func rarities(m *queue.Message) string {
	text := ""
	for _, r := range []struct {
		name string
		set  bool
	}{{"binary", m.Binary}, {"utf8", m.UTF8}, {"requiretls", m.RequireTLS}, {"tlsoptional", m.TLSOptional}} {
		if r.set {
			text += " " + r.name
		}
	}
	if m.Priority != 0 {
		text += fmt.Sprintf(" priority=%d", m.Priority)
	}
	if !m.NotBefore.IsZero() {
		text += " hold=" + m.NotBefore.Sub(m.Created).String()
	}
	if by := m.DeliverBy; !by.At.IsZero() {
		text += fmt.Sprintf(" by=%v return=%v trace=%v", by.At.Sub(m.Created), by.Return, by.Trace)
	}
	return text
}

// fail has commits fail with a fault of this kind; "" mends them.
func (h *house) fail(kind string) error {
	if kind == "" {
		h.broken.Store(nil)
		return nil
	}
	for _, k := range fault.Kinds() {
		if strings.ReplaceAll(k.String(), " ", "-") == kind {
			h.broken.Store(fault.New(k, "test: commits fail").(*fault.Error))
			return nil
		}
	}
	return fmt.Errorf("no kind of fault %q", kind)
}

// commands are the verbs that scripts have besides those of transcript.
func (h *house) commands() map[string]func([]string, map[string]string) error {
	return map[string]func([]string, map[string]string) error{
		// inbox NAME NUMBER [TEXT]: so many messages are there, the last one like the text.
		"inbox": func(args []string, texts map[string]string) error {
			all := h.inbox(args[0])
			if want, _ := strconv.Atoi(args[1]); len(all) != want {
				return fmt.Errorf("%d messages: %q", len(all), all)
			}
			if len(args) > 2 && !like(texts[args[2]], all[len(all)-1]) {
				return fmt.Errorf("the last message is\n%s", all[len(all)-1])
			}
			return nil
		},
		// ends NAME QUOTED: somebody's last message, or that in the "queue", ends in these bytes
		"ends": func(args []string, _ map[string]string) error {
			var all []string
			if args[0] == "queue" {
				all = h.queued()
			} else {
				all = h.inbox(args[0])
			}
			want, err := strconv.Unquote(args[1])
			if err == nil && (len(all) == 0 || !strings.HasSuffix(all[len(all)-1], want)) {
				return fmt.Errorf("the messages are %q", all)
			}
			return err
		},
		// queue NUMBER [TEXT]: so many messages are there, the last one like the text.
		"queue": func(args []string, texts map[string]string) error {
			all := h.queued()
			if want, _ := strconv.Atoi(args[0]); len(all) != want {
				return fmt.Errorf("%d messages: %q", len(all), all)
			}
			if len(args) > 1 && !like(texts[args[1]], all[len(all)-1]) {
				return fmt.Errorf("the last message is\n%s", all[len(all)-1])
			}
			return nil
		},
		// waiting TEXT: the only envelope in the queue, which nobody has tried
		"waiting": func(args []string, texts map[string]string) error {
			if all := h.waiting(); len(all) != 1 || !like(texts[args[0]], all[0]) {
				return fmt.Errorf("the envelopes are %q", all)
			}
			return nil
		},
		// send CONNECTION BYTES: so much of a message, in lines
		"send": func(args []string, _ map[string]string) error {
			n, err := strconv.Atoi(args[1])
			text := strings.Repeat(strings.Repeat("x", 76)+"\r\n", n/78) + strings.Repeat("x", n%78)
			text = text[:n-2] + "\r\n"
			io.WriteString(h.conns[args[0]], text) // the server may hang up: that is for the expectations
			return err
		},
		// long CONNECTION BYTES [WORDS]: one line, CRLF included, that begins with the words
		"long": func(args []string, _ map[string]string) error {
			n, err := strconv.Atoi(args[1])
			words := strings.Join(append(args[2:], ""), " ")
			io.WriteString(h.conns[args[0]], words+strings.Repeat("x", n-len(words)-2)+"\r\n")
			return err
		},
		// repeat CONNECTION NUMBER TEXT: a line so many times
		"repeat": func(args []string, _ map[string]string) error {
			n, err := strconv.Atoi(args[1])
			io.WriteString(h.conns[args[0]], strings.Repeat(strings.Join(args[2:], " ")+"\r\n", n))
			return err
		},
		// commits fail KIND, commits work
		"commits": func(args []string, _ map[string]string) error {
			return h.fail(strings.Join(args[1:], ""))
		},
		// account NAME: one more
		"account": func(args []string, _ map[string]string) error {
			_, err := h.dir.AddAccount(context.Background(), address(args[0]), "secret")
			return err
		},
		// blobs BYTES: room left for large bodies
		"blobs": func(args []string, _ map[string]string) error {
			n, err := strconv.ParseInt(args[0], 10, 64)
			h.blobs.SetFree(n)
			return err
		},
		// quota NAME BYTES
		"quota": func(args []string, _ map[string]string) error {
			n, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return err
			}
			return h.account(args[0]).Update(context.Background(), func(tx *store.Tx) error {
				tx.SetLimits(store.Resources{Bytes: n})
				return nil
			})
		},
		// list NAME TEXT: a file of the archive becomes the list "allow" or "deny"
		"list": func(args []string, texts map[string]string) error {
			return h.writeList(args[0], texts[args[1]])
		},
		// shutdown SERVER, without waiting for it
		"shutdown": func(args []string, _ map[string]string) error {
			ctx, cancel := context.WithCancel(context.Background())
			h.t.Cleanup(cancel)
			go h.servers[args[0]].Shutdown(ctx)
			return nil
		},
	}
}

// like compares a text with a pattern in which "..." is anything on one line.
func like(pattern, text string) bool {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\.\.\.`, `[^\r\n]*`)
	return regexp.MustCompile(`^` + quoted + `$`).MatchString(text)
}
