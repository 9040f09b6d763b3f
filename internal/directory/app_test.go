package directory

import (
	"errors"
	"strings"
	"testing"
	"time"

	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
)

func TestAppPasswords(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := openOn(t, memkv.New(memkv.Options{Rerun: true}), Options{Hash: cheap(), Clock: func() time.Time { return now }})
	ctx := t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test")
	alice := address(t, "alice@example.test")
	_, phone, err := d.AddApp(ctx, alice, NewApp{Name: "phone", Scope: []string{"imap", "smtp"}, Expires: now.Add(24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	_, desk, err := d.AddApp(ctx, alice, NewApp{Name: "desk", Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct {
		user, password, protocol string
		want                     fault.Kind
		says                     string
	}{
		{"alice@example.test", phone, "imap", 0, ""},
		{"alice@example.test", strings.ToUpper(strings.ReplaceAll(phone, "-", "")), "smtp", 0, ""},
		{"alice@example.test", " " + strings.ReplaceAll(phone, "-", " "), "imap", 0, ""},
		{"alice@example.test", phone, "pop3", fault.Denied, `the app password "phone" is for imap, smtp only`},
		{"alice@example.test", desk, "pop3", 0, ""},
		{"alice@example.test", desk, "web", fault.Denied, "app passwords are for mail programs"},
		{"alice@example.test", phone[:len(phone)-1] + "u", "imap", fault.Unauthenticated, ""},
		{"bob@example.test", phone, "imap", fault.Unauthenticated, ""},
		{"nobody@example.test", phone, "imap", fault.Unauthenticated, ""},
		{"alice@example.test", "secret", "imap", 0, ""},
	} {
		account, err := d.Authenticate(ctx, try.user, try.password, Use{try.protocol})
		if try.want == 0 {
			if err != nil || account.Address != alice {
				t.Errorf("%s for %s: %v", try.user, try.protocol, err)
			}
			continue
		}
		wantKind(t, try.user+" "+try.protocol, err, try.want)
		var refusal *Refusal
		if errors.As(err, &refusal) != (try.says != "") || refusal != nil && !strings.Contains(refusal.Text, try.says) {
			t.Errorf("%s for %s: %v", try.user, try.protocol, err)
		}
	}

	for _, form := range []string{phone, strings.ReplaceAll(phone, "-", "")} {
		found := proves(t, scramOf(t, d, "alice@example.test", ScramSHA256), ScramSHA256, form)
		if len(found) != 1 || found[0].ID == "" || found[0].Refused != nil {
			t.Errorf("an app password proves %+v", found)
		}
	}
	secrets, err := d.SharedSecrets(ctx, "alice@example.test", Use{"pop3"})
	if err != nil || len(secrets) != 1 || secrets[0].Text != desk || secrets[0].Account.ID != 1 {
		t.Errorf("shared: %+v, %v", secrets, err)
	}

	now = now.Add(24 * time.Hour)
	_, err = d.Authenticate(ctx, "alice@example.test", phone, Use{"imap"})
	wantKind(t, "expired", err, fault.Denied)
	if err := d.RemoveApp(ctx, alice, "phone"); err != nil {
		t.Fatal(err)
	}
	_, err = d.Authenticate(ctx, "alice@example.test", phone, Use{"imap"})
	wantKind(t, "removed", err, fault.Unauthenticated)
	wantKind(t, "again", d.RemoveApp(ctx, alice, "phone"), fault.NotFound)
	if err := d.SetPassword(ctx, alice, "other"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Authenticate(ctx, "alice@example.test", desk, Use{"imap"}); err != nil {
		t.Errorf("after a change of the password: %v", err)
	}
	if err := d.Verify(ctx, func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
}

func TestAppPasswordsRefused(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	alice := address(t, "alice@example.test")
	for _, n := range []NewApp{
		{},
		{Name: " x"},
		{Name: "a\nb"},
		{Name: "\xff"},
		{Name: strings.Repeat("x", 65)},
		{Name: "x", Scope: []string{"http"}},
		{Name: "x", Expires: time.Now().Add(-time.Second)},
	} {
		_, _, err := d.AddApp(ctx, alice, n)
		wantKind(t, n.Name, err, fault.Invalid)
	}
	if _, _, err := d.AddApp(ctx, alice, NewApp{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	_, _, err := d.AddApp(ctx, alice, NewApp{Name: "x"})
	wantKind(t, "twice", err, fault.Exists)
	_, _, err = d.AddApp(ctx, address(t, "nobody@example.test"), NewApp{Name: "x"})
	wantKind(t, "nobody", err, fault.NotFound)
}

// TestUsed: the use of an app password is written down, once an hour.
func TestUsed(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := openOn(t, memkv.New(memkv.Options{}), Options{Hash: cheap(), Clock: func() time.Time { return now }})
	ctx := t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	alice := address(t, "alice@example.test")
	app, password, err := d.AddApp(ctx, alice, NewApp{Name: "phone"})
	if err != nil || !app.Used.IsZero() {
		t.Fatal(app, err)
	}
	start := now
	for _, step := range []struct{ after, want time.Duration }{{0, 0}, {59 * time.Minute, 0}, {time.Hour, time.Hour}, {150 * time.Minute, 150 * time.Minute}} {
		now = start.Add(step.after)
		if _, err := d.Authenticate(ctx, "alice@example.test", password, Use{"imap"}); err != nil {
			t.Fatal(err)
		}
		apps, err := d.Apps(ctx, alice)
		if err != nil || len(apps) != 1 || !apps[0].Used.Equal(start.Add(step.want)) {
			t.Errorf("after %v: %+v, %v", step.after, apps, err)
		}
	}
}

func BenchmarkAuthenticateApp(b *testing.B) {
	d := New(memkv.New(memkv.Options{}), Options{Hash: cheap()})
	defer d.Close()
	ctx := b.Context()
	alice := filled(b, d)
	_, password, err := d.AddApp(ctx, alice, NewApp{Name: "phone"})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := d.Authenticate(ctx, "alice@example.test", password, Use{"imap"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScramKeys(b *testing.B) {
	d := New(memkv.New(memkv.Options{}), Options{Hash: cheap()})
	defer d.Close()
	ctx := b.Context()
	alice := filled(b, d)
	for _, name := range []string{"phone", "desk"} {
		if _, _, err := d.AddApp(ctx, alice, NewApp{Name: name}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := d.ScramKeys(ctx, "alice@example.test", ScramSHA256, Use{"imap"}); err != nil {
			b.Fatal(err)
		}
	}
}
