package inbound

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"posthorn/internal/addr"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/directory"
	"posthorn/internal/dsn"
	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/queue"
	"posthorn/internal/store"
)

// house is an Acceptor and what is behind it: alice, bob and carol in example.test,
// which is also second.test; bob has a copy sent to bob@home.test, dave's mail goes to
// dave@home.test and to carol; friend is at one@elsewhere.test, all are those three and
// friend; whatever else is for catch.test, bob gets. And an engine that fails when it is told to.
type house struct {
	acceptor *Acceptor
	store    *store.Store
	queue    *queue.Queue
	accounts map[string]store.AccountID
	broken   error
}

var people = []string{"alice", "bob", "carol", "dave"}

func newHouse(t testing.TB) *house {
	h := &house{accounts: map[string]store.AccountID{}}
	engine := memkv.New(memkv.Options{Rerun: true, Commit: func() error { return h.broken }})
	blobs := memblob.New(memblob.Options{})
	h.store = store.New(store.Options{Engine: engine, Blobs: blobs, InlineLimit: 1000})
	h.queue = queue.New(queue.Options{Engine: engine, Blobs: blobs, Settings: queue.Settings{Hostname: "mail.example.test", Postmaster: at("postmaster", "example.test")}})
	dir := directory.New(engine, directory.Options{Hash: directory.HashParams{Memory: 8, Passes: 1, Threads: 1}})
	t.Cleanup(dir.Close)
	_, err := dir.AddDomain(t.Context(), "example.test")
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range people {
		var a directory.Account
		must(nil, err)
		a, err = dir.AddAccount(t.Context(), at(name, "example.test"), "secret")
		h.accounts[name] = store.AccountID(a.ID)
	}
	must(nil, err)
	must(dir.AddDomainAlias(t.Context(), "second.test", "example.test"))
	must(dir.AddDomain(t.Context(), "catch.test"))
	must(dir.SetCatchAll(t.Context(), "catch.test", at("bob", "second.test")))
	must(dir.SetForward(t.Context(), at("bob", "example.test"), true, at("bob", "home.test")))
	must(dir.SetForward(t.Context(), at("dave", "example.test"), false, at("dave", "home.test"), at("carol", "example.test")))
	must(dir.AddAlias(t.Context(), at("friend", "example.test"), at("one", "elsewhere.test")))
	must(dir.AddAlias(t.Context(), at("all", "example.test"), at("alice", "example.test"), at("bob", "example.test"), at("carol", "example.test"), at("friend", "example.test")))
	h.acceptor = New(Options{Hostname: "mail.example.test", Policy: DefaultPolicy(), Directory: dir, Store: h.store, Relay: true})
	return h
}

func at(local, domain string) addr.Address { return addr.Address{Local: local, Domain: domain} }

// submit sends a message as alice, and says under what name.
func (h *house) submit(ctx context.Context, to []addr.Address, text string) (string, error) {
	return h.send(ctx, at("alice", "example.test"), to, text, RcptParams{})
}

// send sends a message from somebody, and says under what name: as alice if it is one of
// us, else as another server does.
func (h *house) send(ctx context.Context, from addr.Address, to []addr.Address, text string, p RcptParams) (string, error) {
	role := MX
	if from.Domain == "example.test" {
		role = Submission
	}
	s := h.acceptor.NewSession(Peer{Role: role, PlaintextAuth: true, Log: slog.New(slog.DiscardHandler)})
	_ = s.Hello(ctx, "pc", true)
	if role == Submission {
		s.Authenticated(h.accounts["alice"], "alice@example.test", slog.New(slog.DiscardHandler))
	}
	tx, err := s.Mail(ctx, from, MailParams{})
	for _, one := range to {
		if err == nil {
			err = tx.Rcpt(ctx, one, p)
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
		_, rest, _ := strings.Cut(string(text), " with ESMTP")
		_, rest, _ = strings.Cut(rest, " id ")
		ids = append(ids, rest[:16])
	}
	return ids
}

// news lists the recipients in the queue that were not there before, the parts of a
// message together: "from address".
func (h *house) news(t *rapid.T, seen map[queue.ID]bool) []string {
	var all []string
	if err := h.queue.List(t.Context(), queue.Filter{}, func(s queue.Status) bool {
		for _, to := range s.Message.Recipients {
			if !seen[s.Message.ID] {
				all = append(all, fmt.Sprintf("<%s> %s", s.Message.From, to.Address))
			}
		}
		seen[s.Message.ID] = true
		return true
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// behind is who has to have what is sent to an address: names of people here, and
// addresses elsewhere.
func behind(to addr.Address) []string {
	name, _, _ := strings.Cut(strings.ToLower(to.Local), "+")
	switch {
	case to.Domain == "catch.test", to.Domain == "example.test" && name == "bob", to.Domain == "second.test" && name == "bob":
		return []string{"bob", "bob@home.test"}
	case to.Domain != "example.test" && to.Domain != "second.test":
		return []string{to.String()}
	case name == "dave":
		return []string{"dave@home.test", "carol"}
	case name == "friend":
		return []string{"one@elsewhere.test"}
	case name == "all":
		return []string{"alice", "bob", "bob@home.test", "carol", "one@elsewhere.test"}
	}
	return []string{name}
}

// Whatever is sent to whomever, what was accepted is with everybody behind its recipients
// exactly once, in mailbox or queue, and so is what the sender wants to hear of it;
// what was not accepted is with none of them.
func TestCommitModel(t *testing.T) {
	ours := []addr.Address{
		at("alice", "example.test"), at("bob", "example.test"), at("bob+tag", "second.test"), at("all", "example.test"), at("ALL", "second.test"),
		at("dave", "example.test"), at("friend", "second.test"), at("friend+tag", "example.test"), at("anybody", "catch.test"), at("bob", "catch.test"),
	}
	elsewhere := []addr.Address{at("one", "elsewhere.test"), at("two", "elsewhere.test"), at("three", "third.test"), at("bob", "home.test")}
	rapid.Check(t, func(rt *rapid.T) {
		h := newHouse(t)
		inboxes, seen := map[string][]string{}, map[queue.ID]bool{}
		for range rapid.IntRange(1, 8).Draw(rt, "messages") {
			from, addresses := at("alice", "example.test"), slices.Concat(ours, elsewhere)
			if rapid.Bool().Draw(rt, "stranger") {
				from, addresses = at("x", "remote.test"), ours
			}
			to := rapid.SliceOfN(rapid.SampledFrom(addresses), 1, 6).Draw(rt, "recipients")
			text := "Subject: x\r\n\r\n" + strings.Repeat("text\r\n", rapid.SampledFrom([]int{0, 10, 500}).Draw(rt, "lines"))
			h.broken = nil
			if rapid.IntRange(0, 2).Draw(rt, "broken") == 0 {
				h.broken = fault.New(fault.StorageFull, "test: no room")
			}
			id, err := h.send(rt.Context(), from, to, text, RcptParams{Notify: dsn.Success})
			if (err == nil) != (h.broken == nil) {
				rt.Fatalf("to %v: %v", to, err)
			}
			h.broken = nil
			var queued []string
			if err == nil {
				queued = expect(inboxes, id, from, to)
			}
			if got := h.news(rt, seen); !slices.Equal(got, queued) {
				rt.Errorf("from <%s> to %v: in the queue\n%q, want\n%q", from, to, got, queued)
			}
		}
		for _, name := range people {
			if got := h.inbox(rt, name); !slices.Equal(got, inboxes[name]) {
				rt.Errorf("%s has\n%q, want\n%q", name, got, inboxes[name])
			}
		}
	})
}

// expect notes where a message should be: in inboxes, and in the queue as returned.
func expect(inboxes map[string][]string, id string, from addr.Address, to []addr.Address) (queued []string) {
	everybody, told := map[string]bool{}, false
	for _, one := range to {
		all := behind(one)
		for _, who := range all {
			everybody[who] = true
		}
		// Several, or a mailbox: that is known at once. Others tell of the rest.
		told = told || len(all) > 1 || !strings.Contains(all[0], "@")
	}
	for who := range everybody {
		if strings.Contains(who, "@") {
			queued = append(queued, fmt.Sprintf("<%s> %s", from, who))
		} else {
			inboxes[who] = append(inboxes[who], id)
		}
	}
	// An alias whose one target another recipient is, too, has nobody else to tell of it.
	told = told || shared(to)
	if told {
		queued = append(queued, "<> "+from.String())
	}
	slices.Sort(queued)
	return queued
}

// shared says that an alias leads to an address elsewhere that has the message already.
func shared(to []addr.Address) bool {
	seen := map[string]bool{}
	for _, direct := range []bool{true, false} {
		for _, one := range to {
			all := behind(one)
			if len(all) != 1 || !strings.Contains(all[0], "@") || (one.String() == all[0]) != direct {
				continue
			}
			if seen[all[0]] && !direct {
				return true
			}
			seen[all[0]] = true
		}
	}
	return false
}
