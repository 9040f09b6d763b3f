package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
)

// book is another directory, that writes down what it is asked.
type book struct {
	mu    sync.Mutex
	names map[string]string // password, or hash of it, by address
	hash  bool              // they are hashes
	down  error
	asked []string
}

func (b *book) Lookup(_ context.Context, a addr.Address) (Found, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, "lookup "+a.String())
	if b.down != nil {
		return Found{}, b.down
	}
	password, ok := b.names[a.String()]
	switch {
	case !ok:
		return Found{}, fault.New(fault.NotFound, "book: no %s", a)
	case b.hash:
		return Found{Hash: password}, nil
	}
	return Found{Entry: a.String()}, nil
}

func (b *book) Verify(_ context.Context, found Found, password string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, "bind "+found.Entry)
	switch right, ok := b.names[found.Entry]; {
	case b.down != nil:
		return b.down
	case !ok || right != password:
		return fault.New(fault.Unauthenticated, "book: wrong")
	}
	return nil
}

func (b *book) Close() error { return nil }

// told is what it was asked since the last time.
func (b *book) told() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := strings.Join(b.asked, ", ")
	b.asked = nil
	return s
}

func (b *book) set(address, password string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names[address] = password
	if password == "" {
		delete(b.names, address)
	}
}

func (b *book) fails(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = err
}

// office is a directory with alice of its own, and another one where bob is.
func office(t *testing.T) (d *Directory, other *book, pass func(time.Duration)) {
	t.Helper()
	now := time.Unix(1e9, 0)
	d = openOn(t, memkv.New(memkv.Options{Rerun: true}), Options{Hash: cheap(), Clock: func() time.Time { return now }})
	fill(t, d, "@example.test", "@second.test = example.test", "alice@example.test")
	other = &book{names: map[string]string{"bob@example.test": "builder"}}
	d.SetSources([]*Other{{Name: "corp", Source: other, Binder: other}})
	return d, other, func(by time.Duration) { now = now.Add(by) }
}

func login(t *testing.T, d *Directory, user, password string) string {
	t.Helper()
	a, err := d.Authenticate(t.Context(), user, password, Use{Protocol: "imap"})
	if err != nil {
		return fault.KindOf(err).String()
	}
	return fmt.Sprintf("%s #%d %s", a.Address, a.ID, a.Source)
}

func recipient(t *testing.T, d *Directory, to string) string {
	t.Helper()
	r, err := d.Resolve(t.Context(), address(t, to))
	if err != nil {
		return fault.KindOf(err).String()
	}
	s := r.Outcome.String()
	for _, one := range r.Recipients {
		s += " " + one.Address.String()
		if one.Tag != "" {
			s += "+" + one.Tag
		}
	}
	return s
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestLoginFromElsewhere(t *testing.T) {
	d, other, pass := office(t)
	const bob = "bob@example.test #2 corp"
	wantText(t, "wrong password", login(t, d, "bob@example.test", "wrong"), "not authenticated")
	wantText(t, "asked", other.told(), "lookup bob@example.test, lookup bob@example.test, bind bob@example.test")
	if _, err := d.Account(t.Context(), address(t, "bob@example.test")); !fault.Is(err, fault.NotFound) {
		t.Errorf("a wrong password has made an account: %v", err)
	}
	wantText(t, "first login", login(t, d, "Bob@Second.test", "builder"), bob)
	other.told()
	wantText(t, "proven", login(t, d, "bob@example.test", "builder"), bob)
	wantText(t, "asked", other.told(), "")
	wantText(t, "no password", login(t, d, "bob@example.test", ""), "not authenticated")
	wantText(t, "asked", other.told(), "")
	wantText(t, "our own", login(t, d, "alice@example.test", "secret"), "alice@example.test #1 ")
	wantText(t, "our own, wrong", login(t, d, "alice@example.test", "builder"), "not authenticated")
	wantText(t, "asked about our own", other.told(), "")

	pass(4 * time.Minute)
	login(t, d, "bob@example.test", "builder") // which does not prolong it
	pass(2 * time.Minute)
	other.set("bob@example.test", "new")
	wantText(t, "old password", login(t, d, "bob@example.test", "builder"), "not authenticated")
	wantText(t, "new password", login(t, d, "bob@example.test", "new"), bob)
	pass(6 * time.Minute)
	other.set("bob@example.test", "")
	wantText(t, "gone", login(t, d, "bob@example.test", "new"), "not authenticated")
}

// TestGone: whoever is gone there cannot come in by anything, and gets no mail.
func TestGone(t *testing.T) {
	d, other, pass := office(t)
	ctx, bob := t.Context(), address(t, "bob@example.test")
	wantText(t, "mail", recipient(t, d, "bob+lists@second.test"), "deliver bob@example.test+lists")
	_, app, err := d.AddApp(ctx, bob, NewApp{Name: "phone"})
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "app password", login(t, d, "bob@example.test", app), "bob@example.test #2 corp")
	other.set("bob@example.test", "")
	pass(6 * time.Minute)
	wantText(t, "app password, gone", login(t, d, "bob@example.test", app), "not authenticated")
	wantText(t, "mail, gone", recipient(t, d, "bob@example.test"), "no such user")
	if _, err := d.Find(ctx, bob); !fault.Is(err, fault.NotFound) {
		t.Errorf("Find: %v", err)
	}
	if a, err := d.Account(ctx, bob); err != nil || a.Source != "corp" {
		t.Errorf("the account is %+v, %v", a, err)
	}
	other.set("bob@example.test", "again")
	pass(time.Minute)
	wantText(t, "back", login(t, d, "bob@example.test", "again"), "bob@example.test #2 corp")
	wantText(t, "mail, back", recipient(t, d, "bob@example.test"), "deliver bob@example.test")
}

func TestRecipientsElsewhere(t *testing.T) {
	d, other, pass := office(t)
	fill(t, d, "sales@example.test > alice@example.test")
	for range 3 {
		wantText(t, "unknown", recipient(t, d, "carol@example.test"), "no such user")
	}
	wantText(t, "asked", other.told(), "lookup carol@example.test")
	wantText(t, "not ours", recipient(t, d, "bob@elsewhere.test"), "not local")
	wantText(t, "ours", recipient(t, d, "alice+x@example.test"), "deliver alice@example.test+x")
	wantText(t, "an alias", recipient(t, d, "sales@example.test"), "deliver alice@example.test")
	wantText(t, "asked", other.told(), "")
	other.set("carol@example.test", "new here")
	pass(rememberNobody)
	wantText(t, "new", recipient(t, d, "carol@example.test"), "deliver carol@example.test")

	fill(t, d, "@example.test > alice@example.test", "both@example.test > alice@example.test carol@example.test")
	wantText(t, "before the catch-all", recipient(t, d, "bob@example.test"), "deliver bob@example.test")
	wantText(t, "caught", recipient(t, d, "dave@example.test"), "deliver alice@example.test")
	wantText(t, "alias", recipient(t, d, "both@example.test"), "deliver alice@example.test carol@example.test")
	other.set("erin@example.test", "x")
	fill(t, d, "first@example.test > erin@example.test") // whom nobody has met
	wantText(t, "alias of somebody new", recipient(t, d, "first@example.test"), "deliver erin@example.test")
	other.set("carol@example.test", "")
	pass(time.Hour)
	wantText(t, "alias, one is gone", recipient(t, d, "both@example.test"), "deliver alice@example.test")
}

// TestDown: a directory that is down is not one that knows nobody.
func TestDown(t *testing.T) {
	d, other, pass := office(t)
	for _, down := range []error{errors.New("connection refused"), fault.New(fault.Canceled, "book: too slow"), fault.New(fault.Denied, "book: who are you?")} {
		other.fails(down)
		wantText(t, "login", login(t, d, "bob@example.test", "builder"), "unavailable")
		wantText(t, "login of nobody", login(t, d, "nobody@example.test", "builder"), "unavailable")
		wantText(t, "mail", recipient(t, d, "bob@example.test"), "unavailable")
		wantText(t, "our own", login(t, d, "alice@example.test", "secret"), "alice@example.test #1 ")
		wantText(t, "mail for our own", recipient(t, d, "alice@example.test"), "deliver alice@example.test")
	}
	other.fails(nil)
	wantText(t, "up again", login(t, d, "bob@example.test", "builder"), "bob@example.test #2 corp")
	wantText(t, "mail", recipient(t, d, "bob@example.test"), "deliver bob@example.test")
	other.fails(errors.New("gone fishing"))
	wantText(t, "proven before", login(t, d, "bob@example.test", "builder"), "bob@example.test #2 corp")
	pass(time.Hour)
	wantText(t, "proven long ago", login(t, d, "bob@example.test", "builder"), "unavailable")
	wantText(t, "mail for whom we know", recipient(t, d, "bob@example.test"), "deliver bob@example.test")
	pass(24 * time.Hour)
	wantText(t, "mail, a day later", recipient(t, d, "bob@example.test"), "unavailable")
}

func TestOrder(t *testing.T) {
	d, first, _ := office(t)
	hash := func(password string) string { return cheap().Hash([]byte(password)) }
	second := &book{hash: true, names: map[string]string{
		"bob@example.test": hash("second"), "carol@example.test": hash("second"), "dave@example.test": "", "erin@example.test": "naked",
	}}
	third := &book{hash: true, names: map[string]string{"frank@example.test": hash("third")}}
	d.SetSources([]*Other{
		{Name: "corp", Source: first, Binder: first},
		{Name: "sql", Source: second},
		{Name: "third", Source: third, Domains: []string{"other.test"}},
	})
	if names := d.Sources(); !slices.Equal(names, []string{"corp", "sql", "third"}) {
		t.Errorf("%q", names)
	}
	wantText(t, "in both", login(t, d, "bob@example.test", "second"), "not authenticated")
	wantText(t, "in both", login(t, d, "bob@example.test", "builder"), "bob@example.test #2 corp")
	wantText(t, "in the second", login(t, d, "carol@example.test", "wrong"), "not authenticated")
	wantText(t, "in the second", login(t, d, "carol@example.test", "second"), "carol@example.test #3 sql")
	wantText(t, "without a password", login(t, d, "dave@example.test", "second"), "not authenticated")
	wantText(t, "mail all the same", recipient(t, d, "dave@example.test"), "deliver dave@example.test")
	wantText(t, "a hash that is none", login(t, d, "erin@example.test", "naked"), "unavailable")
	wantText(t, "of a domain that it is not asked about", login(t, d, "frank@example.test", "third"), "not authenticated")
	wantText(t, "asked", third.told(), "")
	first.fails(errors.New("down"))
	wantText(t, "the first is down", login(t, d, "ghost@example.test", "second"), "unavailable")
	d.SetSources(nil)
	wantText(t, "no directories any more", recipient(t, d, "bob@example.test"), "no such user")
}

// TestNobodyCostsTheSame: who is not there stands in for who is, also elsewhere.
func TestNobodyCostsTheSame(t *testing.T) {
	for _, hash := range []bool{false, true} {
		d := open(t)
		fill(t, d, "@example.test") // so that there is only one to stand in for
		other := &book{names: map[string]string{"bob@example.test": "builder"}}
		d.SetSources([]*Other{{Name: "corp", Source: other, Binder: other}})
		if hash {
			other.hash = true
			other.set("bob@example.test", cheap().Hash([]byte("builder")))
			d.SetSources([]*Other{{Name: "corp", Source: other}})
		}
		recipient(t, d, "bob@example.test")
		var work []string
		d.worked = func(what string) { work = append(work, what) }
		cost := func(user string) string {
			work = nil
			other.told()
			if got := login(t, d, user, "wrong"); got != "not authenticated" {
				t.Errorf("%s: %s", user, got)
			}
			lookups := strings.Count(other.told(), "lookup")
			return fmt.Sprint(lookups, work)
		}
		cost("bob@example.test")
		cost("nobody@example.test")
		if bob, nobody := cost("bob@example.test"), cost("nobody@example.test"); bob != nobody || len(work) != 1 {
			t.Errorf("bob costs %s, nobody %s", bob, nobody)
		}
	}
}

func TestPasswordsOfOthersAreTheirs(t *testing.T) {
	d, _, _ := office(t)
	ctx, bob := t.Context(), address(t, "bob@example.test")
	if a, err := d.Find(ctx, bob); err != nil || a.ID != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	wantKind(t, "SetPassword", d.SetPassword(ctx, bob, "mine"), fault.Denied)
	wantKind(t, "ShareSecret", d.ShareSecret(ctx, bob, "builder"), fault.Denied)
	d.SetSources(nil) // the operator has given it up
	if err := d.SetPassword(ctx, bob, "mine"); err != nil {
		t.Fatal(err)
	}
	wantText(t, "our own now", login(t, d, "bob@example.test", "mine"), "bob@example.test #2 ")
	wantText(t, "mail", recipient(t, d, "bob@example.test"), "deliver bob@example.test")
}

func TestFromProvider(t *testing.T) {
	d, other, _ := office(t)
	ctx, carol := t.Context(), address(t, "carol@example.test")
	for range 2 {
		if a, err := d.Adopt(ctx, carol, FromProvider); err != nil || a.ID != 2 {
			t.Errorf("%+v, %v", a, err)
		}
	}
	wantText(t, "mail", recipient(t, d, "carol@example.test"), "deliver carol@example.test")
	wantText(t, "password", login(t, d, "carol@example.test", "x"), "not authenticated")
	wantText(t, "asked", other.told(), "")
	_, err := d.Adopt(ctx, address(t, "x@elsewhere.test"), FromProvider)
	wantKind(t, "a domain that is not ours", err, fault.NotFound)
}
