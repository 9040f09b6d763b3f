package guard

import "testing"

// TestSpelling: the short way gives what the long one would.
func TestSpelling(t *testing.T) {
	for user, want := range map[string]string{
		"alice@example.test":     "alice@example.test",
		"Alice@Example.Test":     "alice@example.test",
		`"alice"@example.test`:   "alice@example.test",
		"alice@example.test.":    "alice@example.test.",
		"alice@XN--BCHER-KVA.ch": "alice@xn--bcher-kva.ch",
		"alice@xn--bcher-kva.ch": "alice@xn--bcher-kva.ch",
		"alice@bücher.ch":        "alice@xn--bcher-kva.ch",
		"alice":                  "alice",
		"ALICE":                  "alice",
		"":                       "",
		"no address at all":      "no address at all",
		"a..b@example.test":      "\"a..b\"@example.test",
		"alice+tag@example.test": "alice+tag@example.test",
		"alice@[192.0.2.1]":      "alice@[192.0.2.1]",
	} {
		if got := spelling(user); got != want {
			t.Errorf("%q is spelled %q, want %q", user, got, want)
		}
	}
}
