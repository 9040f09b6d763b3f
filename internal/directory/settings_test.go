package directory

import (
	"slices"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

// TestSet changes everything at once, or nothing.
func TestSet(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test")
	alice, bob := address(t, "alice@example.test"), address(t, "bob@example.test")
	suspended, reason, language := StateSuspended, "moves", "zh-CN"
	all := Settings{
		State: &suspended, Reason: &reason, Language: &language, Off: []string{"login", "plain"},
		Retention: map[string]int{"Trash": 30}, POP3: &POP3{Expire: 7}, Forward: &Forwarding{To: []addr.Address{bob}, Keep: true},
	}
	a, err := d.Set(ctx, alice, all)
	if err != nil || a.State != suspended || a.Reason != reason || a.Since.IsZero() || a.Language != language ||
		!slices.Equal(a.Off, []string{"LOGIN", "PLAIN"}) || a.Retention["Trash"] != 30 || a.POP3.Expire != 7 || a.Forward[0] != bob || a.NoCopy {
		t.Errorf("Set = %+v, %v", a, err)
	}
	if days, err := d.ShortestExpiry(ctx); err != nil || days != 7 {
		t.Errorf("the shortest expiry is %d, %v", days, err)
	}
	if again, err := d.Set(ctx, alice, Settings{}); err != nil || again.State != suspended || again.Forward == nil || again.POP3.Expire != 7 {
		t.Errorf("Set of nothing = %+v, %v", again, err)
	}

	english := "en"
	_, err = d.Set(ctx, alice, Settings{Language: &english, Forward: &Forwarding{To: []addr.Address{alice}}})
	wantKind(t, "forwarding to oneself", err, fault.Invalid)
	_, err = d.Set(ctx, alice, Settings{Language: &english, Retention: map[string]int{"Trash": 0}})
	wantKind(t, "no retention", err, fault.Invalid)
	if a, err := d.Account(ctx, alice); err != nil || a.Language != language {
		t.Errorf("after what was refused: %+v, %v", a, err)
	}
	mustBeClean(t, d)
}

func TestChangeAlias(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "@second.test = example.test", "alice@example.test", "bob@example.test",
		"sales@example.test > alice@example.test", "all@example.test > sales@example.test")
	bob := address(t, "bob@example.test")
	read := func() (all map[string]Alias) {
		all = map[string]Alias{}
		if err := d.Aliases(ctx, func(a Alias) bool { all[a.Address.String()] = a; return true }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := read()
	if _, err := d.ChangeAlias(ctx, address(t, "Sales@Second.test"), Members, bob); err != nil {
		t.Fatal(err)
	}
	now := read()["sales@example.test"]
	if len(read()) != 2 || now.Senders != Members || now.Targets[0] != bob || !now.Created.Equal(before["sales@example.test"].Created) {
		t.Errorf("the alias is %+v", now)
	}
	for who, kind := range map[string]fault.Kind{"nobody@example.test": fault.NotFound, "alice@example.test": fault.NotFound} {
		_, err := d.ChangeAlias(ctx, address(t, who), Anyone, bob)
		wantKind(t, who, err, kind)
	}
	_, err := d.ChangeAlias(ctx, address(t, "sales@example.test"), Anyone, address(t, "nobody@example.test"))
	wantKind(t, "a target that is not there", err, fault.NotFound)
	mustBeClean(t, d)
}

func TestImportWithSettings(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test")
	disabled := StateDisabled
	done, err := d.Import(ctx, []NewAccount{
		{Address: address(t, "alice@example.test"), Password: "secret", Settings: Settings{State: &disabled, POP3: &POP3{Expire: 9}}},
		{Address: address(t, "bob@example.test"), Source: "corp"},
	})
	if err != nil || done.Added != 2 {
		t.Fatalf("Import = %+v, %v", done, err)
	}
	if a, err := d.Account(ctx, address(t, "alice@example.test")); err != nil || a.State != disabled || a.Since.IsZero() || a.POP3.Expire != 9 {
		t.Errorf("alice is %+v, %v", a, err)
	}
	if b, err := d.Account(ctx, address(t, "bob@example.test")); err != nil || b.Source != "corp" || b.State != StateActive {
		t.Errorf("bob is %+v, %v", b, err)
	}
	mustBeClean(t, d)
	for what, n := range map[string]NewAccount{
		"a wrong setting":  {Address: address(t, "carol@example.test"), Password: "x", Settings: Settings{Off: []string{"ROT13"}}},
		"a return address": {Address: address(t, "SRS0=a=b=c=d@example.test"), Password: "x"},
	} {
		_, err := d.Import(ctx, []NewAccount{n})
		wantKind(t, what, err, fault.Invalid)
	}
}

func TestAccountByID(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	alice, err := d.AccountByID(ctx, 1)
	if err != nil || alice.Address.String() != "alice@example.test" {
		t.Errorf("AccountByID = %+v, %v", alice, err)
	}
	if _, err := d.DeleteAccount(ctx, alice.Address); err != nil {
		t.Fatal(err)
	}
	for _, id := range []AccountID{1, 2} {
		_, err := d.AccountByID(ctx, id)
		wantKind(t, "nobody", err, fault.NotFound)
	}
}
