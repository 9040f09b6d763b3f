package directory

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/credential"
	"posthorn/internal/fault"
	"posthorn/internal/kv/memkv"
)

// provenCount is how many proofs are remembered.
func (d *Directory) provenCount() int {
	d.proven.mu.Lock()
	defer d.proven.mu.Unlock()
	return len(d.proven.until)
}

func TestAuthenticate(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "sales@example.test > alice@example.test")
	for user, want := range map[string]fault.Kind{
		"ALICE@example.test":       0,
		"sales@example.test":       fault.Unauthenticated,
		"alice+x@example.test":     fault.Unauthenticated,
		"nobody@example.test":      fault.Unauthenticated,
		"alice@other.test":         fault.Unauthenticated,
		"alice":                    fault.Unauthenticated,
		"":                         fault.Unauthenticated,
		"alice@-bad-.test":         fault.Unauthenticated,
		"a\x00b@example.test":      fault.Unauthenticated,
		strings.Repeat("x", 10000): fault.Unauthenticated,
	} {
		account, err := d.Authenticate(ctx, user, "secret", Use{})
		if want == 0 {
			if err != nil || account.ID != 1 {
				t.Errorf("%s: %+v, %v", user, account, err)
			}
			continue
		}
		wantKind(t, user, err, want)
		if err.Error() != errWrong().Error() {
			t.Errorf("%s: %q tells more than %q", user, err, errWrong())
		}
	}
	for _, wrong := range []string{"", "Secret", "secret ", strings.Repeat("x", credential.MaxPassword+1)} {
		_, err := d.Authenticate(ctx, "alice@example.test", wrong, Use{})
		wantKind(t, fmt.Sprintf("password %.20q", wrong), err, fault.Unauthenticated)
	}
	if n := d.provenCount(); n != 1 {
		t.Errorf("%d proofs are remembered, want 1", n)
	}
}

func TestProvenIsWorthNothingAfterAChange(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	alice := address(t, "alice@example.test")
	login := func(password string) error {
		_, err := d.Authenticate(ctx, "alice@example.test", password, Use{})
		return err
	}
	if err := login("secret"); err != nil {
		t.Fatal(err)
	}
	if err := d.SetState(ctx, alice, StateDisabled, ""); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "disabled, right password", login("secret"), fault.Denied)
	wantKind(t, "disabled, wrong password", login("wrong"), fault.Unauthenticated)
	if err := d.SetState(ctx, alice, StateActive, ""); err != nil {
		t.Fatal(err)
	}
	if err := login("secret"); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	if err := d.SetPassword(ctx, alice, "other"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "the old password", login("secret"), fault.Unauthenticated)
	if err := login("other"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if _, err := d.DeleteAccount(ctx, alice); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "deleted", login("other"), fault.Unauthenticated)
	fill(t, d, "alice@example.test")
	wantKind(t, "the password of the account deleted", login("other"), fault.Unauthenticated)
}

// TestChangeSeenFromElsewhere changes a password behind the directory's back, as
// another node does.
func TestChangeSeenFromElsewhere(t *testing.T) {
	engine := memkv.New(memkv.Options{})
	here, there := openOn(t, engine, Options{Hash: cheap()}), openOn(t, engine, Options{Hash: cheap()})
	fill(t, here, "@example.test", "alice@example.test")
	if _, err := here.Authenticate(t.Context(), "alice@example.test", "secret", Use{}); err != nil {
		t.Fatal(err)
	}
	if err := there.SetPassword(t.Context(), address(t, "alice@example.test"), "other"); err != nil {
		t.Fatal(err)
	}
	_, err := here.Authenticate(t.Context(), "alice@example.test", "secret", Use{})
	wantKind(t, "the old password", err, fault.Unauthenticated)
}

func TestOldSchemesAreRenewed(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test")
	alice := address(t, "alice@example.test")
	if _, err := d.AddAccount(ctx, alice, "{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ=="); err != nil {
		t.Fatal(err)
	}
	scheme := func() string {
		a, err := d.Account(ctx, alice)
		if err != nil {
			t.Fatal(err)
		}
		return a.Scheme()
	}
	_, err := d.Authenticate(ctx, "alice@example.test", "wrong", Use{})
	wantKind(t, "wrong password", err, fault.Unauthenticated)
	if scheme() != "SSHA" {
		t.Errorf("a wrong password changed the credential to %s", scheme())
	}
	for range 2 {
		if _, err := d.Authenticate(ctx, "alice@example.test", "secret", Use{}); err != nil {
			t.Fatal(err)
		}
	}
	if scheme() != "ARGON2ID" || d.provenCount() != 1 {
		t.Errorf("after a login the scheme is %s, %d proofs are remembered", scheme(), d.provenCount())
	}
}

func TestTenConnectionsAtOnce(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test")
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			user, password, want := "alice@example.test", "secret", fault.Kind(0)
			if i%4 == 1 {
				user = "bob@example.test"
			}
			if i%4 == 2 {
				password, want = "wrong", fault.Unauthenticated
			}
			account, err := d.Authenticate(ctx, user, password, Use{})
			switch {
			case want != 0:
				wantKind(t, "wrong password", err, want)
			case err != nil || account.Address.String() != user:
				t.Errorf("%s: %+v, %v", user, account, err)
			}
		})
	}
	group.Wait()
	if n := d.provenCount(); n != 2 {
		t.Errorf("%d proofs are remembered, want 2", n)
	}
}

func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openOn(t, memkv.New(memkv.Options{}), Options{Hash: cheap(), MaxHashes: 2, MaxWait: 10 * time.Second})
		fill(t, d, "@example.test", "alice@example.test")
		for range cap(d.slots) {
			d.slots <- struct{}{} // two long hashes are under way
		}
		start := time.Now()
		_, err := d.Authenticate(t.Context(), "alice@example.test", "secret", Use{})
		wantKind(t, "no slot", err, fault.Unavailable)
		if waited := time.Since(start); waited != 10*time.Second {
			t.Errorf("waited %v", waited)
		}
		time.AfterFunc(5*time.Second, func() { <-d.slots })
		if _, err := d.Authenticate(t.Context(), "alice@example.test", "secret", Use{}); err != nil {
			t.Errorf("a slot came free: %v", err)
		}
		d.slots <- struct{}{}
		if _, err := d.Authenticate(t.Context(), "alice@example.test", "secret", Use{}); err != nil {
			t.Errorf("proven, so no slot is needed: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = d.SetPassword(ctx, address(t, "alice@example.test"), "other")
		wantKind(t, "gave up waiting", err, fault.Canceled)
	})
}

func TestProofsExpire(t *testing.T) {
	now := time.Unix(0, 0)
	s := newProvenSet(func() time.Time { return now })
	p := s.digest(1, "{X}", "secret")
	s.add(p, provenTime)
	for range 3 {
		now = now.Add(provenTime)
		if !s.extend(p) {
			t.Fatal("a proof in use expired")
		}
	}
	now = now.Add(provenTime + 1)
	if s.extend(p) {
		t.Error("a proof not used for long is remembered")
	}
	if p == s.digest(1, "{X}s", "ecret") || p == s.digest(2, "{X}", "secret") || p == newProvenSet(time.Now).digest(1, "{X}", "secret") {
		t.Error("different things have the same digest")
	}
}

func TestProofsAreBounded(t *testing.T) {
	s := newProvenSet(time.Now)
	for i := range provenSize + 10 {
		s.add(proof{byte(i), byte(i >> 8), byte(i >> 16)}, provenTime)
	}
	if len(s.until) > provenSize {
		t.Errorf("%d proofs", len(s.until))
	}
}

// filled has the account alice@example.test with the password secret.
func filled(b *testing.B, d *Directory) addr.Address {
	b.Helper()
	alice := addr.Address{Local: "alice", Domain: "example.test"}
	if _, err := d.AddDomain(b.Context(), "example.test"); err != nil {
		b.Fatal(err)
	}
	if _, err := d.AddAccount(b.Context(), alice, "secret"); err != nil {
		b.Fatal(err)
	}
	return alice
}

func BenchmarkAuthenticateProven(b *testing.B) {
	d := New(memkv.New(memkv.Options{}), Options{Hash: cheap()})
	defer d.Close()
	filled(b, d)
	for b.Loop() {
		if _, err := d.Authenticate(b.Context(), "alice@example.test", "secret", Use{}); err != nil {
			b.Fatal(err)
		}
	}
}
