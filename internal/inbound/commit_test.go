package inbound

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"posthorn/internal/addr"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/queue"
	"posthorn/internal/store"
)

// house is an Acceptor and what is behind it: alice, bob and carol in example.test,
// all (an alias of the three), and an engine that fails when it is told to.
type house struct {
	acceptor *Acceptor
	store    *store.Store
	queue    *queue.Queue
	accounts map[string]store.AccountID
	broken   error
}

var people = []string{"alice", "bob", "carol"}

func newHouse(t *testing.T) *house {
	h := &house{accounts: map[string]store.AccountID{}}
	engine := memkv.New(memkv.Options{Rerun: true, Commit: func() error { return h.broken }})
	blobs := memblob.New(memblob.Options{})
	h.store = store.New(store.Options{Engine: engine, Blobs: blobs, InlineLimit: 1000})
	h.queue = queue.New(queue.Options{Engine: engine, Blobs: blobs, Settings: queue.Settings{Hostname: "mail.example.test", Postmaster: at("postmaster", "example.test")}})
	dir := directory.New(engine, directory.Options{Hash: directory.HashParams{Memory: 8, Passes: 1, Threads: 1}})
	t.Cleanup(dir.Close)
	_, err := dir.AddDomain(t.Context(), "example.test")
	var targets []addr.Address
	for _, name := range people {
		if err != nil {
			break
		}
		var a directory.Account
		a, err = dir.AddAccount(t.Context(), at(name, "example.test"), "secret")
		h.accounts[name] = store.AccountID(a.ID)
		targets = append(targets, a.Address)
	}
	if err == nil {
		_, err = dir.AddAlias(t.Context(), at("all", "example.test"), targets...)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.acceptor = New(Options{Hostname: "mail.example.test", Policy: DefaultPolicy(), Directory: dir, Store: h.store, Relay: true})
	return h
}

func at(local, domain string) addr.Address { return addr.Address{Local: local, Domain: domain} }

// submit sends a message as alice, and says under what name.
func (h *house) submit(ctx context.Context, to []addr.Address, text string) (string, error) {
	s := h.acceptor.NewSession(Peer{Role: Submission, PlaintextAuth: true, Log: slog.New(slog.DiscardHandler)})
	_ = s.Hello(ctx, "pc", true)
	s.Authenticated(h.accounts["alice"], "alice@example.test", slog.New(slog.DiscardHandler))
	tx, err := s.Mail(ctx, at("alice", "example.test"), MailParams{})
	for _, one := range to {
		if err == nil {
			err = tx.Rcpt(ctx, one, RcptParams{})
		}
	}
	if err != nil {
		return "", err
	}
	content := tx.Receive(ctx)
	_, err = io.WriteString(content, text)
	if err == nil {
		_, err = content.Commit(ctx, LineEnds{})
	}
	return tx.ID(), err
}

// inbox lists the messages in somebody's INBOX by the names in their Received lines.
func (h *house) inbox(t *rapid.T, name string) []string {
	account := h.store.Account(h.accounts[name])
	snap, err := account.Snapshot(t.Context(), store.InboxID)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for seq := 1; seq <= snap.Len(); seq++ {
		body, err := account.Body(t.Context(), snap, snap.At(seq).UID)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), " with ESMTPA id ")
		ids = append(ids, rest[:16])
	}
	return ids
}

// queued lists the recipients in the queue: "name address".
func (h *house) queued(t *rapid.T) []string {
	var all []string
	if err := h.queue.List(t.Context(), queue.Filter{}, func(s queue.Status) bool {
		for _, to := range s.Message.Recipients {
			all = append(all, fmt.Sprint(s.Message.ID, " ", to.Address))
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// Whatever is submitted to whomever, what was accepted is with each of its recipients
// exactly once, in mailbox or queue; what was not is with none of them.
func TestCommitModel(t *testing.T) {
	addresses := []addr.Address{
		at("alice", "example.test"), at("bob", "example.test"), at("bob+tag", "example.test"), at("all", "example.test"),
		at("one", "elsewhere.test"), at("two", "elsewhere.test"), at("three", "third.test"),
	}
	rapid.Check(t, func(rt *rapid.T) {
		h := newHouse(t)
		inboxes := map[string][]string{}
		var queued []string
		for range rapid.IntRange(1, 8).Draw(rt, "messages") {
			picked := rapid.SliceOfNDistinct(rapid.IntRange(0, len(addresses)-1), 1, 5, rapid.ID).Draw(rt, "recipients")
			var to []addr.Address
			for _, i := range picked {
				to = append(to, addresses[i])
			}
			text := "Subject: x\r\n\r\n" + strings.Repeat("text\r\n", rapid.SampledFrom([]int{0, 10, 500}).Draw(rt, "lines"))
			h.broken = nil
			if rapid.IntRange(0, 2).Draw(rt, "broken") == 0 {
				h.broken = fault.New(fault.StorageFull, "test: no room")
			}
			id, err := h.submit(rt.Context(), to, text)
			if (err == nil) != (h.broken == nil) {
				rt.Fatalf("to %v: %v", to, err)
			}
			if err == nil {
				queued = append(queued, expect(inboxes, id, to)...)
			}
		}
		h.broken = nil // looking at an account for the first time makes it
		slices.Sort(queued)
		if got := h.queued(rt); !slices.Equal(got, queued) {
			rt.Errorf("in the queue\n%q, want\n%q", got, queued)
		}
		for _, name := range people {
			if got := h.inbox(rt, name); !slices.Equal(got, inboxes[name]) {
				rt.Errorf("%s has\n%q, want\n%q", name, got, inboxes[name])
			}
		}
	})
}

// expect notes where a message should be: in inboxes, and in the queue as returned.
func expect(inboxes map[string][]string, id string, to []addr.Address) (queued []string) {
	local := map[string]bool{}
	for _, one := range to {
		name, _, _ := strings.Cut(one.Local, "+")
		switch {
		case one.Domain != "example.test":
			queued = append(queued, id+" "+one.String())
		case name == "all":
			for _, name := range people {
				local[name] = true
			}
		default:
			local[name] = true
		}
	}
	for name := range maps.Keys(local) {
		inboxes[name] = append(inboxes[name], id)
	}
	return queued
}
