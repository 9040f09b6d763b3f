package directory

import (
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

func TestDeletedAccounts(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	engine := memkv.New(memkv.Options{Rerun: true})
	d := openOn(t, engine, Options{Hash: cheap(), Clock: func() time.Time { return now }})
	ctx := t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test", "bob@example.test +>> alice@example.test")
	alice, bob := address(t, "alice@example.test"), address(t, "bob@example.test")
	sound := func() {
		t.Helper()
		if err := d.Verify(ctx, func(problem string) { t.Error(problem) }); err != nil {
			t.Error(err)
		}
	}
	remove := func(a addr.Address) {
		t.Helper()
		if _, err := d.DeleteAccount(ctx, a); err != nil {
			t.Fatal(err)
		}
		sound()
	}
	_, err := d.DeleteAccount(ctx, alice)
	wantKind(t, "bob forwards to her", err, fault.InUse)
	if _, _, err := d.AddApp(ctx, bob, NewApp{Name: "phone"}); err != nil {
		t.Fatal(err)
	}
	remove(bob)
	_, err = d.Authenticate(ctx, "bob@example.test", "secret", Use{"imap"})
	wantKind(t, "deleted", err, fault.Unauthenticated)
	if to, err := d.Resolve(ctx, bob); err != nil || to.Outcome != NoSuchUser {
		t.Errorf("mail for who is deleted: %v, %v", to.Outcome, err)
	}
	err = d.Accounts(ctx, func(a Account) bool {
		if a.Address == bob {
			t.Error("who is deleted is listed")
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	remove(alice) // nobody forwards to her any more

	now = now.Add(29 * 24 * time.Hour)
	if due, err := d.Expire(ctx); err != nil || len(due) != 0 {
		t.Errorf("after 29 days: %+v, %v", due, err)
	}
	back, err := d.UndeleteAccount(ctx, bob, addr.Address{})
	if err != nil || back.ID != 2 || len(back.Forward) != 0 {
		t.Errorf("back: %+v, %v", back, err) // alice, to whom he forwarded, is gone
	}
	if _, err := d.Authenticate(ctx, "bob@example.test", "secret", Use{"imap"}); err != nil {
		t.Errorf("back: %v", err)
	}
	if apps, err := d.Apps(ctx, bob); err != nil || len(apps) != 1 {
		t.Errorf("back: app passwords %+v, %v", apps, err)
	}
	sound()
	_, err = d.UndeleteAccount(ctx, bob, addr.Address{})
	wantKind(t, "twice", err, fault.NotFound)

	fill(t, d, "alice@example.test")
	_, err = d.UndeleteAccount(ctx, alice, addr.Address{})
	wantKind(t, "somebody else has it", err, fault.Exists)
	if back, err = d.UndeleteAccount(ctx, alice, address(t, "alice2@example.test")); err != nil || back.ID != 1 {
		t.Errorf("under another address: %+v, %v", back, err)
	}
	remove(address(t, "alice2@example.test"))

	now = now.Add(KeepDeleted)
	for range 2 { // as if it had broken off
		if due, err := d.Expire(ctx); err != nil || len(due) != 1 || due[0].ID != 1 {
			t.Fatalf("due: %+v, %v", due, err)
		}
	}
	_, err = d.UndeleteAccount(ctx, address(t, "alice2@example.test"), addr.Address{})
	wantKind(t, "half gone", err, fault.NotFound)
	wantKind(t, "not due", d.Remove(ctx, 2), fault.InUse)
	if err := d.Remove(ctx, 1); err != nil {
		t.Fatal(err)
	}
	err = d.view(ctx, func(r kv.Reader) error {
		for _, key := range [][]byte{accountKey(1), secretsKey(1)} {
			if _, ok, err := r.Get(key); err != nil || ok {
				t.Errorf("record %q is still there, %v", key, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	sound()
}

func TestRename(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test", "sales@example.test > alice@example.test")
	alice, to := address(t, "alice@example.test"), address(t, "alice.b@example.test")
	_, err := d.RenameAccount(ctx, alice, address(t, "bob@example.test"), true)
	wantKind(t, "taken", err, fault.Exists)
	_, err = d.RenameAccount(ctx, alice, to, false)
	wantKind(t, "an alias points to it", err, fault.InUse)
	salt := scramOf(t, d, "alice@example.test", ScramSHA256).Salt
	a, err := d.RenameAccount(ctx, alice, to, true)
	if err != nil || a.ID != 1 || a.Address != to {
		t.Fatal(a, err)
	}
	if _, err := d.Authenticate(ctx, "alice.b@example.test", "secret", Use{"imap"}); err != nil {
		t.Error(err)
	}
	s := scramOf(t, d, "alice.b@example.test", ScramSHA256)
	if proves(t, s, ScramSHA256, "secret") == nil || string(s.Salt) != string(salt) {
		t.Error("after it was renamed SCRAM does not work")
	}
	for _, old := range []string{"alice@example.test", "sales@example.test"} {
		if to, err := d.Resolve(ctx, address(t, old)); err != nil || len(to.Recipients) != 1 || to.Recipients[0].ID != 1 {
			t.Errorf("mail for %s: %+v, %v", old, to, err)
		}
	}
	if _, err := d.RenameAccount(ctx, address(t, "bob@example.test"), address(t, "bobby@example.test"), false); err != nil {
		t.Fatal(err)
	}
	if to, err := d.Resolve(ctx, address(t, "bob@example.test")); err != nil || to.Outcome != NoSuchUser {
		t.Errorf("mail for the old address: %v, %v", to.Outcome, err)
	}
	if err := d.Verify(ctx, func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
}
