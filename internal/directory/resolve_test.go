package directory

import (
	"fmt"
	"strings"
	"testing"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
)

// show writes a resolution as "deliver alice@example.test[tag] … > bob@elsewhere.test via …".
func show(r Resolution) string {
	words := []string{r.Outcome.String()}
	for _, to := range r.Recipients {
		word := to.Address.String()
		if to.Tag != "" {
			word += "[" + to.Tag + "]"
		}
		words = append(words, word)
	}
	for _, to := range r.Forward {
		words = append(words, ">", to.Address.String(), "via", to.Via.String())
	}
	return strings.Join(words, " ")
}

func TestResolve(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "@second.test", "alice@example.test", "bob@example.test", "carol+own@example.test", "off@example.test",
		"müller@example.test",
		"sales@example.test > alice@example.test bob+sales@example.test",
		"all@second.test > sales@example.test bob@example.test off@example.test",
		"closed@example.test > off@example.test",
		"postmaster@second.test > bob@example.test")
	if err := d.SetState(ctx, address(t, "off@example.test"), StateDisabled, ""); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"alice@example.test":          "deliver alice@example.test",
		"ALICE@Example.Test":          "deliver alice@example.test",
		"MU\u0308LLER@example.test":   "deliver müller@example.test",
		"alice+Lists@example.test":    "deliver alice@example.test[Lists]",
		"alice+a+b@example.test":      "deliver alice@example.test[a+b]",
		"carol+own@example.test":      "deliver carol+own@example.test",
		"carol@example.test":          "no such user",
		"+alice@example.test":         "no such user",
		"sales@example.test":          "deliver alice@example.test bob@example.test[sales]",
		"sales+May@example.test":      "deliver alice@example.test[May] bob@example.test[sales]",
		"all@second.test":             "deliver alice@example.test bob@example.test[sales]",
		"alice@second.test":           "no such user",
		"nobody@example.test":         "no such user",
		"off@example.test":            "disabled",
		"closed@example.test":         "disabled",
		"alice@elsewhere.test":        "not local",
		"alice@[192.0.2.1]":           "not local",
		"postmaster@second.test":      "deliver bob@example.test",
		"PostMaster@example.test":     "deliver alice@example.test", // nobody set it up: the first account
		"postmaster@elsewhere.test":   "not local",
		"postmaster+note@second.test": "deliver bob@example.test[note]",
		`"alice"@example.test`:        "deliver alice@example.test",
	} {
		for range 2 { // computed, then remembered
			if got, err := d.Resolve(ctx, address(t, in)); err != nil || show(got) != want {
				t.Errorf("Resolve(%s) = %s, %v; want %s", in, show(got), err, want)
			}
		}
	}
	for bare, want := range map[addr.Address]string{
		{Local: "PostMaster"}: "deliver bob@example.test",
		{Local: "alice"}:      "not local",
		{}:                    "not local",
	} {
		if got, err := d.Resolve(ctx, bare); err != nil || show(got) != want {
			t.Errorf("Resolve(<%s>) = %s, %v; want %s", bare, show(got), err, want)
		}
	}
	mustBeClean(t, d)
}

func TestPostmasterOfAnEmptyDirectory(t *testing.T) {
	d := open(t)
	fill(t, d, "@example.test")
	for _, a := range []addr.Address{{Local: "postmaster"}, {Local: "postmaster", Domain: "example.test"}} {
		if got, err := d.Resolve(t.Context(), a); err != nil || got.Outcome != NoSuchUser {
			t.Errorf("Resolve(%s) = %s, %v", a, show(got), err)
		}
	}
}

func TestResolveFollowsChanges(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	alice := address(t, "alice@example.test")
	expect := func(when string, want Outcome) {
		t.Helper()
		if got, err := d.Resolve(ctx, alice); err != nil || got.Outcome != want {
			t.Errorf("%s: %s, %v; want %v", when, show(got), err, want)
		}
	}
	expect("at first", Deliver)
	if err := d.SetState(ctx, alice, StateDisabled, ""); err != nil {
		t.Fatal(err)
	}
	expect("disabled", Disabled)
	if err := d.SetState(ctx, alice, StateActive, ""); err != nil {
		t.Fatal(err)
	}
	expect("enabled", Deliver)
	if _, err := d.DeleteAccount(ctx, alice); err != nil {
		t.Fatal(err)
	}
	expect("deleted", NoSuchUser)
}

func TestAliasLoop(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "a@example.test > alice@example.test",
		"b@example.test > a@example.test", "c@example.test > b@example.test")
	// a -> alice, b -> a, c -> b; now a -> c closes a loop, which takes two steps
	// because targets must be there.
	w := address(t, "a@example.test")
	if err := d.update(ctx, func(tx kv.Writer) error {
		return put(tx, nameKey(w), nameRecord{Alias: []string{"c@example.test", "alice@example.test"}})
	}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if got, err := d.Resolve(ctx, address(t, name+"@example.test")); err != nil || show(got) != "deliver alice@example.test" {
			t.Errorf("Resolve(%s) = %s, %v", name, show(got), err)
		}
	}
}

func TestAliasTooWide(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	var targets []addr.Address
	for i := range maxExpansion {
		targets = append(targets, address(t, fmt.Sprintf("alice+%d@example.test", i)))
	}
	if _, err := d.AddAlias(ctx, address(t, "all@example.test"), targets...); err != nil {
		t.Fatal(err)
	}
	_, err := d.Resolve(ctx, address(t, "all@example.test"))
	wantKind(t, "an alias to more than all", err, fault.Limit)
}

func TestMemoIsBounded(t *testing.T) {
	m := newMemo[int, int]()
	for i := range memoSize + 100 {
		m.put(i, i, 0)
	}
	if len(m.answers) > memoSize {
		t.Errorf("%d answers", len(m.answers))
	}
	if v, _, ok := m.get(memoSize + 99); !ok || v != memoSize+99 {
		t.Errorf("the last answer is not there: %v, %v", v, ok)
	}
}

func TestMemoDoesNotKeepOldAnswers(t *testing.T) {
	m := newMemo[string, int]()
	_, generation, _ := m.get("x")
	m.forget() // a change, while the answer was being read
	m.put("x", 1, generation)
	if _, _, ok := m.get("x"); ok {
		t.Error("an answer from before a change is remembered")
	}
}
