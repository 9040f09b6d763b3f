package directory

import (
	"testing"

	"posthorn/internal/fault"
)

func TestPOP3Settings(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test", "bob@example.test")
	alice, bob := address(t, "Alice@example.test"), address(t, "bob@example.test")
	shortest := func(want int) {
		t.Helper()
		if days, err := d.ShortestExpiry(ctx); err != nil || days != want {
			t.Errorf("the shortest expiry is %d, %v; want %d", days, err, want)
		}
	}
	set := func(want POP3) {
		t.Helper()
		if _, err := d.SetPOP3(ctx, alice, func(p *POP3) { *p = want }); err != nil {
			t.Fatal(err)
		}
		if a, err := d.Account(ctx, alice); err != nil || a.POP3 != want {
			t.Errorf("set to %+v, %v; want %+v", a.POP3, err, want)
		}
		mustBeClean(t, d)
	}
	shortest(0)
	set(POP3{Folder: "Archive", Unread: true, Mark: true, Trash: true, Expire: 30})
	shortest(30)
	if _, err := d.SetPOP3(ctx, bob, func(p *POP3) { p.Expire = 7 }); err != nil {
		t.Fatal(err)
	}
	shortest(7)
	if _, err := d.SetPOP3(ctx, bob, func(p *POP3) { p.Expire = Never }); err != nil {
		t.Fatal(err)
	}
	shortest(30)
	set(POP3{})
	shortest(0)
	_, err := d.SetPOP3(ctx, alice, func(p *POP3) { p.Expire = -2 })
	wantKind(t, "an expiry before now", err, fault.Invalid)
	_, err = d.SetPOP3(ctx, address(t, "carol@example.test"), func(*POP3) {})
	wantKind(t, "settings of nobody", err, fault.NotFound)
}
