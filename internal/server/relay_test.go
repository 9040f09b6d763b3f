package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/admin"
	"posthorn/internal/config"
	"posthorn/internal/store"
	"posthorn/internal/wire/wiretest"
)

// house is a server with one domain and one account.
type house struct {
	*Server
	t       *testing.T
	config  *config.Config
	admin   *admin.Client
	account *store.Account
}

const password = "correct horse"

// openHouse starts a server; address is that of somebody who lives there.
func openHouse(t *testing.T, c *config.Config, address string) *house {
	t.Helper()
	h := &house{t: t, config: c}
	h.Server, _ = start(t, c)
	client, err := admin.Dial(t.Context(), c.ControlSocket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	h.admin = client
	who, err := addr.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if len(ask(h, admin.ListDomains, admin.Nothing{})) == 0 {
		ask(h, admin.AddDomain, admin.Name{Name: who.Domain})
		ask(h, admin.AddAccount, admin.Credentials{Address: address, Password: password})
	}
	account, err := h.data.Directory.Account(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	h.account = h.data.Store.Account(store.AccountID(account.ID))
	return h
}

func ask[Request, Response any](h *house, op admin.Operation[Request, Response], r Request) Response {
	h.t.Helper()
	answer, err := op.Call(h.t.Context(), h.admin, r)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer
}

// submit hands a message with a subject in, as a mail program does; the error is that of the
// first recipient who is refused.
func (h *house) submit(from, subject string, to ...string) error {
	h.t.Helper()
	c, err := smtp.Dial(h.Address(config.Submission).String())
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	must(c.Auth(smtp.PlainAuth("", from, password, "127.0.0.1")))
	must(c.Mail(from))
	for _, one := range to {
		if err := c.Rcpt(one); err != nil {
			return err
		}
	}
	w, err := c.Data()
	must(err)
	_, err = fmt.Fprintf(w, "From: <%s>\r\nSubject: %s\r\n\r\nhello\r\n", from, subject)
	must(err)
	must(w.Close())
	return c.Quit()
}

// inbox waits until INBOX has so many messages, and returns the last one.
func (h *house) inbox(want int) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), longEnough)
	defer cancel()
	news := make(chan struct{}, 1)
	defer h.account.Watch(func() {
		select {
		case news <- struct{}{}:
		default:
		}
	})()
	for {
		snap, err := h.account.Snapshot(ctx, store.InboxID)
		if err != nil {
			h.t.Fatal(err)
		}
		if snap.Len() >= want {
			return h.read(snap, want)
		}
		select {
		case <-news:
		case <-ctx.Done():
			h.t.Fatalf("%d messages in INBOX, want %d; queued: %+v", snap.Len(), want, h.queued())
		}
	}
}

func (h *house) read(snap *store.Snapshot, seq int) string {
	h.t.Helper()
	body, err := h.account.Body(h.t.Context(), snap, snap.At(seq).UID)
	if err != nil {
		h.t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

func (h *house) queued() []admin.QueuedMessage {
	h.t.Helper()
	return ask(h, admin.ListQueue, admin.QueueFilter{}).Messages
}

// waitQueued waits until the queue is as wanted.
func (h *house) waitQueued(what string, is func([]admin.QueuedMessage) bool) (all []admin.QueuedMessage) {
	h.t.Helper()
	await(h.t, "the queue is not "+what, func() (any, bool) {
		all = h.queued()
		return all, is(all)
	})
	return all
}

func (h *house) waitEmpty() {
	h.t.Helper()
	h.waitQueued("empty", func(all []admin.QueuedMessage) bool { return len(all) == 0 })
}

// TestTwoServers lets one posthorn send mail to another.
func TestTwoServers(t *testing.T) {
	there := wiretest.Lonely(t)
	cb := testConfig(t, config.SMTP)
	cb.Hostname, cb.Listeners[0].Address = "mx.example.org", there
	ca := testConfig(t, config.Submission)
	ca.Routes = []config.Route{
		{Domains: []string{"example.org"}, Transport: config.SmartHost, Hosts: []string{there}, TLS: config.Required},
		{Domains: []string{"*"}, Transport: config.Discard}, // nothing leaves this machine
	}
	a, b := openHouse(t, ca, "alice@example.test"), openHouse(t, cb, "bob@example.org")

	if err := a.submit("alice@example.test", "hello", "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	text := b.inbox(1)
	for _, want := range []string{"Return-Path: <alice@example.test>\r\nReceived: from mail.example.test", "Subject: hello\r\n", "\r\n\r\nhello\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("bob's message has no %q:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "Return-Path:"); n != 1 {
		t.Errorf("bob's message has %d Return-Paths:\n%s", n, text)
	}
	a.waitEmpty()

	if err := a.submit("alice@example.test", "who are you", "nobody@example.org", "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	bounce := a.inbox(1)
	for _, want := range []string{"Return-Path: <>\r\n", "multipart/report", "nobody@example.org", "550 5.1.1", "Subject: who are you"} {
		if !strings.Contains(bounce, want) {
			t.Errorf("the bounce has no %q:\n%s", want, bounce)
		}
	}
	b.inbox(2)
	a.waitEmpty()

	large := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 5000) // more than a commit carries
	if err := a.submit("alice@example.test", "large\r\n\r\n"+large, "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	if text := b.inbox(3); strings.Count(text, large) != 1 || strings.Count(text, "Return-Path:") != 1 {
		t.Errorf("the large message is not what it was: %d bytes\n%.500s", len(text), text)
	}

	comeBack(t, a, b)
}

// comeBack goes on with the other server away, and both of them coming back.
func comeBack(t *testing.T, a, b *house) {
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.submit("alice@example.test", "later", "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	waiting := a.waitQueued("one message that was tried", func(all []admin.QueuedMessage) bool {
		return len(all) == 1 && all[0].Recipients[0].Attempts > 0
	})
	if r := waiting[0].Recipients[0]; !strings.Contains(r.Reply, "does not answer") || r.Next == nil || !r.Next.After(time.Now()) {
		t.Errorf("waiting: %+v", r)
	}
	// The one who has the message goes away and comes back, too.
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, b = openHouse(t, a.config, "alice@example.test"), openHouse(t, b.config, "bob@example.org")
	if all := a.queued(); len(all) != 1 || all[0].ID != waiting[0].ID || all[0].Recipients[0].Attempts == 0 {
		t.Fatalf("after a restart there is %+v, want %+v", all, waiting)
	}
	done := ask(a, admin.OperateQueue, admin.QueueOrder{Filter: admin.QueueFilter{Domain: "example.org"}, Operation: "retry"})
	if len(done.Messages) != 1 || done.Recipients != 1 {
		t.Errorf("retried: %+v", done)
	}
	if text := b.inbox(4); !strings.Contains(text, "Subject: later") {
		t.Errorf("bob got:\n%s", text)
	}
	a.waitEmpty()
}

// TestNotificationWaits gives a message up whose sender has no room for the
// notification at first.
func TestNotificationWaits(t *testing.T) {
	c := testConfig(t, config.Submission)
	c.Routes = []config.Route{{Domains: []string{"*"}, Transport: config.SmartHost, Hosts: []string{wiretest.Lonely(t)}, TLS: config.Never}}
	a := openHouse(t, c, "alice@example.test")
	if err := a.submit("alice@example.test", "in vain", "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	a.waitQueued("one message", func(all []admin.QueuedMessage) bool { return len(all) == 1 })
	quota := func(bytes int64) {
		t.Helper()
		if err := a.account.Update(t.Context(), func(tx *store.Tx) error { tx.SetLimits(store.Resources{Bytes: bytes}); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	quota(1)
	order := admin.QueueOrder{Operation: "bounce", Reason: "enough of it"}
	preview := order
	preview.DryRun = true
	if done := ask(a, admin.OperateQueue, preview); len(done.Messages) != 1 || !done.DryRun || len(a.queued()) != 1 {
		t.Errorf("preview: %+v", done)
	}
	ask(a, admin.OperateQueue, order)
	a.waitQueued("a notification that waits", func(all []admin.QueuedMessage) bool {
		return len(all) == 1 && all[0].From == "" && all[0].Recipients[0].Attempts > 0 && strings.Contains(all[0].Recipients[0].Reply, "full")
	})
	quota(0)
	ask(a, admin.OperateQueue, admin.QueueOrder{Operation: "retry"})
	if text := a.inbox(1); !strings.Contains(text, "enough of it") || !strings.HasPrefix(text, "Return-Path: <>\r\n") {
		t.Errorf("alice reads:\n%s", text)
	}
	a.waitEmpty()
}

func TestWithoutQueueNothingLeaves(t *testing.T) {
	c := testConfig(t, config.Submission)
	c.Queue.Enabled = false
	a := openHouse(t, c, "alice@example.test")
	if err := a.submit("alice@example.test", "hello", "bob@example.org"); err == nil || !strings.Contains(err.Error(), "4.3.2") {
		t.Errorf("mail for another server: %v", err)
	}
	if all := a.queued(); len(all) > 0 {
		t.Errorf("queued: %+v", all)
	}
}

// TestReloadRoutes: what is tried from then on takes the new way, and notifications
// have the new name.
func TestReloadRoutes(t *testing.T) {
	there := wiretest.Lonely(t)
	cb := testConfig(t, config.SMTP)
	cb.Listeners[0].Address = there
	b := openHouse(t, cb, "bob@example.org")
	ca := testConfig(t, config.Submission)
	ca.Routes = []config.Route{{Domains: []string{"*"}, Transport: config.SmartHost, Hosts: []string{wiretest.Lonely(t)}, TLS: config.Never}}
	a := openHouse(t, ca, "alice@example.test")
	if err := a.submit("alice@example.test", "hello", "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	a.waitQueued("one message that was tried", func(all []admin.QueuedMessage) bool {
		return len(all) == 1 && all[0].Recipients[0].Attempts > 0
	})
	next := *ca
	next.Hostname = "new.example.test"
	next.Routes = []config.Route{
		{Domains: []string{"example.org"}, Transport: config.SmartHost, Hosts: []string{there}, TLS: config.Never},
		{Domains: []string{"example.net"}, Transport: config.SmartHost, Hosts: []string{wiretest.Lonely(t)}, TLS: config.Never},
	}
	if err := a.Reload(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	ask(a, admin.OperateQueue, admin.QueueOrder{Operation: "retry"})
	b.inbox(1)
	a.waitEmpty()
	if err := a.submit("alice@example.test", "hello", "carol@example.net"); err != nil {
		t.Fatal(err)
	}
	ask(a, admin.OperateQueue, admin.QueueOrder{Operation: "bounce"})
	if text := a.inbox(1); !strings.Contains(text, "dns; new.example.test") || !strings.Contains(text, "postmaster@new.example.test") {
		t.Errorf("alice reads:\n%s", text)
	}

	wrong := next
	wrong.Routes = []config.Route{{Domains: []string{"*"}, User: "alice", PasswordFile: "/no/such/file"}}
	if err := a.Reload(t.Context(), &wrong); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("Reload = %v", err)
	}
}

// TestShutdownCutsDeliveriesOff: a server that never answers does not keep ours.
func TestShutdownCutsDeliveriesOff(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := testConfig(t, config.Submission)
	c.Routes = []config.Route{{Domains: []string{"*"}, Transport: config.SmartHost, Hosts: []string{silent.Addr().String()}, TLS: config.Never}}
	a := openHouse(t, c, "alice@example.test")
	if err := a.submit("alice@example.test", "hello", "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	nc, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	a = openHouse(t, c, "alice@example.test")
	if all := a.queued(); len(all) != 1 || all[0].Recipients[0].State != "pending" {
		t.Errorf("queued: %+v", all)
	}
	ask(a, admin.OperateQueue, admin.QueueOrder{Operation: "delete"})
}
