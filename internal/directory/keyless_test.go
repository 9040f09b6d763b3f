package directory

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

const ssha = "{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==" // of "secret"

// wantScram checks whether SCRAM is for all, and that the store is in order.
func wantScram(t *testing.T, d *Directory, when string, want bool) {
	t.Helper()
	for range 2 { // from the store, and from memory
		if got, err := d.ScramForAll(t.Context()); err != nil || got != want {
			t.Errorf("%s: SCRAM for all: %v, %v", when, got, err)
		}
	}
	if err := d.Verify(t.Context(), func(problem string) { t.Errorf("%s: %s", when, problem) }); err != nil {
		t.Error(err)
	}
}

// TestScramReach: whoever is in the way is named, with the passwords that are.
func TestScramReach(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	bob := address(t, "bob@example.test")
	reach := func(when string, want ScramReach) {
		t.Helper()
		if got, err := d.ScramReach(ctx); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", when, got, err, want)
		}
	}
	reach("a password in plain", ScramReach{Offered: true})
	_, err := d.Import(ctx, []NewAccount{{Address: bob, Password: ssha}})
	if err != nil {
		t.Fatal(err)
	}
	reach("an imported hash", ScramReach{Accounts: []Keyless{{Address: bob, Password: true}}})
	if err := d.SetState(ctx, bob, StateNoLogin, ""); err != nil {
		t.Fatal(err)
	}
	reach("of one who may not log in", ScramReach{Offered: true})
	d.SetSources([]*Other{{Name: "corp"}})
	reach("another directory", ScramReach{Directories: true})
}

func TestScramForAll(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	bob := address(t, "bob@example.test")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	login := func() {
		t.Helper()
		_, err := d.Authenticate(ctx, "bob@example.test", "secret", Use{Protocol: "imap"})
		must(err)
	}
	wantScram(t, d, "a password in plain", true)
	_, err := d.Import(ctx, []NewAccount{{Address: bob, Password: ssha}})
	must(err)
	wantScram(t, d, "an imported hash", false)
	login()
	wantScram(t, d, "its first login", true)
	must(d.SetPassword(ctx, bob, cheap().Hash([]byte("secret"))))
	wantScram(t, d, "another hash, of our own scheme", false)
	for state, want := range map[State]bool{StateNoLogin: true, StateSuspended: true, StateDisabled: true, StateReceiveOnly: false, StateActive: false} {
		must(d.SetState(ctx, bob, state, ""))
		wantScram(t, d, state.String(), want)
	}
	must(d.SetState(ctx, bob, StateActive, ""))
	_, err = d.DeleteAccount(ctx, bob)
	must(err)
	wantScram(t, d, "deleted", true)
	_, err = d.UndeleteAccount(ctx, bob, bob)
	must(err)
	wantScram(t, d, "brought back", false)
	_, err = d.RenameAccount(ctx, bob, address(t, "rob@example.test"), false)
	must(err)
	wantScram(t, d, "renamed", false)
	must(d.SetPassword(ctx, address(t, "rob@example.test"), "secret"))
	wantScram(t, d, "a new password in plain", true)
	_, err = d.Adopt(ctx, bob, FromProvider)
	must(err)
	wantScram(t, d, "one who has no password", true)
	d.SetSources([]*Other{{Name: "corp"}})
	wantScram(t, d, "another directory", false)
}

// TestScramForAllOfLostKeys: what was sealed with a key that is gone is worth nothing, until each has logged in.
func TestScramForAllOfLostKeys(t *testing.T) {
	engine, ctx, dir := memkv.New(memkv.Options{}), t.Context(), t.TempDir()
	d := openOn(t, engine, Options{Hash: cheap(), KeyFile: filepath.Join(dir, "a")})
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test")
	wantScram(t, d, "before", true)
	d = openOn(t, engine, Options{Hash: cheap(), KeyFile: filepath.Join(dir, "b")})
	wantScram(t, d, "lost", false)
	if err := d.ForgetSecrets(ctx); err != nil {
		t.Fatal(err)
	}
	wantScram(t, d, "forgotten", false)
	for _, user := range []string{"alice@example.test", "bob@example.test"} {
		wantScram(t, d, "before the login of "+user, false)
		if _, err := d.Authenticate(ctx, user, "secret", Use{}); err != nil {
			t.Fatal(err)
		}
	}
	wantScram(t, d, "everybody has logged in", true)
}

// TestScramForAllOfOldStores: accounts from before there were marks are looked at a batch at a time.
func TestScramForAllOfOldStores(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	last := AccountID(2*keylessBatch + 7)
	if err := d.update(ctx, func(w kv.Writer) error {
		for id := AccountID(2); id <= last; id++ {
			rec := accountRecord{Address: fmt.Sprintf("u%d@example.test", id), Credential: ssha, State: StateNoLogin}
			if id == last {
				rec.State = StateActive
			}
			if err := put(w, accountKey(id), rec); err != nil {
				return err
			}
			if err := put(w, nameKey(address(t, rec.Address)), nameRecord{Account: id}); err != nil {
				return err
			}
		}
		return put(w, []byte{sequenceKey}, sequenceRecord{last})
	}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		wantScram(t, d, fmt.Sprint("batch ", i), false)
	}
	if marked, whole, err := d.marked(ctx); !marked || !whole || err != nil {
		t.Errorf("marks: %v, %v, %v", marked, whole, err)
	}
	if _, err := d.Authenticate(ctx, fmt.Sprintf("u%d@example.test", last), "secret", Use{}); err != nil {
		t.Fatal(err)
	}
	wantScram(t, d, "its first login", true)
}

// TestScramForAllOfApps: an account with one-time codes needs keys of its app passwords alone.
func TestScramForAllOfApps(t *testing.T) {
	sealed, pepper := &sealedRecord{Key: "k"}, &pepperRecord{Key: "k", Replaced: true}
	guarded := &totpRecord{}
	guarded.Confirmed = guarded.Confirmed.AddDate(2000, 0, 0)
	own := &sealedRecord{Key: "k", For: fingerprint(ssha)}
	one := secretsRecord{TOTP: guarded, Apps: []appRecord{{Name: "desk", Keys: sealed}, {Name: "phone"}}}
	if k := (&accountRecord{Credential: ssha}).lacks(&one, pepper); k.Password || !slices.Equal(k.Apps, []string{"phone"}) {
		t.Errorf("in the way: %+v", k)
	}
	for i, tc := range []struct {
		rec     accountRecord
		secrets secretsRecord
		want    bool
	}{
		{accountRecord{Credential: ssha}, secretsRecord{}, true},
		{accountRecord{Credential: ssha}, secretsRecord{Password: own}, false},
		{accountRecord{Credential: ssha + "x"}, secretsRecord{Password: own}, true},
		{accountRecord{Credential: ssha}, secretsRecord{Password: &sealedRecord{For: own.For}}, true}, // with the first key
		{accountRecord{Credential: ssha}, secretsRecord{TOTP: guarded}, false},
		{accountRecord{Credential: ssha}, secretsRecord{TOTP: guarded, Apps: []appRecord{{Keys: sealed}}}, false},
		{accountRecord{Credential: ssha}, secretsRecord{TOTP: guarded, Apps: []appRecord{{Keys: sealed}, {}}}, true},
		{accountRecord{Credential: ssha, Disabled: true}, secretsRecord{Apps: []appRecord{{}}}, false},
		{accountRecord{Credential: ssha, Source: FromProvider}, secretsRecord{}, false},
	} {
		if got := tc.rec.keyless(&tc.secrets, pepper); got != tc.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}

func TestVerifyFindsWrongMarks(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	if _, err := d.AddAccount(ctx, address(t, "bob@example.test"), ssha); err != nil {
		t.Fatal(err)
	}
	wantScram(t, d, "before", false)
	if err := d.markMore(ctx); err != nil {
		t.Fatal(err)
	}
	if err := d.update(ctx, func(w kv.Writer) error {
		for _, id := range []AccountID{1, 3} {
			if err := put(w, keylessKey(id), struct{}{}); err != nil {
				return err
			}
		}
		return w.Delete(keylessKey(2))
	}); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	if err := d.Verify(ctx, func(problem string) { found[problem] = true }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"account 1 (alice@example.test) has the mark of one without SCRAM keys, and has them or needs none",
		"account 2 (bob@example.test) has no SCRAM keys, and no mark of that",
		"account 3 has the mark of one without SCRAM keys, and has no record",
	} {
		if !found[want] || len(found) != 3 {
			t.Errorf("verify does not say %q, but %v", want, found)
		}
	}
}
