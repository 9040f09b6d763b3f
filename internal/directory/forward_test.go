package directory

import (
	"testing"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
	"posthorn/internal/kv"
	"posthorn/internal/kv/memkv"
	"posthorn/internal/srs"
)

func TestResolveForwards(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test", "carol@example.test", "dave@example.test", "off@example.test",
		"friend@example.test > Friend@Elsewhere.test",
		"team@example.test > alice@example.test friend@example.test Friend@elsewhere.test friend@elsewhere.test",
		"team2@example.test > bob@example.test carol@example.test",
		"bob@example.test +>> bob@elsewhere.test",
		"carol@example.test >> carol@elsewhere.test dave@example.test",
		"dave@example.test >> carol@example.test bob@example.test")
	for in, want := range map[string]string{
		"friend@example.test":     "deliver > Friend@elsewhere.test via friend@example.test",
		"friend+tag@example.test": "deliver > Friend@elsewhere.test via friend@example.test",
		"team@example.test":       "deliver alice@example.test > Friend@elsewhere.test via friend@example.test > friend@elsewhere.test via team@example.test",
		"bob@example.test":        "deliver bob@example.test > bob@elsewhere.test via bob@example.test",
		"bob+tag@example.test":    "deliver bob@example.test[tag] > bob@elsewhere.test via bob@example.test",
		"carol@example.test":      "deliver bob@example.test > carol@elsewhere.test via carol@example.test > bob@elsewhere.test via bob@example.test",
		"team2@example.test":      "deliver bob@example.test > bob@elsewhere.test via bob@example.test > carol@elsewhere.test via carol@example.test",
	} {
		if got, err := d.Resolve(ctx, address(t, in)); err != nil || show(got) != want {
			t.Errorf("Resolve(%s) = %s, %v; want %s", in, show(got), err, want)
		}
	}
	// Who may write as an address: not those it is merely forwarded to.
	for in, want := range map[string][]AccountID{"carol@example.test": {3}, "bob@example.test": {2}, "team2@example.test": {2, 3}, "dave@example.test": {4}} {
		r, err := d.Resolve(ctx, address(t, in))
		for id := AccountID(1); id <= 5; id++ {
			owned := false
			for _, one := range want {
				owned = owned || one == id
			}
			if err != nil || r.Owned(id) != owned {
				t.Errorf("%s: Owned(%d) = %v, %v", in, id, r.Owned(id), err)
			}
		}
	}
	mustBeClean(t, d)
}

// Mail of those who forward to each other only, or to who is gone, stays with them.
func TestForwardsThatLeadNowhere(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test", "off@example.test",
		"alice@example.test >> bob@example.test", "bob@example.test >> alice@example.test")
	expect := func(who, want string) {
		t.Helper()
		if got, err := d.Resolve(ctx, address(t, who)); err != nil || show(got) != want {
			t.Errorf("Resolve(%s) = %s, %v; want %s", who, show(got), err, want)
		}
	}
	expect("alice@example.test", "deliver alice@example.test bob@example.test")
	fill(t, d, "alice@example.test >> off@example.test")
	if err := d.SetState(ctx, address(t, "off@example.test"), StateDisabled, ""); err != nil {
		t.Fatal(err)
	}
	expect("alice@example.test", "deliver alice@example.test")
	if err := d.SetState(ctx, address(t, "alice@example.test"), StateDisabled, ""); err != nil {
		t.Fatal(err)
	}
	expect("alice@example.test", "disabled")
}

func TestSetForward(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test")
	alice := address(t, "Alice@example.test")
	for to, kind := range map[string]fault.Kind{
		"alice@example.test": fault.Invalid, "nobody@example.test": fault.NotFound, "ALICE@EXAMPLE.TEST": fault.Invalid,
	} {
		_, err := d.SetForward(ctx, alice, true, address(t, to))
		wantKind(t, "alice to "+to, err, kind)
	}
	_, err := d.SetForward(ctx, address(t, "nobody@example.test"), true, alice)
	wantKind(t, "of nobody", err, fault.NotFound)
	_, err = d.SetForward(ctx, alice, true, addr.Address{Local: "postmaster"})
	wantKind(t, "without a domain", err, fault.Invalid)

	fill(t, d, "alice@example.test >> bob@example.test")
	_, err = d.DeleteAccount(ctx, address(t, "bob@example.test"))
	wantKind(t, "deleting who is forwarded to", err, fault.InUse)
	account, err := d.SetForward(ctx, alice, false)
	if err != nil || len(account.Forward) > 0 || !account.KeepsMail() {
		t.Errorf("after the end of forwarding: %+v, %v", account, err)
	}
	if _, err := d.DeleteAccount(ctx, address(t, "bob@example.test")); err != nil {
		t.Error(err)
	}
	mustBeClean(t, d)
}

func TestCatchAll(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "@other.test", "alice@example.test", "bob@example.test", "off@example.test", "@example.test > bob+caught@example.test")
	if err := d.SetState(ctx, address(t, "off@example.test"), StateDisabled, ""); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"alice@example.test":      "deliver alice@example.test",
		"alice+tag@example.test":  "deliver alice@example.test[tag]",
		"nobody@example.test":     "deliver bob@example.test[caught]",
		"nobody+tag@example.test": "deliver bob@example.test[caught]",
		"off@example.test":        "disabled",
		"postmaster@example.test": "deliver alice@example.test",
		"nobody@other.test":       "no such user",
		"SRS0=x=y@example.test":   "bounce only",
	} {
		if got, err := d.Resolve(ctx, address(t, in)); err != nil || show(got) != want {
			t.Errorf("Resolve(%s) = %s, %v; want %s", in, show(got), err, want)
		}
	}
	if _, _, remembered := d.resolved.get(address(t, "nobody@example.test")); remembered {
		t.Error("an address that anybody can make up is remembered")
	}
	_, err := d.DeleteAccount(ctx, address(t, "bob@example.test"))
	wantKind(t, "deleting the catch-all", err, fault.InUse)
	_, err = d.SetCatchAll(ctx, "example.test", address(t, "nobody@example.test"))
	wantKind(t, "a catch-all that is caught", err, fault.NotFound)
	_, err = d.SetCatchAll(ctx, "third.test", address(t, "bob@example.test"))
	wantKind(t, "of a domain that is not ours", err, fault.NotFound)

	fill(t, d, "@other.test > x@elsewhere.test")
	if got, err := d.Resolve(ctx, address(t, "Any@other.test")); err != nil || show(got) != "deliver > x@elsewhere.test via any@other.test" {
		t.Errorf("%s, %v", show(got), err)
	}
	mustBeClean(t, d)
	if _, err := d.SetCatchAll(ctx, "example.test", addr.Address{}); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Resolve(ctx, address(t, "nobody@example.test")); err != nil || got.Outcome != NoSuchUser {
		t.Errorf("after its end: %s, %v", show(got), err)
	}
}

func TestDomainAlias(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "@third.test", "alice@example.test", "@second.test = example.test",
		"sales@example.test > Alice@Second.test", "@example.test > alice+lost@second.test", "postmaster@example.test > alice@example.test")
	for in, want := range map[string]string{
		"alice@second.test":       "deliver alice@example.test",
		"Alice+Tag@SECOND.test":   "deliver alice@example.test[Tag]",
		"sales@second.test":       "deliver alice@example.test",
		"nobody@second.test":      "deliver alice@example.test[lost]",
		"postmaster@second.test":  "deliver alice@example.test",
		"srs0=x@second.test":      "bounce only",
		"alice@third.test":        "no such user",
		"postmaster":              "deliver alice@example.test",
		"alice@sub.second.test":   "not local",
		"alice+lost@example.test": "deliver alice@example.test[lost]",
	} {
		a, err := addr.Parse(in)
		if err != nil {
			a = addr.Address{Local: in}
		}
		if got, err := d.Resolve(ctx, a); err != nil || show(got) != want {
			t.Errorf("Resolve(%s) = %s, %v; want %s", in, show(got), err, want)
		}
	}
	if a, err := d.Authenticate(ctx, "alice@second.test", "secret", Use{}); err != nil || a.Address.String() != "alice@example.test" {
		t.Errorf("a login with the other address: %+v, %v", a, err)
	}
	_, err := d.AddDomainAlias(ctx, "fourth.test", "second.test")
	wantKind(t, "an alias of an alias", err, fault.Invalid)
	_, err = d.AddDomainAlias(ctx, "fourth.test", "elsewhere.test")
	wantKind(t, "an alias of a domain elsewhere", err, fault.NotFound)
	_, err = d.AddDomainAlias(ctx, "third.test", "example.test")
	wantKind(t, "a domain that is there", err, fault.Exists)
	_, err = d.AddAccount(ctx, address(t, "bob@second.test"), "secret")
	wantKind(t, "an account in an alias", err, fault.Invalid)
	_, err = d.SetCatchAll(ctx, "second.test", address(t, "alice@example.test"))
	wantKind(t, "a catch-all of an alias", err, fault.Invalid)
	_, err = d.DeleteAccount(ctx, address(t, "alice@second.test"))
	wantKind(t, "deleting a target by its other address", err, fault.InUse)
	wantKind(t, "deleting the domain", d.DeleteDomain(ctx, "example.test"), fault.InUse)
	mustBeClean(t, d)
	if err := d.DeleteAlias(ctx, address(t, "sales@second.test")); err != nil {
		t.Error(err)
	}
	if err := d.DeleteDomain(ctx, "second.test"); err != nil {
		t.Error(err)
	}
}

// A domain that was elsewhere when something was pointed to it may be ours later.
func TestTargetsThatComeHome(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "bob@example.test", "friend@example.test > Bob@Later.test")
	expect := func(want string) {
		t.Helper()
		if got, err := d.Resolve(ctx, address(t, "friend@example.test")); err != nil || show(got) != want {
			t.Errorf("%s, %v; want %s", show(got), err, want)
		}
	}
	expect("deliver > Bob@later.test via friend@example.test")
	fill(t, d, "@later.test = example.test")
	expect("deliver bob@example.test")
	_, err := d.DeleteAccount(ctx, address(t, "bob@example.test"))
	wantKind(t, "deleting the target", err, fault.InUse)
	mustBeClean(t, d)
}

func TestMayWrite(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "@other.test", "@second.test = example.test", "alice@example.test", "bob@example.test", "carol@other.test",
		"both@example.test > alice@example.test bob@example.test", "al@other.test > alice@example.test")
	for group, senders := range map[string]Senders{"open@example.test": Anyone, "team@example.test": Members, "house@example.test": SameDomain} {
		_, err := d.AddGroup(ctx, address(t, group), senders, address(t, "alice@example.test"), address(t, "Eve@elsewhere.test"))
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.AddGroup(ctx, address(t, "x@example.test"), "some", address(t, "alice@example.test"))
	wantKind(t, "senders that there are not", err, fault.Invalid)
	fill(t, d, "outer@example.test > team@example.test")
	const proven, claimed = true, false
	for _, tc := range []struct {
		to, from string
		proven   bool
		want     bool
	}{
		{"open@example.test", "x@anywhere.test", claimed, true},
		{"open@example.test", "", claimed, true},
		{"team@example.test", "", claimed, false},
		{"team@example.test", "alice@example.test", proven, true},
		{"team@example.test", "alice@example.test", claimed, false},
		{"team+tag@second.test", "Alice+x@second.test", proven, true},
		{"team@example.test", "al@other.test", proven, true},
		{"team@example.test", "bob@example.test", proven, false},
		{"team@example.test", "both@example.test", proven, false},
		{"team@example.test", "nobody@example.test", proven, false},
		{"team@example.test", "eve@elsewhere.test", claimed, true},
		{"team@example.test", "mallory@elsewhere.test", claimed, false},
		{"outer@example.test", "mallory@elsewhere.test", claimed, true}, // what is written to counts
		{"house@example.test", "bob@example.test", proven, true},
		{"house@example.test", "bob@second.test", proven, true},
		{"house@second.test", "bob@example.test", proven, true},
		{"house@example.test", "bob@example.test", claimed, false},
		{"house@example.test", "carol@other.test", proven, false},
		{"house@example.test", "eve@elsewhere.test", claimed, false},
	} {
		from := addr.Address{}
		if tc.from != "" {
			from = address(t, tc.from)
		}
		to, err := d.Resolve(ctx, address(t, tc.to))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.MayWrite(ctx, to, from, tc.proven); err != nil || got != tc.want {
			t.Errorf("MayWrite(%s, <%s>, %v) = %v, %v", tc.to, tc.from, tc.proven, got, err)
		}
	}
}

// What was written before there were forwards is read as it was meant.
func TestOldRecords(t *testing.T) {
	d, ctx := open(t), t.Context()
	if err := d.update(ctx, func(w kv.Writer) error {
		for key, value := range map[string]string{
			"dexample.test":       `{"created":"2026-01-02T03:04:05Z"}`,
			"nexample.test\x00al": `{"alias":["alice@example.test"],"created":"2026-01-02T03:04:05Z"}`,
			string(nameKey(address(t, "alice@example.test"))): `{"account":1}`,
			string(accountKey(1)):                             `{"address":"alice@example.test","credential":"{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==","created":"2026-01-02T03:04:05Z"}`,
			"s":                                               `{"last":1}`,
		} {
			if err := w.Put([]byte(key), append([]byte{1}, value...)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	got, err := d.Resolve(ctx, address(t, "al@example.test"))
	if err != nil || show(got) != "deliver alice@example.test" || got.Senders != Anyone || !got.Owned(1) {
		t.Errorf("Resolve = %s, %+v, %v", show(got), got, err)
	}
	mustBeClean(t, d)
}

func TestLanguage(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	alice := address(t, "alice@example.test")
	for _, wrong := range []string{"english please", "zh_CN", "-", "en-", "abcdefghi", "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s"} {
		wantKind(t, wrong, d.SetLanguage(ctx, alice, wrong), fault.Invalid)
	}
	for _, tag := range []string{"zh-CN", ""} {
		if err := d.SetLanguage(ctx, alice, tag); err != nil {
			t.Error(err)
		}
		if a, err := d.Account(ctx, alice); err != nil || a.Language != tag {
			t.Errorf("%+v, %v; want %q", a, err, tag)
		}
	}
}

func TestRewriter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	engine := memkv.New(memkv.Options{Rerun: true})
	o := Options{Hash: cheap(), Clock: func() time.Time { return now }}
	d, other, ctx := openOn(t, engine, o), openOn(t, engine, o), t.Context()
	fill(t, d, "@example.test")
	forward := func(d *Directory) addr.Address {
		t.Helper()
		r, err := d.Rewriter(ctx)
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.Forward(address(t, "bob@remote.test"), "example.test", now)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	expect := func(from, to addr.Address, want string) {
		t.Helper()
		if got, err := other.ResolveFrom(ctx, from, to); err != nil || show(got) != want {
			t.Errorf("ResolveFrom(<%s>, %s) = %s, %v; want %s", from, to, show(got), err, want)
		}
	}
	way := forward(d)
	if again := forward(other); again != way {
		t.Errorf("two servers make %s and %s", way, again)
	}
	null, someone := addr.Address{}, address(t, "x@remote.test")
	expect(null, way, "deliver > bob@remote.test via ")
	expect(someone, way, "bounce only")
	expect(null, address(t, "SRS0=AAAAAA=BB=remote.test=bob@example.test"), "no way back")
	expect(null, address(t, "SRS0=x@elsewhere.test"), "not local")

	now = now.Add(secretTurn - 24*time.Hour)
	last := forward(d)
	now = now.Add(2 * 24 * time.Hour)
	next := forward(d) // under the second secret
	expect(null, last, "deliver > bob@remote.test via ")
	expect(null, next, "deliver > bob@remote.test via ")
	now = now.Add(srs.Life)
	expect(null, last, "no way back")
	mustBeClean(t, d)
}
