package directory

import (
	"testing"

	"posthorn/internal/fault"
)

func TestRetention(t *testing.T) {
	d, ctx := open(t), t.Context()
	fill(t, d, "@example.test", "alice@example.test")
	alice := address(t, "alice@example.test")
	for _, wrong := range []map[string]int{{"": 1}, {"Trash": 0}, {"Trash": -1}, {"Trash": maxRetention + 1}} {
		wantKind(t, "wrong", d.SetRetention(ctx, alice, wrong), fault.Invalid)
	}
	for _, want := range []map[string]int{{"Trash": 30, "Junk": 14}, nil} {
		if err := d.SetRetention(ctx, alice, want); err != nil {
			t.Fatal(err)
		}
		if a, err := d.Account(ctx, alice); err != nil || len(a.Retention) != len(want) || a.Retention["Junk"] != want["Junk"] {
			t.Errorf("retention: %v, %v; want %v", a.Retention, err, want)
		}
	}
}
