package directory

import (
	"context"
	"slices"
	"strings"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
)

// cheap is for tests that are not about hashing.
func cheap() HashParams { return HashParams{Memory: 64, Passes: 1, Threads: 1} }

// open makes a directory on a fresh engine that runs every update twice.
func open(t *testing.T) *Directory {
	t.Helper()
	return openOn(t, memkv.New(memkv.Options{Rerun: true}), Options{Hash: cheap()})
}

func openOn(t *testing.T, engine kv.Engine, o Options) *Directory {
	t.Helper()
	d := New(engine, o)
	t.Cleanup(d.Close)
	return d
}

func address(t *testing.T, s string) addr.Address {
	t.Helper()
	a, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fill adds domains ("@example.test"), aliases of domains ("@second.test = example.test"),
// catch-alls ("@example.test > alice@example.test"), accounts ("alice@example.test", with
// the password "secret"), aliases ("sales@example.test > alice@example.test ...") and
// forwards of accounts ("alice@example.test >> x@elsewhere.test", keeping a copy: "+>>").
func fill(t *testing.T, d *Directory, lines ...string) {
	t.Helper()
	ctx := t.Context()
	for _, line := range lines {
		var err error
		words := strings.Fields(line)
		var all []addr.Address
		if len(words) > 2 && words[1] != "=" {
			for _, target := range words[2:] {
				all = append(all, address(t, target))
			}
		}
		switch {
		case len(words) > 1 && words[1] == "=":
			_, err = d.AddDomainAlias(ctx, line[1:strings.IndexByte(line, ' ')], words[2])
		case strings.HasPrefix(line, "@") && all != nil:
			_, err = d.SetCatchAll(ctx, words[0][1:], all[0])
		case strings.HasPrefix(line, "@"):
			_, err = d.AddDomain(ctx, line[1:])
		case strings.Contains(line, " > "):
			_, err = d.AddAlias(ctx, address(t, words[0]), all...)
		case all != nil:
			_, err = d.SetForward(ctx, address(t, words[0]), words[1] == "+>>", all...)
		default:
			_, err = d.AddAccount(ctx, address(t, line), "secret")
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

// mustBeClean proves the invariants.
func mustBeClean(t *testing.T, d *Directory) {
	t.Helper()
	if err := d.Verify(t.Context(), func(problem string) { t.Errorf("verify: %s", problem) }); err != nil {
		t.Error(err)
	}
}

func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: %v (%v), want %v", what, err, fault.KindOf(err), kind)
	}
}

func TestDomains(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "@BÜCHER.example", "@a.test", "alice@a.test")
	var names []string
	domains, err := d.Domains(ctx)
	for _, domain := range domains {
		names = append(names, domain.Name)
	}
	if want := []string{"a.test", "example.test", "xn--bcher-kva.example"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("Domains = %v, %v; want %v", names, err, want)
	}
	for domain, want := range map[string]bool{"EXAMPLE.test": true, "bücher.example": true, "other.test": false, "not a domain": false, "": false} {
		if got, err := d.IsLocal(ctx, domain); err != nil || got != want {
			t.Errorf("IsLocal(%q) = %v, %v; want %v", domain, got, err, want)
		}
	}
	_, err = d.AddDomain(ctx, "Example.Test")
	wantKind(t, "adding a domain again", err, fault.Exists)
	_, err = d.AddDomain(ctx, "[192.0.2.1]")
	wantKind(t, "adding an address literal", err, fault.Invalid)
	wantKind(t, "deleting a domain in use", d.DeleteDomain(ctx, "a.test"), fault.InUse)
	wantKind(t, "deleting an unknown domain", d.DeleteDomain(ctx, "other.test"), fault.NotFound)
	if err := d.DeleteDomain(ctx, "Bücher.example"); err != nil {
		t.Error(err)
	}
	if local, _ := d.IsLocal(ctx, "bücher.example"); local {
		t.Error("a deleted domain is local")
	}
	mustBeClean(t, d)
}

func TestAccounts(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "Alice@Example.test", "bob@example.test")
	alice, err := d.Account(ctx, address(t, "ALICE@EXAMPLE.TEST"))
	if err != nil || alice.ID != 1 || alice.Address.String() != "alice@example.test" || alice.Scheme() != "ARGON2ID" {
		t.Errorf("Account = %+v, %v", alice, err)
	}
	_, err = d.AddAccount(ctx, address(t, "aLICE@example.test"), "x")
	wantKind(t, "adding an account again", err, fault.Exists)
	_, err = d.AddAccount(ctx, address(t, "alice@other.test"), "x")
	wantKind(t, "adding an account in a foreign domain", err, fault.NotFound)
	_, err = d.AddAccount(ctx, address(t, "carol@example.test"), "")
	wantKind(t, "an empty password", err, fault.Invalid)

	deleted, err := d.DeleteAccount(ctx, address(t, "alice@example.test"))
	if err != nil || deleted.ID != alice.ID {
		t.Errorf("DeleteAccount = %+v, %v", deleted, err)
	}
	_, err = d.Account(ctx, address(t, "alice@example.test"))
	wantKind(t, "a deleted account", err, fault.NotFound)
	_, err = d.DeleteAccount(ctx, address(t, "alice@example.test"))
	wantKind(t, "deleting it again", err, fault.NotFound)

	fill(t, d, "alice@example.test")
	again, err := d.Account(ctx, address(t, "alice@example.test"))
	if err != nil || again.ID != 3 {
		t.Errorf("the new alice is %+v, %v; want a number never given before", again, err)
	}
	var ids []AccountID
	if err := d.Accounts(ctx, func(a Account) bool { ids = append(ids, a.ID); return true }); err != nil || !slices.Equal(ids, []AccountID{2, 3}) {
		t.Errorf("Accounts = %v, %v", ids, err)
	}
	mustBeClean(t, d)
}

func TestAliases(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test",
		"sales@example.test > alice@example.test ALICE@example.test bob+sales@example.test", "all@example.test > sales@example.test")
	var got []string
	if err := d.Aliases(ctx, func(a Alias) bool { got = append(got, a.String()); return true }); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"all@example.test -> sales@example.test",
		"sales@example.test -> alice@example.test, bob+sales@example.test",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Aliases = %q, want %q", got, want)
	}
	for _, tc := range []struct {
		alias, target string
		kind          fault.Kind
	}{
		{"alice@example.test", "bob@example.test", fault.Exists},
		{"sales@example.test", "bob@example.test", fault.Exists},
		{"new@example.test", "new@example.test", fault.Invalid},
		{"new@example.test", "nobody@example.test", fault.NotFound},
		{"srs0=x@example.test", "bob@example.test", fault.Invalid},
		{"new@elsewhere.test", "bob@example.test", fault.NotFound},
	} {
		_, err := d.AddAlias(ctx, address(t, tc.alias), address(t, tc.target))
		wantKind(t, tc.alias+" > "+tc.target, err, tc.kind)
	}
	_, err := d.AddAlias(ctx, address(t, "new@example.test"))
	wantKind(t, "an alias without targets", err, fault.Invalid)
	_, err = d.AddAccount(ctx, address(t, "sales@example.test"), "x")
	wantKind(t, "an account where an alias is", err, fault.Exists)

	_, err = d.DeleteAccount(ctx, address(t, "bob@example.test"))
	wantKind(t, "deleting the target of an alias", err, fault.InUse)
	wantKind(t, "deleting the target of an alias", d.DeleteAlias(ctx, address(t, "sales@example.test")), fault.InUse)
	wantKind(t, "deleting an account as an alias", d.DeleteAlias(ctx, address(t, "bob@example.test")), fault.NotFound)
	for _, a := range []string{"all@example.test", "sales@example.test"} {
		if err := d.DeleteAlias(ctx, address(t, a)); err != nil {
			t.Error(err)
		}
	}
	wantKind(t, "deleting an alias again", d.DeleteAlias(ctx, address(t, "all@example.test")), fault.NotFound)
	mustBeClean(t, d)
}

func TestVerifyFindsDamage(t *testing.T) {
	engine := memkv.New(memkv.Options{})
	d := openOn(t, engine, Options{Hash: cheap()})
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test", "sales@example.test > bob@example.test", "@gone.test")
	err := d.update(t.Context(), func(w kv.Writer) error {
		for _, key := range [][]byte{accountKey(1), nameKey(address(t, "bob@example.test"))} {
			if err := w.Delete(key); err != nil {
				return err
			}
		}
		for key, value := range map[string]string{
			"d" + "future.test":   "\x02{}",
			"d" + "broken.test":   "\x01{",
			"?":                   "\x01{}",
			string(accountKey(9)): "\x01" + `{"address":"carol@example.test","credential":"{ROT13}frperg"}`,
			string(nameKey(addr.Address{Local: "x", Domain: "lost.test"})): "\x01" + `{"account":2}`,
		} {
			if err := w.Put([]byte(key), []byte(value)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	if err := d.Verify(t.Context(), func(problem string) { found = append(found, problem) }); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(found, "\n")
	for _, want := range []string{
		`record "dfuture.test" was written by a newer posthorn`,
		`record "dbroken.test": unexpected end of JSON input`,
		`record "?" is of no known sort`,
		`account carol@example.test: password scheme {ROT13} is not known`,
		`alice@example.test names account 1, which has no record`,
		`x@lost.test is in a domain that is not served here`,
		`x@lost.test names account 2, whose address is bob@example.test`,
		`alias sales@example.test points to bob@example.test, which does not exist`,
		`account 9 (carol@example.test) is named by no address`,
		`account 9 (carol@example.test) has a number that was never given; the last was 2`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("verify does not say: %s\nit says:\n%s", want, text)
		}
	}
	_, err = d.Account(context.Background(), address(t, "alice@example.test"))
	wantKind(t, "an account without its record", err, fault.Corrupt)
}
