package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// line is a revocation as the tests below write it.
func (r Revocation) line() string {
	parts := []string{r.User + r.Session}
	for _, p := range []string{r.Protocol, string(r.Credential), strings.Join(r.Mechanisms, "+")} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if r.Own {
		parts = append(parts, "own")
	}
	return strings.Join(parts, " ") + ": " + r.Why
}

// What takes the right to be logged in away says so, in the Update that does it; nothing
// else does.
func TestWhatEndsSessions(t *testing.T) {
	const alice = "alice@example.test"
	var app AppPassword
	var made TOTP
	steps := []struct {
		name string
		do   func(ctx context.Context, d *Directory, a addr.Address) error
		want string // "APP" stands for the app password
	}{
		{"signing out", func(ctx context.Context, d *Directory, a addr.Address) error { return d.SignOut(ctx, a) }, alice + ": the account was signed out"},
		{"one session", func(ctx context.Context, d *Directory, _ addr.Address) error { return d.EndSession(ctx, "abcdefgh") }, "abcdefgh: the session was ended by an operator"},
		{"another password", func(ctx context.Context, d *Directory, a addr.Address) error { return d.SetPassword(ctx, a, "other") }, alice + " own: the password was changed"},
		{"a new app password", func(ctx context.Context, d *Directory, a addr.Address) (err error) {
			app, _, err = d.AddApp(ctx, a, NewApp{Name: "phone"})
			return err
		}, ""},
		{"an app password less", func(ctx context.Context, d *Directory, a addr.Address) error { return d.RemoveApp(ctx, a, "phone") }, alice + " APP: the app password was removed"},
		{"mechanisms", func(ctx context.Context, d *Directory, a addr.Address) error {
			return d.SetOff(ctx, a, []string{"plain", "login"})
		}, alice + " LOGIN+PLAIN: the way in which it was begun was switched off"},
		{"one more", func(ctx context.Context, d *Directory, a addr.Address) error {
			return d.SetOff(ctx, a, []string{"plain", "login", "cram-md5"})
		}, alice + " CRAM-MD5: the way in which it was begun was switched off"},
		{"fewer", func(ctx context.Context, d *Directory, a addr.Address) error { return d.SetOff(ctx, a, nil) }, ""},
		{"receive-only", setState(StateReceiveOnly), alice + " smtp: the account is receive-only"},
		{"no login", setState(StateNoLogin), strings.Join([]string{alice + " imap: the account is no-login", alice + " pop3: the account is no-login", alice + " sieve: the account is no-login"}, "\n")},
		{"suspended, from no login", setState(StateSuspended), ""},
		{"active", setState(StateActive), ""},
		{"disabled", setState(StateDisabled), alice + ": the account is disabled"},
		{"active again", setState(StateActive), ""},
		{"a language", func(ctx context.Context, d *Directory, a addr.Address) error { return d.SetLanguage(ctx, a, "de") }, ""},
		{"codes, not confirmed", func(ctx context.Context, d *Directory, a addr.Address) (err error) {
			made, err = d.EnrolTOTP(ctx, a, "mail.example.test")
			return err
		}, ""},
		{"codes", func(ctx context.Context, d *Directory, a addr.Address) error {
			code, err := totp.GenerateCode(made.Secret, d.clock())
			if err != nil {
				return err
			}
			return d.ConfirmTOTP(ctx, a, code)
		}, alice + " own: one-time codes guard the account now"},
		{"no codes", func(ctx context.Context, d *Directory, a addr.Address) error { return d.DisableTOTP(ctx, a) }, ""},
		{"another name", func(ctx context.Context, d *Directory, a addr.Address) error {
			_, err := d.RenameAccount(ctx, a, address(t, "bob@example.test"), false)
			return err
		}, alice + ": the account was renamed to bob@example.test"},
		{"deleted", func(ctx context.Context, d *Directory, _ addr.Address) error {
			_, err := d.DeleteAccount(ctx, address(t, "bob@example.test"))
			return err
		}, "bob@example.test: the account was deleted"},
		{"brought back", func(ctx context.Context, d *Directory, a addr.Address) error {
			_, err := d.UndeleteAccount(ctx, address(t, "bob@example.test"), a)
			return err
		}, ""},
		{"nobody", func(ctx context.Context, d *Directory, _ addr.Address) error {
			if err := d.SignOut(ctx, address(t, "nobody@example.test")); !fault.Is(err, fault.NotFound) {
				return fmt.Errorf("signing nobody out: %v", err)
			}
			return nil
		}, ""},
	}
	d := openOn(t, memkv.New(memkv.Options{Rerun: true}), Options{Hash: cheap()})
	fill(t, d, "@example.test", alice)
	var last uint64
	for _, step := range steps {
		if err := step.do(t.Context(), d, address(t, alice)); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		all, newest, err := d.revocationsAfter(t.Context(), last)
		if err != nil {
			t.Fatal(err)
		}
		last = newest
		var got []string
		for _, r := range all {
			got = append(got, r.line())
		}
		if want := strings.ReplaceAll(step.want, "APP", string(app.ID)); strings.Join(got, "\n") != want {
			t.Errorf("%s: got\n%s\nwant\n%s", step.name, strings.Join(got, "\n"), want)
		}
	}
	mustBeClean(t, d)
}

func setState(s State) func(context.Context, *Directory, addr.Address) error {
	return func(ctx context.Context, d *Directory, a addr.Address) error { return d.SetState(ctx, a, s, "") }
}

// A password that is hashed anew at a login is the same password.
func TestRehashingEndsNoSession(t *testing.T) {
	d := openOn(t, memkv.New(memkv.Options{}), Options{Hash: cheap()})
	fill(t, d, "@example.test")
	ctx := t.Context()
	old := HashParams{Memory: 128, Passes: 1, Threads: 1}
	if _, err := d.AddAccount(ctx, address(t, "alice@example.test"), old.Hash(credential.Prepare("secret"))); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Authenticate(ctx, "alice@example.test", "secret", Use{"imap"}); err != nil {
		t.Fatal(err)
	}
	if a, err := d.Account(ctx, address(t, "alice@example.test")); err != nil || !cheap().Made(a.credential) {
		t.Fatalf("not hashed anew: %s, %v", a.credential, err)
	}
	if last, err := d.LastRevocation(ctx); err != nil || last != 0 {
		t.Errorf("%d sign-outs, %v", last, err)
	}
}

// Who follows on another node hears of everything that was written since, in order and
// once; of what came before, nothing. A damaged record costs only itself.
func TestFollowing(t *testing.T) {
	engine := memkv.New(memkv.Options{})
	here, there := openOn(t, engine, Options{Hash: cheap()}), openOn(t, engine, Options{Hash: cheap()})
	fill(t, here, "@example.test", "alice@example.test", "bob@example.test")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	end := func(name string) {
		t.Helper()
		if err := here.EndSession(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	end("before")
	after, err := there.LastRevocation(ctx)
	if err != nil {
		t.Fatal(err)
	}
	end("first")
	heard, done := make(chan string, 10), make(chan struct{})
	go func() {
		defer close(done)
		there.Follow(ctx, after, func(r Revocation) { heard <- fmt.Sprint(r.Number, " ", r.Session+r.User) })
	}()
	want := func(text string) {
		t.Helper()
		select {
		case got := <-heard:
			if got != text {
				t.Errorf("heard %q, want %q", got, text)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("never heard %q", text)
		}
	}
	want("2 first")
	end("second")
	want("3 second")
	err = engine.Update(ctx, []kv.Shard{shard}, func(tx kv.Tx) error {
		return tx.In(shard).Put(revocationKey(4), []byte("\x01nonsense"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := here.SignOut(ctx, address(t, "bob@example.test")); err != nil {
		t.Fatal(err)
	}
	want("5 bob@example.test")
	cancel()
	<-done
	if len(heard) > 0 {
		t.Errorf("also heard %q", <-heard)
	}
}

// Records of yesterday go when there are newer ones, and numbers never come again.
func TestOldRevocationsGo(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := openOn(t, memkv.New(memkv.Options{}), Options{Hash: cheap(), Clock: func() time.Time { return now }})
	ctx := t.Context()
	end := func() {
		t.Helper()
		if err := d.EndSession(ctx, "some"); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		end()
	}
	now = now.Add(23 * time.Hour)
	end()
	now = now.Add(2 * time.Hour)
	end()
	var left []uint64
	all, _, err := d.revocationsAfter(ctx, 0)
	for _, r := range all {
		left = append(left, r.Number)
	}
	if err != nil || !slices.Equal(left, []uint64{4, 5}) {
		t.Errorf("left are %v, %v", left, err)
	}
	now = now.Add(30 * 24 * time.Hour)
	end()
	if last, err := d.LastRevocation(ctx); err != nil || last != 6 {
		t.Errorf("the last is %d, %v", last, err)
	}
}

// Whoever is let in by an app password is known to be, and until when that is good, by
// whatever mechanism.
func TestWhatItWasProvenBy(t *testing.T) {
	d := openOn(t, memkv.New(memkv.Options{}), Options{Hash: cheap()})
	fill(t, d, "@example.test", "alice@example.test")
	ctx, until := t.Context(), time.Now().Add(time.Hour).UTC()
	app, text, err := d.AddApp(ctx, address(t, "alice@example.test"), NewApp{Name: "phone", Shared: true, Expires: until})
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]Proven{"secret": {}, text: {By: app.ID, Until: until}} {
		got, err := d.Authenticate(ctx, "alice@example.test", password, Use{"imap"})
		if err != nil || got.By != want.By || !got.Until.Equal(want.Until) {
			t.Errorf("by %q until %v, %v", got.By, got.Until, err)
		}
	}
	keys, err := d.ScramKeys(ctx, "alice@example.test", ScramSHA256, Use{"imap"})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys.Keys {
		if k.Until.IsZero() != (k.ID == "") || k.ID != "" && !k.Until.Equal(until) {
			t.Errorf("key of %q is good until %v", k.ID, k.Until)
		}
	}
	secrets, err := d.SharedSecrets(ctx, "alice@example.test", Use{"imap"})
	if err != nil || len(secrets) != 1 || secrets[0].ID != app.ID || !secrets[0].Until.Equal(until) {
		t.Errorf("secrets %+v, %v", secrets, err)
	}
}
