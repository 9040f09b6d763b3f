package directory

import (
	"errors"
	"testing"

	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
)

// TestLock: nobody gets in any more, whatever he has, until there is a new password; then
// nobody with the old one, nor with what was made beside it.
func TestLock(t *testing.T) {
	d, ctx := openOn(t, memkv.New(memkv.Options{Rerun: true}), Options{Hash: cheap()}), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test")
	alice := address(t, "alice@example.test")
	_, app, err := d.AddApp(ctx, alice, NewApp{Name: "phone", Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	try := func(password string) error {
		_, err := d.Authenticate(ctx, "alice@example.test", password, Use{"imap"})
		return err
	}
	if err := errors.Join(try("secret"), try(app)); err != nil {
		t.Fatal(err)
	}
	removed, err := d.Lock(ctx, alice)
	if err != nil || len(removed) != 1 || removed[0].Name != "phone" {
		t.Fatalf("%+v, %v", removed, err)
	}
	if removed, err := d.Lock(ctx, alice); err != nil || len(removed) != 0 {
		t.Errorf("again: %+v, %v", removed, err)
	}
	wantKind(t, "the password", try("secret"), fault.Denied)
	wantKind(t, "the app password", try(app), fault.Unauthenticated)
	for _, key := range proves(t, scramOf(t, d, "alice@example.test", ScramSHA256), ScramSHA256, "secret") {
		wantKind(t, "SCRAM", key.Refused, fault.Denied)
	}
	account, err := d.Account(ctx, alice)
	if err != nil || account.Locked.IsZero() {
		t.Errorf("%+v, %v", account, err)
	}
	for _, use := range Scopes() { // with a token or a certificate
		wantKind(t, use, account.Refuse(Use{use}), fault.Denied)
	}
	if r, err := d.Resolve(ctx, alice); err != nil || r.Outcome != Deliver {
		t.Errorf("mail for her: %v, %v", r.Outcome, err)
	}
	if err := d.SetPassword(ctx, alice, "another"); err != nil {
		t.Fatal(err)
	}
	if err := try("another"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	wantKind(t, "the old password", try("secret"), fault.Unauthenticated)
	wantKind(t, "the app password", try(app), fault.Unauthenticated)

	if _, err := d.Lock(ctx, alice); err != nil {
		t.Fatal(err)
	}
	if err := d.SetState(ctx, alice, StateActive, ""); err != nil {
		t.Fatal(err)
	}
	if err := try("another"); err != nil {
		t.Errorf("made active: %v", err)
	}
	if err := d.Verify(ctx, func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
}
