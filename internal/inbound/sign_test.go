package inbound

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"posthorn/internal/addr"
	"posthorn/internal/dsn"
	"posthorn/internal/queue"
)

// sent gives the messages in the queue as they will be sent.
func (h *house) sent(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var want int
	if err := h.queue.List(ctx, queue.Filter{}, func(queue.Status) bool { want++; return true }); err != nil {
		t.Fatal(err)
	}
	texts := make(chan string, want)
	done := make(chan error, 1)
	go func() {
		done <- h.queue.Run(ctx, func(ctx context.Context, j *queue.Job) []queue.Result {
			content, err := j.Open(ctx)
			if err != nil {
				texts <- err.Error()
				return nil
			}
			defer content.Close()
			text, err := io.ReadAll(io.NewSectionReader(content, 0, content.Size()))
			if err != nil || int64(len(text)) != j.Message.Size() {
				t.Errorf("%d bytes, want %d: %v", len(text), j.Message.Size(), err)
			}
			texts <- string(text)
			return []queue.Result{{Outcome: queue.Accepted}}
		})
	}()
	var all []string
	for range want {
		all = append(all, <-texts)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return all
}

// signatures lists what stands by a message: "rsa example.test", as another
// implementation sees it.
func (h *house) signatures(t *testing.T, message string) string {
	t.Helper()
	results, err := dkim.VerifyWithOptions(strings.NewReader(message), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		selector, domain, _ := strings.Cut(name, "._domainkey.")
		keys, err := h.acceptor.o.Directory.Keys(t.Context(), domain)
		for _, k := range keys {
			if k.Selector == selector {
				return []string{k.Record}, nil
			}
		}
		return nil, fmt.Errorf("no key %s: %v", name, err)
	}})
	if err != nil {
		t.Fatalf("%v\n%s", err, message)
	}
	var all []string
	for _, r := range results {
		if all = append(all, r.Domain); r.Err != nil {
			t.Errorf("%v\n%s", r.Err, message)
		}
	}
	return strings.Join(all, " ")
}

func (h *house) makeKeys(t *testing.T, domains ...string) {
	t.Helper()
	for _, domain := range domains {
		if domain != "example.test" {
			if _, err := h.acceptor.o.Directory.AddDomain(t.Context(), domain); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.acceptor.o.Directory.EnsureKeys(t.Context(), domain); err != nil {
			t.Fatal(err)
		}
	}
}

// Whose keys sign follows from the header, then from the envelope; what is signed is
// what is sent.
func TestWhoSigns(t *testing.T) {
	h := newHouse(t)
	h.makeKeys(t, "example.test", "other.test")
	remote := []addr.Address{at("bob", "elsewhere.test")}
	for header, want := range map[string]string{
		"From: alice@example.test\r\n":                              "example.test example.test",
		"From: Alice <alice@OTHER.test>\r\n":                        "other.test other.test",
		"From: root@host.other.test\r\n":                            "other.test other.test",
		"From: us: a@other.test, b@example.test;\r\n":               "other.test other.test",
		"From: a@foreign.test\r\nSender: alice@example.test\r\n":    "example.test example.test",
		"Subject: from nobody\r\n":                                  "example.test example.test",
		"From: nonsense\r\n":                                        "example.test example.test",
		"From: \"a\r\n b\" <alice@example.test>\r\nSubject: x\r\n":  "example.test example.test",
		"Bcc: carol@elsewhere.test\r\nFrom: alice@example.test\r\n": "example.test example.test",
	} {
		for _, body := range []string{"\r\nhello \r\n\r\n", "\n\nbare\nlines  \n", "", "\r\n" + strings.Repeat("long \r\n", 1000), "\r\n" + strings.Repeat("too much for memory\r\n", 10_000)} {
			if _, err := h.submit(t.Context(), remote, header+body); err != nil {
				t.Fatal(err)
			}
			for _, text := range h.sent(t) {
				if got := h.signatures(t, text); got != want {
					t.Errorf("%q is signed by %q, want %q\n%s", header, got, want, text)
				}
				if strings.Index(text, "DKIM-Signature:") != 0 || strings.Index(text, "Received:") < strings.LastIndex(text, "DKIM-Signature:") {
					t.Errorf("the signatures are not in front:\n%s", text)
				}
			}
		}
	}
}

// Nothing is signed that stays, that others bring, or that no key is there for.
func TestNotSigned(t *testing.T) {
	h := newHouse(t)
	const text = "From: alice@example.test\r\n\r\nhello\r\n"
	remote := at("bob", "elsewhere.test")
	if _, err := h.submit(t.Context(), []addr.Address{remote}, text); err != nil {
		t.Fatal(err)
	}
	if sent := h.sent(t); len(sent) != 1 || strings.Contains(sent[0], "DKIM-Signature") {
		t.Errorf("without keys: %q", sent)
	}
	h.makeKeys(t, "example.test")
	tx := h.begin(t, Peer{Role: Submission, PlaintextAuth: true}, at("alice", "example.test"))
	if c := tx.Receive(t.Context()); c.signer != nil {
		t.Error("local mail is taken in for a signature")
	} else {
		c.Abort(t.Context(), io.EOF)
	}
	tx = h.begin(t, Peer{Role: MX, Remote: netip.MustParseAddr("192.0.2.1")}, at("bob", "example.test"))
	if c := tx.Receive(t.Context()); c.signer != nil {
		t.Error("the mail of others is taken in for a signature")
	} else {
		c.Abort(t.Context(), io.EOF)
	}
}

// A network that may relay hands in mail like a user.
func TestRelayedMailIsSigned(t *testing.T) {
	h := newHouse(t)
	h.makeKeys(t, "example.test")
	h.acceptor.o.Policy.RelayFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	tx := h.begin(t, Peer{Role: MX, Remote: netip.MustParseAddr("192.0.2.1")}, at("bob", "elsewhere.test"))
	c := tx.Receive(t.Context())
	if _, err := io.WriteString(c, "From: printer@example.test\r\n\r\nout of paper\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Commit(t.Context(), LineEnds{}); err != nil {
		t.Fatal(err)
	}
	for _, text := range h.sent(t) {
		if got := h.signatures(t, text); got != "example.test example.test" {
			t.Errorf("signed by %q:\n%s", got, text)
		}
	}
}

// Who asks from elsewhere for word of success can trust it.
func TestNoticesAreSigned(t *testing.T) {
	h := newHouse(t)
	h.makeKeys(t, "example.test")
	s := h.acceptor.NewSession(Peer{Role: MX, Remote: netip.MustParseAddr("192.0.2.1"), Log: slog.New(slog.DiscardHandler)})
	tx, err := s.Mail(t.Context(), at("zoe", "elsewhere.test"), MailParams{})
	if err == nil {
		err = tx.Rcpt(t.Context(), at("alice", "example.test"), RcptParams{Notify: dsn.Success})
	}
	if err != nil {
		t.Fatal(err)
	}
	c := tx.Receive(t.Context())
	if _, err := io.WriteString(c, "From: zoe@elsewhere.test\r\n\r\nhello\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Commit(t.Context(), LineEnds{}); err != nil {
		t.Fatal(err)
	}
	sent := h.sent(t)
	if len(sent) != 1 {
		t.Fatalf("queued: %q", sent)
	}
	if got := h.signatures(t, sent[0]); got != "example.test example.test" {
		t.Errorf("signed by %q:\n%s", got, sent[0])
	}
}

// begin begins a message from alice.
func (h *house) begin(t *testing.T, p Peer, to addr.Address) *Transaction {
	t.Helper()
	p.Log = slog.New(slog.DiscardHandler)
	s := h.acceptor.NewSession(p)
	if p.Role == Submission {
		s.Authenticated(h.accounts["alice"], "alice@example.test", p.Log)
	}
	tx, err := s.Mail(t.Context(), at("alice", "example.test"), MailParams{})
	if err == nil {
		err = tx.Rcpt(t.Context(), to, RcptParams{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// What a signature costs a message that leaves.
func BenchmarkSubmit(b *testing.B) {
	for _, signs := range []bool{false, true} {
		b.Run(fmt.Sprintf("signed=%v", signs), func(b *testing.B) {
			h := newHouse(b)
			if signs {
				if _, err := h.acceptor.o.Directory.EnsureKeys(b.Context(), "example.test"); err != nil {
					b.Fatal(err)
				}
			}
			text := "From: alice@example.test\r\nSubject: x\r\n\r\n" + strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 20)
			to := []addr.Address{at("bob", "elsewhere.test")}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.submit(b.Context(), to, text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
