package directory

import (
	"strings"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

func addressOf(t *testing.T, text string) addr.Address {
	t.Helper()
	a, err := addr.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAdmins: who administers a domain does until that ends, for whatever reason.
func TestAdmins(t *testing.T) {
	d, ctx := open(t), t.Context()
	for _, name := range []string{"one.test", "two.test"} {
		if _, err := d.AddDomain(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.AddDomainAlias(ctx, "uno.test", "one.test"); err != nil {
		t.Fatal(err)
	}
	add := func(text string) Account {
		t.Helper()
		account, err := d.AddAccount(ctx, addressOf(t, text), "secret")
		if err != nil {
			t.Fatal(err)
		}
		return account
	}
	alice, bob := add("alice@one.test"), add("bob@two.test")
	want := func(when string, id AccountID, domains string) {
		t.Helper()
		got, err := d.Administers(ctx, id)
		if err != nil || strings.Join(got, " ") != domains {
			t.Errorf("%s: %q, %v; want %q", when, got, err, domains)
		}
		if err := d.Verify(ctx, func(problem string) { t.Errorf("%s: %s", when, problem) }); err != nil {
			t.Error(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fails := func(err error, kind fault.Kind) {
		t.Helper()
		if !fault.Is(err, kind) {
			t.Errorf("%v; want %v", err, kind)
		}
	}
	want("at first", alice.ID, "")
	must(d.AddAdmin(ctx, "One.test", alice.Address))
	must(d.AddAdmin(ctx, "two.test", alice.Address))
	must(d.AddAdmin(ctx, "one.test", bob.Address))
	want("added", alice.ID, "one.test two.test uno.test")
	want("added", bob.ID, "one.test uno.test")
	fails(d.AddAdmin(ctx, "one.test", alice.Address), fault.Exists)
	fails(d.AddAdmin(ctx, "uno.test", alice.Address), fault.Invalid)
	fails(d.AddAdmin(ctx, "three.test", alice.Address), fault.NotFound)
	fails(d.AddAdmin(ctx, "one.test", addressOf(t, "nobody@one.test")), fault.NotFound)
	fails(d.RemoveAdmin(ctx, "two.test", bob.Address), fault.NotFound)

	if _, err := d.RenameAccount(ctx, alice.Address, addressOf(t, "alicia@one.test"), false); err != nil {
		t.Fatal(err)
	}
	want("renamed", alice.ID, "one.test two.test uno.test")
	again := add("alice@one.test")
	want("her old address, another's", again.ID, "")
	must(d.RemoveAdmin(ctx, "two.test", addressOf(t, "alicia@one.test")))
	want("removed", alice.ID, "one.test uno.test")

	_, err := d.DeleteAccount(ctx, bob.Address)
	must(err)
	want("deleted", bob.ID, "")
	_, err = d.UndeleteAccount(ctx, bob.Address, addr.Address{})
	must(err)
	want("brought back", bob.ID, "")
	admins, err := d.Admins(ctx, "one.test")
	if err != nil || len(admins) != 1 || admins[0].Address.String() != "alicia@one.test" {
		t.Errorf("admins: %v, %v", admins, err)
	}

	must(d.AddAdmin(ctx, "two.test", again.Address))
	_, err = d.DeleteAccount(ctx, bob.Address)
	must(err)
	must(d.DeleteDomain(ctx, "two.test"))
	_, err = d.AddDomain(ctx, "two.test")
	must(err)
	want("the domain is another's now", again.ID, "")
}

// TestDomainLimits: no way of making an account leads past the limit of its domain.
func TestDomainLimits(t *testing.T) {
	d, ctx := open(t), t.Context()
	for _, name := range []string{"one.test", "two.test"} {
		if _, err := d.AddDomain(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	domain, err := d.SetDomainLimits(ctx, "one.test", func(l *DomainLimits) { l.Accounts, l.Quota = 2, 5 })
	if err != nil || domain.Limits != (DomainLimits{Accounts: 2, Quota: 5}) {
		t.Fatal(domain, err)
	}
	if _, err := d.SetDomainLimits(ctx, "one.test", func(l *DomainLimits) { l.Quota = -1 }); !fault.Is(err, fault.Invalid) {
		t.Errorf("a limit below 0: %v", err)
	}
	for _, text := range []string{"a@one.test", "b@two.test", "gone@one.test"} {
		if _, err := d.AddAccount(ctx, addressOf(t, text), "secret"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.DeleteAccount(ctx, addressOf(t, "gone@one.test")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.AddAlias(ctx, addressOf(t, "sales@one.test"), addressOf(t, "a@one.test")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.AddAccount(ctx, addressOf(t, "c@one.test"), "secret"); err != nil {
		t.Fatalf("the second: %v", err)
	}
	_, added := d.AddAccount(ctx, addressOf(t, "d@one.test"), "secret")
	_, imported := d.Import(ctx, []NewAccount{{Address: addressOf(t, "d@one.test"), Password: "secret"}})
	_, renamed := d.RenameAccount(ctx, addressOf(t, "b@two.test"), addressOf(t, "b@one.test"), false)
	_, undeleted := d.UndeleteAccount(ctx, addressOf(t, "gone@one.test"), addr.Address{})
	for way, err := range map[string]error{"added": added, "imported": imported, "renamed": renamed, "undeleted": undeleted} {
		if !fault.Is(err, fault.Limit) || !strings.Contains(err.Error(), "domain one.test has 2 accounts") {
			t.Errorf("%s: %v", way, err)
		}
	}
	if _, err := d.RenameAccount(ctx, addressOf(t, "a@one.test"), addressOf(t, "e@one.test"), true); err != nil {
		t.Errorf("within the domain: %v", err)
	}
}

// TestStateOfAdmin: what the operator has closed, an admin of the domain does not open.
func TestStateOfAdmin(t *testing.T) {
	d, ctx := open(t), t.Context()
	if _, err := d.AddDomain(ctx, "one.test"); err != nil {
		t.Fatal(err)
	}
	a := addressOf(t, "a@one.test")
	if _, err := d.AddAccount(ctx, a, "secret"); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		admin  bool
		to     State
		denied bool
	}{
		{true, StateSuspended, false},
		{true, StateNoLogin, false},
		{true, StateActive, false},
		{false, StateSuspended, false},
		{true, StateActive, true},
		{true, StateDisabled, true},
		{false, StateActive, false},
		{true, StateDisabled, false},
		{false, StateDisabled, false}, // he makes it his own
		{true, StateActive, true},
	} {
		set := d.SetState
		if step.admin {
			set = d.SetStateOfAdmin
		}
		if err := set(ctx, a, step.to, ""); fault.Is(err, fault.Denied) != step.denied || err != nil && !step.denied {
			t.Errorf("step %d: %v", i, err)
		}
	}
}
