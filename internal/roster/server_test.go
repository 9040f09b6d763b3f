package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"posthorn/internal/blob/memblob"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/store"
)

const hash = "{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==" // of "secret"

// require is what tests and rapid's have in common.
type require interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Error(args ...any)
	Fatalf(format string, args ...any)
}

// newServer makes a server without anybody.
func newServer(t testing.TB) Server {
	t.Helper()
	engine := memkv.New(memkv.Options{})
	d := directory.New(engine, directory.Options{Hash: directory.HashParams{Memory: 64, Passes: 1, Threads: 1}})
	t.Cleanup(d.Close)
	return Server{Directory: d, Store: store.New(store.Options{Engine: engine, Blobs: memblob.New(memblob.Options{})})}
}

// apply makes a server what a document says, and tells what was done.
func (s Server) apply(t require, text string, o Options) (done []string) {
	t.Helper()
	want, err := Parse("users.json", []byte(text), passwordFile)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	plan, err := s.Plan(t.Context(), "users.json", want, o)
	if err == nil {
		err = s.Apply(t.Context(), plan, func(c *Change) { done = append(done, fmt.Sprint(c.Verb, " ", c.Kind, " ", c.Name)) })
	}
	if err != nil {
		t.Fatalf("%v; want:\n%s\nhave:\n%s", err, text, s.export(t))
	}
	if len(done) != len(plan.Changes) {
		t.Errorf("%d of %d changes were told", len(done), len(plan.Changes))
	}
	if err := s.Directory.Verify(t.Context(), func(problem string) { t.Errorf("verify: %s", problem) }); err != nil {
		t.Error(err)
	}
	return done
}

func (s Server) export(t require) string {
	t.Helper()
	d, err := s.Export(t.Context())
	if err != nil {
		t.Fatalf("%v", err)
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(text)
}

// everything names all that there is to name.
const everything = `{
  "domains": [
    {"name": "second.test", "alias_of": "example.test"},
    {"name": "example.test", "catch_all": "all@example.test", "admins": ["alice@example.test"], "limits": {"accounts": 3, "quota": 5000}}
  ],
  "accounts": [
    {"address": "alice@example.test", "password": "` + hash + `", "language": "zh-CN", "forward": {"to": ["all@example.test", "pal@elsewhere.test"], "keep": true}},
    {"address": "bob@example.test", "password_file": "bob", "state": "suspended", "reason": "moves", "mechanisms_off": ["PLAIN"],
     "retention": {"Trash": 30}, "pop3": {"unread": true, "expire": 7}, "quota": {"bytes": 9000, "messages": 10, "mailboxes": 11, "metadata": 12}},
    {"address": "corp@example.test", "directory": "openid"}
  ],
  "aliases": [
    {"address": "all@example.test", "targets": ["sales@example.test", "alice@example.test"], "senders": "domain"},
    {"address": "sales@example.test", "targets": ["bob@example.test"]}
  ]
}`

func TestApply(t *testing.T) {
	s := newServer(t)
	done := s.apply(t, everything, Options{})
	if want := "add domain example.test,add domain second.test,add account alice@example.test,add account bob@example.test," +
		"add account corp@example.test,add alias sales@example.test,add alias all@example.test"; strings.Join(done, ",") != want {
		t.Errorf("done: %s", strings.Join(done, ","))
	}
	exported := s.export(t)
	for _, o := range []Options{{}, {Delete: true}, {Passwords: true}, {AddOnly: true}} {
		for _, text := range []string{everything, exported} {
			if done := s.apply(t, text, o); len(done) > 0 {
				t.Errorf("again, with %+v: %q", o, done)
			}
		}
	}
	if other := newServer(t); true {
		other.apply(t, exported, Options{})
		if moved := other.export(t); moved != exported {
			t.Errorf("moved to another server:\n%s\nwant:\n%s", moved, exported)
		}
	}
	for user, state := range map[string]error{"alice@example.test": nil, "bob@example.test": fault.New(fault.Denied, "closed")} {
		_, err := s.Directory.Authenticate(t.Context(), user, "secret", directory.Use{Protocol: "imap"})
		if fault.KindOf(err) != fault.KindOf(state) {
			t.Errorf("%s: %v", user, err)
		}
	}

	if done := s.apply(t, `{}`, Options{}); len(done) > 0 {
		t.Errorf("nothing is named, and done: %q", done)
	}
	done = s.apply(t, `{"domains": [{"name": "example.test"}], "accounts": [{"address": "alice@example.test", "password": "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="}]}`,
		Options{Delete: true, Passwords: true})
	if want := []string{
		"change domain example.test", "change account alice@example.test", "delete alias all@example.test",
		"delete alias sales@example.test", "delete account bob@example.test", "delete domain second.test",
	}; !slices.Equal(done, want) {
		t.Errorf("done: %q", done)
	}
	if left := s.export(t); strings.Contains(left, "bob@") || strings.Contains(left, "zh-CN") || !strings.Contains(left, "corp@") {
		t.Errorf("left:\n%s", left)
	}
	if _, err := s.Directory.UndeleteAccount(t.Context(), address("bob@example.test"), address("bob@example.test")); err != nil {
		t.Errorf("what was deleted cannot be brought back: %v", err)
	}
}

// TestLockedStaysLocked changes something else of an account that needs another password.
func TestLockedStaysLocked(t *testing.T) {
	s := newServer(t)
	s.apply(t, `{"domains": [{"name": "example.test"}], "accounts": [{"address": "alice@example.test", "password": "`+hash+`"}]}`, Options{})
	if _, err := s.Directory.Lock(t.Context(), address("alice@example.test")); err != nil {
		t.Fatal(err)
	}
	s.apply(t, `{"accounts": [{"address": "alice@example.test", "password": "`+hash+`", "state": "active", "language": "en"}]}`, Options{Passwords: true})
	if a, err := s.Directory.Account(t.Context(), address("alice@example.test")); err != nil || a.Locked.IsZero() || a.Language != "en" {
		t.Errorf("the account is %+v, %v", a, err)
	}
}

// TestNothingIsWrittenBeforeAllWasLookedAt has one mistake behind much that is right.
func TestNothingIsWrittenBeforeAllWasLookedAt(t *testing.T) {
	s := newServer(t)
	s.apply(t, `{"domains": [{"name": "example.test"}]}`, Options{})
	before := s.export(t)
	want, err := Parse("users.json", []byte(strings.Replace(everything, `"pal@elsewhere.test"`, `"pal@example.test"`, 1)), passwordFile)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Plan(t.Context(), "users.json", want, Options{})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "users.json:7: accounts.forward.to: account alice@example.test points to pal@example.test, which does not exist") {
		t.Errorf("Plan: %v", err)
	}
	if after := s.export(t); after != before {
		t.Errorf("it was changed to:\n%s", after)
	}
}

// TestNoPasswordIsShown looks for what people give, and what is kept.
func TestNoPasswordIsShown(t *testing.T) {
	s := newServer(t)
	s.apply(t, everything, Options{})
	text := strings.ReplaceAll(everything, hash, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=")
	want, err := Parse("users.json", []byte(text), func(string) (string, error) { return "other-secret", nil })
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.Plan(t.Context(), "users.json", want, Options{Passwords: true})
	if err != nil || len(plan.Changes) != 2 {
		t.Fatalf("Plan = %+v, %v", plan, err)
	}
	shown, err := json.Marshal(plan.Changes)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"{", "secret", "5en6", "SSHA", "ARGON", "argon"} {
		if all := fmt.Sprint(plan.Changes[0].Settings, plan.Changes[1].Settings); strings.Contains(all, secret) || secret != "{" && strings.Contains(string(shown), secret) {
			t.Errorf("%q is shown: %s %s", secret, shown, all)
		}
	}
}

// TestAnyDocument brings servers from one document to another: they are then what the
// document says, and there is nothing left to do.
func TestAnyDocument(t *testing.T) {
	s, fresh := newServer(t), newServer(t) // their domains stay, as keys for them take long to make
	const nobody = `{"domains": [{"name": "a.test"}, {"name": "b.test"}, {"name": "c.test", "alias_of": "a.test"}]}`
	rapid.Check(t, func(rt *rapid.T) {
		text := anyDocument(rt)
		s.apply(rt, text, Options{})
		if again := s.apply(rt, text, Options{}); len(again) > 0 {
			rt.Fatalf("%s\nagain: %q", text, again)
		}
		text = anyDocument(rt)
		s.apply(rt, text, Options{Delete: true})
		fresh.apply(rt, nobody, Options{Delete: true})
		fresh.apply(rt, text, Options{})
		if got, want := s.export(rt), fresh.export(rt); got != want {
			rt.Fatalf("%s\nmade:\n%s\nwant:\n%s", text, got, want)
		}
	})
}

// anyDocument names people of two domains who point to each other at random.
func anyDocument(t *rapid.T) string {
	d := Document{Domains: []Domain{{Name: "a.test"}, {Name: "b.test"}, {Name: "c.test", AliasOf: "a.test"}}}
	var names []string
	pick := func(what string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(append(names, "x@elsewhere.test")), 1, 3, rapid.ID).Draw(t, what)
	}
	for _, name := range []string{"1@a.test", "2@a.test", "3@b.test"} {
		if rapid.Bool().Draw(t, name) {
			names = append(names, name)
			d.Accounts = append(d.Accounts, Account{Address: name, Password: hash})
		}
	}
	accounts := slices.Clone(names)
	for _, name := range []string{"x@a.test", "y@a.test", "z@b.test"} {
		if rapid.Bool().Draw(t, name) {
			d.Aliases = append(d.Aliases, Alias{Address: name, Targets: pick("targets of " + name)})
			names = append(names, name)
		}
	}
	for i := range d.Accounts {
		a := &d.Accounts[i]
		if to := slices.DeleteFunc(pick("forward"), func(to string) bool { return to == a.Address }); rapid.Bool().Draw(t, "forwards") {
			a.Forward = &Forward{To: to, Keep: len(to) > 0 && rapid.Bool().Draw(t, "keep")}
		}
		if rapid.Bool().Draw(t, "set") {
			a.Quota = &Quota{Bytes: rapid.Int64Range(0, 2).Draw(t, "bytes")}
			a.Language = rapid.SampledFrom([]*string{nil, new("en"), new("")}).Draw(t, "language")
			a.State = rapid.SampledFrom([]*string{nil, new("active"), new("disabled")}).Draw(t, "state")
		}
	}
	if rapid.Bool().Draw(t, "caught") {
		d.Domains[1].CatchAll = &pick("catch-all")[0]
	}
	if len(accounts) > 0 && rapid.Bool().Draw(t, "administered") {
		d.Domains[0].Admins = &accounts
	}
	slices.Reverse(d.Aliases)
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// FuzzParse wants no panic of any text, and of what is taken, that it is taken again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte("{\"domains\": [{\"name\": \"a.test\"}], \"accounts\": 7}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse("f", text, passwordFile)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%v is of the kind %v", err, fault.KindOf(err))
			}
			return
		}
		plan := Diff(Document{}, d, Options{})
		_ = plan.check("f", nil, func(string) bool { return false })
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(again), `"password":"secret"`) {
			return // from a password file, which a document does not have in it
		}
		if _, err := Parse("again", again, passwordFile); err != nil {
			t.Errorf("%s\nbecomes\n%s\n%v", text, again, err)
		}
	})
}
