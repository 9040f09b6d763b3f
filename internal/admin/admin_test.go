package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/internal/audit"
	"posthorn/internal/blob/memblob"
	"posthorn/internal/directory"
	"posthorn/internal/dnszone"
	"posthorn/internal/fault"
	"posthorn/internal/history"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/queue"
	"posthorn/internal/search"
	"posthorn/internal/store"
)

// newAdmin makes operations on an empty server.
func newAdmin(t *testing.T) *Admin {
	t.Helper()
	a, _ := newAdminOn(t)
	return a
}

func newAdminOn(t *testing.T) (*Admin, kv.Engine) {
	t.Helper()
	engine, blobs := memkv.New(memkv.Options{}), memblob.New(memblob.Options{})
	d := directory.New(engine, directory.Options{Hash: directory.HashParams{Memory: 64, Passes: 1, Threads: 1}})
	t.Cleanup(d.Close)
	mail := store.New(store.Options{Engine: engine, Blobs: blobs})
	trail := audit.New(audit.Options{Engine: engine, Days: 1})
	past := history.New(history.Options{Engine: engine, Days: 1})
	t.Cleanup(func() {
		trail.Close(context.Background())
		past.Close(context.Background())
	})
	return New(Options{
		Directory: d, Store: mail, Index: search.New(search.Options{Engine: engine, Store: mail}), Audit: trail, History: past,
		Queue: queue.New(queue.Options{Engine: engine, Blobs: blobs}), Site: func() dnszone.Site { return dnszone.Site{Hostname: "mail.example.test"} },
		Administrators: func() []string { return []string{"Root@one.test"} },
	}), engine
}

// serve puts operations on a socket and connects to it.
func serve(t *testing.T, a *Admin, socket string) *Client {
	t.Helper()
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: a.Handler()}
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	c, err := Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestBothWays tells one story over a socket and in the same process.
func TestBothWays(t *testing.T) {
	t.Run("socket", func(t *testing.T) {
		story(t, serve(t, newAdmin(t), filepath.Join(t.TempDir(), "control.sock")))
	})
	t.Run("local", func(t *testing.T) { story(t, Local(newAdmin(t))) })
}

func story(t *testing.T, c *Client) {
	must(t, AddDomain, c, Name{"Example.test"})
	mustFail(t, AddDomain, c, Name{"example.test"}, fault.Exists, "domain example.test is there already")
	alice := must(t, AddAccount, c, Credentials{Address: "Alice@example.test", Password: "secret"})
	if alice.Address != "alice@example.test" || alice.ID != 1 || alice.Scheme != "ARGON2ID" || alice.Created.IsZero() {
		t.Errorf("added %+v", alice)
	}
	mustFail(t, AddAccount, c, Credentials{Address: "alice", Password: "x"}, fault.Invalid, `address "alice": no @ after the local part`)
	imported := must(t, ImportAccounts, c, []Credentials{{"bob@example.test", "secret", 1}, {"alice@example.test", "other", 2}})
	if imported != (Imported{1, 1}) {
		t.Errorf("imported %+v", imported)
	}
	mustFail(t, ImportAccounts, c, []Credentials{{"x", "y", 7}}, fault.Invalid, "line 7: ")
	must(t, AddAlias, c, Alias{Address: "sales@example.test", Targets: []string{"alice@example.test", "bob@example.test"}})
	must(t, SetPassword, c, Credentials{Address: "bob@example.test", Password: "new"})
	must(t, SetState, c, AccountState{Address: "bob@example.test", State: "disabled", Reason: "moved away"})

	shown := must(t, ShowAccount, c, Name{"bob@example.test"})
	if !shown.Disabled || len(shown.Aliases) != 1 || len(shown.Mailboxes) != 6 || shown.Messages != 0 {
		t.Errorf("shown %+v", shown)
	}
	must(t, SetState, c, AccountState{Address: "bob@example.test", State: "active"})
	if all := must(t, ListAccounts, c, Nothing{}); len(all) != 2 || all[1].Disabled {
		t.Errorf("accounts %+v", all)
	}
	if all := must(t, ListAliases, c, Nothing{}); len(all) != 1 || strings.Join(all[0].Targets, " ") != "alice@example.test bob@example.test" {
		t.Errorf("aliases %+v", all)
	}
	if v := must(t, Verify, c, Nothing{}); v.Accounts != 1 || v.Mailboxes != 6 || len(v.Problems) != 0 {
		t.Errorf("verified %+v", v)
	}
	mustFail(t, DeleteAccount, c, Name{"bob@example.test"}, fault.InUse, "alias sales@example.test points to bob@example.test")
	must(t, DeleteAlias, c, Name{"sales@example.test"})
	must(t, DeleteAccount, c, Name{"bob@example.test"})
	must(t, DeleteAccount, c, Name{"alice@example.test"})
	must(t, DeleteDomain, c, Name{"example.test"})
	if all := must(t, ListDomains, c, Nothing{}); len(all) != 0 {
		t.Errorf("domains %+v", all)
	}
}

func must[Request, Response any](t *testing.T, op Operation[Request, Response], c *Client, r Request) Response {
	t.Helper()
	response, err := op.Call(t.Context(), c, r)
	if err != nil {
		t.Fatalf("%s %+v: %v", op.path, r, err)
	}
	return response
}

func mustFail[Request, Response any](t *testing.T, op Operation[Request, Response], c *Client, r Request, kind fault.Kind, text string) {
	t.Helper()
	_, err := op.Call(t.Context(), c, r)
	if !fault.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("%s %+v: %v (%v), want %v: %s", op.path, r, err, fault.KindOf(err), kind, text)
	}
}

func TestWrongRequests(t *testing.T) {
	c := Local(newAdmin(t))
	mustFail(t, Operation[Nothing, Nothing]{"no/such"}, c, Nothing{}, fault.Unsupported, "this posthorn has no operation /v1/no/such")
	mustFail(t, Operation[[]int, Nothing]{"domain/add"}, c, []int{1}, fault.Invalid, "the request is not the JSON of domain/add")
}

func TestListsAreNeverNull(t *testing.T) {
	c := Local(newAdmin(t))
	for name, list := range map[string]any{
		"domains": must(t, ListDomains, c, Nothing{}), "accounts": must(t, ListAccounts, c, Nothing{}), "aliases": must(t, ListAliases, c, Nothing{}),
	} {
		if text, err := json.Marshal(list); err != nil || string(text) != "[]" {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}

func TestEveryKindHasAStatusAndAName(t *testing.T) {
	for _, kind := range fault.Kinds() {
		if status := statusOf(kind); status < 400 || status > 599 {
			t.Errorf("%v has status %d", kind, status)
		}
		if got := kindNamed(kind.String()); got != kind {
			t.Errorf("%v comes back as %v", kind, got)
		}
	}
}

func TestSocket(t *testing.T) {
	folder := filepath.Join(t.TempDir(), strings.Repeat("a folder with a long name ", 5))
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(folder, "control.sock")
	_, err := Dial(t.Context(), socket)
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("Dial before Listen: %v", err)
	}
	if err := os.WriteFile(socket, nil, 0o600); err != nil { // of a process that died
		t.Fatal(err)
	}
	_, err = Dial(t.Context(), socket)
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("Dial of a stale socket: %v", err)
	}
	c := serve(t, newAdmin(t), socket)
	must(t, ListDomains, c, Nothing{})
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
}

func TestServerGoesAway(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control.sock")
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if nc, err := l.Accept(); err == nil {
		nc.Close()
	}
	l.Close()
	_, err = ListDomains.Call(context.Background(), c, Nothing{})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("Call = %v", err)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}
