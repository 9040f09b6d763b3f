package directory

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/internal/credential"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// proves says which of the answered keys a client with this password has.
func proves(t *testing.T, s Scram, hash ScramHash, password string) []ScramKey {
	t.Helper()
	want, err := hash.Key(password, s.Salt, s.Iterations)
	if err != nil {
		t.Fatal(err)
	}
	var found []ScramKey
	for _, key := range s.Keys {
		if bytes.Equal(key.Stored, want.Stored) && bytes.Equal(key.Server, want.Server) {
			found = append(found, key)
		}
	}
	return found
}

func scramOf(t *testing.T, d *Directory, user string, hash ScramHash) Scram {
	t.Helper()
	s, err := d.ScramKeys(t.Context(), user, hash, Use{Protocol: "imap"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Iterations < 4096 || len(s.Salt) != 16 || len(s.Keys) == 0 || len(s.Keys[0].Stored) != hash.New().Size() {
		t.Errorf("%s: %d iterations, a salt of %d bytes, %d keys", user, s.Iterations, len(s.Salt), len(s.Keys))
	}
	return s
}

func TestScramKeys(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	for _, hash := range []ScramHash{ScramSHA1, ScramSHA256} {
		s := scramOf(t, d, "Alice@example.test", hash)
		if found := proves(t, s, hash, "secret"); len(found) != 1 || found[0].ID != "" || found[0].Refused != nil || s.Account.ID != 1 {
			t.Errorf("%v: the password proves %+v of %+v", hash, found, s)
		}
		if found := proves(t, s, hash, "wrong"); found != nil {
			t.Errorf("%v: a wrong password proves %+v", hash, found)
		}
	}
	salt := scramOf(t, d, "alice@example.test", ScramSHA1).Salt
	alice := address(t, "alice@example.test")
	if err := d.SetPassword(ctx, alice, "ｆull width"); err != nil {
		t.Fatal(err)
	}
	s := scramOf(t, d, "alice@example.test", ScramSHA256)
	for _, password := range []string{"ｆull width", "full width"} { // as it is typed, and as SASLprep has it
		if proves(t, s, ScramSHA256, password) == nil {
			t.Errorf("%q does not prove the new password", password)
		}
	}
	if proves(t, s, ScramSHA256, "secret") != nil || !bytes.Equal(salt, s.Salt) {
		t.Error("after a change the old password proves something, or the salt is another one")
	}
	if err := d.SetState(ctx, alice, StateDisabled, ""); err != nil {
		t.Fatal(err)
	}
	found := proves(t, scramOf(t, d, "alice@example.test", ScramSHA256), ScramSHA256, "full width")
	if len(found) != 1 || !fault.Is(found[0].Refused, fault.Denied) {
		t.Errorf("the password of a disabled account proves %+v", found)
	}
}

// TestScramKeysOfImported: there are none before the password was seen once.
func TestScramKeysOfImported(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test")
	alice := address(t, "alice@example.test")
	for _, hash := range []string{"{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==", cheap().Hash([]byte("secret"))} {
		if _, err := d.AddAccount(ctx, alice, hash); err != nil {
			t.Fatal(err)
		}
		before := scramOf(t, d, "alice@example.test", ScramSHA1)
		if proves(t, before, ScramSHA1, "secret") != nil {
			t.Error("there are keys of a password that nobody has seen")
		}
		if _, err := d.Authenticate(ctx, "alice@example.test", "secret", Use{}); err != nil {
			t.Fatal(err)
		}
		after := scramOf(t, d, "alice@example.test", ScramSHA1)
		if proves(t, after, ScramSHA1, "secret") == nil || !bytes.Equal(before.Salt, after.Salt) {
			t.Error("after a login there are no keys, or the salt is another one")
		}
		if _, err := d.DeleteAccount(ctx, alice); err != nil {
			t.Fatal(err)
		}
	}
}

// TestScramOfNobody: what is made up stays the same, on every node and after a
// restart, and cannot be told from the real thing.
func TestScramOfNobody(t *testing.T) {
	engine := memkv.New(memkv.Options{})
	here, there := openOn(t, engine, Options{Hash: cheap()}), openOn(t, engine, Options{Hash: cheap()})
	fill(t, here, "@example.test", "@second.test = example.test", "alice@example.test")
	for user, same := range map[string]string{
		"nobody@example.test": "NOBODY@example.test", "nobody@second.test": "nobody@example.test",
		"alice@second.test": "alice@example.test", "bob": "Bob", "alice@elsewhere.test": "alice@elsewhere.test",
	} {
		a, b := scramOf(t, here, user, ScramSHA256), scramOf(t, there, same, ScramSHA256)
		if !bytes.Equal(a.Salt, b.Salt) || a.Iterations != b.Iterations {
			t.Errorf("%s and %s are answered with different salts", user, same)
		}
	}
	alice, nobody := scramOf(t, here, "alice@example.test", ScramSHA256), scramOf(t, here, "nobody@example.test", ScramSHA256)
	if alice.Iterations != nobody.Iterations || len(alice.Keys) != len(nobody.Keys) || nobody.Account.ID != 0 {
		t.Errorf("alice: %d iterations, %d keys; nobody: %d, %d", alice.Iterations, len(alice.Keys), nobody.Iterations, len(nobody.Keys))
	}
	if bytes.Equal(alice.Salt, nobody.Salt) || proves(t, nobody, ScramSHA256, "secret") != nil {
		t.Error("nobody has alice's salt or keys")
	}
}

func TestSharedSecrets(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test")
	alice := address(t, "alice@example.test")
	texts := func(user string) []string {
		t.Helper()
		all, err := d.SharedSecrets(ctx, user, Use{Protocol: "pop3"})
		if err != nil || len(all) == 0 {
			t.Fatalf("%s: %v, %v", user, all, err)
		}
		var texts []string
		for _, s := range all {
			texts = append(texts, s.Text)
		}
		return texts
	}
	for _, user := range []string{"alice@example.test", "nobody@example.test"} {
		if a, b := texts(user), texts(user); len(a) != 1 || a[0] != b[0] || len(a[0]) < 16 {
			t.Errorf("%s: %q, then %q", user, a, b)
		}
	}
	if err := d.ShareSecret(ctx, alice, "wrong"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a wrong password is shared: %v", err)
	}
	if err := d.ShareSecret(ctx, alice, "secret"); err != nil || texts("alice@example.test")[0] != "secret" {
		t.Errorf("shared: %q, %v", texts("alice@example.test"), err)
	}
	if err := d.SetPassword(ctx, alice, "other"); err != nil || texts("alice@example.test")[0] != "other" {
		t.Errorf("changed: %q, %v", texts("alice@example.test"), err)
	}
	if proves(t, scramOf(t, d, "alice@example.test", ScramSHA1), ScramSHA1, "other") == nil {
		t.Error("an account with a shared secret has no SCRAM keys")
	}
	if err := d.UnshareSecret(ctx, alice); err != nil || texts("alice@example.test")[0] == "other" {
		t.Errorf("not shared any more: %q, %v", texts("alice@example.test"), err)
	}
	if proves(t, scramOf(t, d, "alice@example.test", ScramSHA1), ScramSHA1, "other") == nil {
		t.Error("an account whose secret is not shared any more has no SCRAM keys")
	}
	if texts("bob@example.test")[0] == "secret" {
		t.Error("the secret of an account is shared that has not asked for it")
	}
}

// TestNothingReadableInTheStore: no password, and no key of SCRAM.
func TestNothingReadableInTheStore(t *testing.T) {
	engine := memkv.New(memkv.Options{})
	d := openOn(t, engine, Options{Hash: cheap()})
	fill(t, d, "@example.test")
	alice := address(t, "alice@example.test")
	const password = "not-to-be-found"
	if _, err := d.AddAccount(t.Context(), alice, password); err != nil {
		t.Fatal(err)
	}
	if err := d.ShareSecret(t.Context(), alice, password); err != nil {
		t.Fatal(err)
	}
	_, app, err := d.AddApp(t.Context(), alice, NewApp{Name: "phone", Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	s := scramOf(t, d, "alice@example.test", ScramSHA256)
	err = d.view(t.Context(), func(r kv.Reader) error {
		return r.Scan(kv.Range{}, func(key, value []byte) bool {
			for _, secret := range []string{password, app, strings.ReplaceAll(app, "-", ""), string(s.Keys[0].Stored), string(s.Keys[0].Server)} {
				if bytes.Contains(value, []byte(secret)) {
					t.Errorf("record %q has a secret in it", key)
				}
			}
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestKeyFile(t *testing.T) {
	engine := memkv.New(memkv.Options{})
	file := filepath.Join(t.TempDir(), "secrets.key")
	o := Options{Hash: cheap(), KeyFile: file}
	d := openOn(t, engine, o)
	fill(t, d, "@example.test")
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a key before anything was sealed")
	}
	fill(t, d, "alice@example.test")
	alice := address(t, "alice@example.test")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key: %v, %v", info, err)
	}
	if err := d.ShareSecret(t.Context(), alice, "secret"); err != nil {
		t.Fatal(err)
	}
	again := openOn(t, engine, o)
	if proves(t, scramOf(t, again, "alice@example.test", ScramSHA1), ScramSHA1, "secret") == nil {
		t.Error("after a restart there are no keys")
	}

	lost := openOn(t, engine, Options{Hash: cheap(), KeyFile: file + ".elsewhere"})
	if _, err := lost.Authenticate(t.Context(), "alice@example.test", "secret", Use{}); err != nil {
		t.Errorf("without the key a password in plain does not work: %v", err)
	}
	if proves(t, scramOf(t, lost, "alice@example.test", ScramSHA1), ScramSHA1, "secret") != nil {
		t.Error("without the key SCRAM works")
	}
	err := lost.ShareSecret(t.Context(), alice, "secret")
	wantKind(t, "without the key", err, fault.Unavailable)
	if !strings.Contains(err.Error(), "forget-secrets") || !strings.Contains(err.Error(), file+".elsewhere") {
		t.Errorf("the error does not help: %v", err)
	}
	if _, err := os.Stat(file + ".elsewhere"); err == nil {
		t.Error("a second key was made for a store that has one")
	}
	if err := lost.ForgetSecrets(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost.proven = newProvenSet(lost.clock) // as after a restart
	if _, err := lost.Authenticate(t.Context(), "alice@example.test", "secret", Use{}); err != nil {
		t.Fatal(err)
	}
	if proves(t, scramOf(t, lost, "alice@example.test", ScramSHA1), ScramSHA1, "secret") == nil {
		t.Error("after the next login in plain SCRAM does not work")
	}
	if secrets, err := lost.SharedSecrets(t.Context(), "alice@example.test", Use{}); err != nil || secrets[0].Text != "secret" {
		t.Errorf("after the next login in plain there is no shared secret: %+v, %v", secrets, err)
	}
}

func TestKeyFileDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets.key")
	for text, want := range map[string]fault.Kind{"": fault.Corrupt, "not base64!": fault.Corrupt, "c2hvcnQ=\n": fault.Corrupt} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d := openOn(t, memkv.New(memkv.Options{}), Options{Hash: cheap(), KeyFile: file})
		fill(t, d, "@example.test", "alice@example.test") // the password works all the same
		err := d.ShareSecret(t.Context(), address(t, "alice@example.test"), "secret")
		wantKind(t, text, err, want)
	}
}

// TestSameWork: a user who is not there costs what one who is there costs, in each
// scheme that a password may be hashed in.
func TestSameWork(t *testing.T) {
	app := credential.NewAppPassword()
	for _, hash := range []string{"secret", "{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==", "{BLF-CRYPT}$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"} {
		d, ctx := open(t), t.Context()
		fill(t, d, "@example.test")
		if _, err := d.AddAccount(ctx, address(t, "alice@example.test"), hash); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.AddApp(ctx, address(t, "alice@example.test"), NewApp{Name: "phone"}); err != nil {
			t.Fatal(err)
		}
		work := func(user, password string) string {
			var all []string
			d.worked = func(what string) { all = append(all, what) }
			_, err := d.Authenticate(ctx, user, password, Use{Protocol: "imap"})
			if err == nil || err.Error() != errWrong().Error() || fault.KindOf(err) != fault.KindOf(errWrong()) {
				t.Errorf("%s: %v", user, err)
			}
			return strings.Join(all, ", ")
		}
		for _, password := range []string{"wrong", app} {
			want := work("alice@example.test", password)
			if !strings.Contains(want, "verify") {
				t.Fatalf("a wrong password costs %q", want)
			}
			for _, user := range []string{"nobody@example.test", "x@elsewhere.test", "x", ""} {
				for range 2 { // the second time it is remembered
					if got := work(user, password); got != want {
						t.Errorf("%s: %q costs %q, of one who is there %q", hash, user, got, want)
					}
				}
			}
		}
		if got := work("nobody@example.test", "secret"); !strings.Contains(got, "verify") {
			t.Errorf("the password of who stands for nobody costs %q", got)
		}
	}
}
