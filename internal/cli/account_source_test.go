package cli

import (
	"testing"

	"posthorn/internal/admin"
)

func TestWherePasswordsAreKept(t *testing.T) {
	for source, want := range map[string]string{"": "ARGON2ID", "corp": "in the directory corp", "openid": "none; the OpenID provider vouches"} {
		if got := kept(admin.AccountDetails{Account: admin.Account{Source: source, Scheme: "ARGON2ID"}}); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}
