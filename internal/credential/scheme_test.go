package credential

import (
	"strings"
	"testing"

	"posthorn/internal/fault"
)

// The hashes were made by other software: the argon2 reference, glibc, OpenSSL,
// Python's hashlib.
func TestSchemes(t *testing.T) {
	const long = "pässwörd long enough to pass sixty-four bytes, which is one block of SHA-512, and then some more of it to be safe"
	for credential, password := range map[string]string{
		"{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc":                                      "password",
		"{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1":                    "Hello world!",
		"{SHA512-CRYPT}$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.": "Hello world!",
		"{CRYPT}$6$rounds=1000$s$7KSbb26tzYTWWplbfTLfBGtbJiZyl/MXRNcyagrzAreJ0qNGkaGQk6713yt4ahuMszyF28bH8AWFrYXUn7YqI.":                        long,
		"{BLF-CRYPT}$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW":                                                               "secret",
		"{CRYPT}$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW":                                                                   "secret",
		"{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==":                                                                                            "secret",
		"{ssha256}W2T0GtMfT9mqz2M6M2ugt7C4HxacLEVv3JHoqCU1LXpzYWx0eQ==":                                                                         "secret",
		"{SSHA512}cRZVawawrjxEyxFRA5IQOfoJR5ixDDGC21An2/SCqd4g0ur+UDDKUeANewBNE6RQaXqEPXjVWqZu8Xmy/YU3V3NhbHR5":                                 "secret",
		cheap().Hash([]byte("own")): "own",
	} {
		verify, err := ParseHash(credential)
		if err != nil {
			t.Errorf("%s: %v", credential, err)
			continue
		}
		if !verify([]byte(password)) {
			t.Errorf("%s does not verify", credential)
		}
		for _, wrong := range []string{"", password + "x", strings.ToUpper(password)} {
			if verify([]byte(wrong)) {
				t.Errorf("%s verifies %q", credential, wrong)
			}
		}
	}
}

func TestSchemesRefuse(t *testing.T) {
	for _, credential := range []string{
		"{ROT13}x", "{}x", "x", "",
		"{ARGON2ID}", "{ARGON2ID}$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO0", "{ARGON2ID}$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO0",
		"{ARGON2ID}$argon2id$v=19$m=4000000,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO0", "{ARGON2ID}$argon2id$v=19$m=64,t=999,p=1$c29tZXNhbHQ$CTFhFdXPJO0",
		"{ARGON2ID}$argon2id$v=19$m=64,t=1,p=200$c29tZXNhbHQ$CTFhFdXPJO0", "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$CTFhFdXPJO0",
		"{ARGON2ID}$argon2id$v=19$m=64,t=1$c29tZXNhbHQ$CTFhFdXPJO0", "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$", "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1,x=1$c29tZXNhbHQ$CTFhFdXPJO0",
		"{BLF-CRYPT}secret", "{BLF-CRYPT}$2b$15$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
		"{CRYPT}abJnggxhB/yWI", "{CRYPT}$1$salt$x", "{SHA512-CRYPT}$6$saltstring$short", "{SHA512-CRYPT}$6$rounds=999999999$s$" + strings.Repeat("x", 86),
		"{SSHA}secret", "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "{SSHA256}", "{SSHA512}!!!",
	} {
		if _, err := ParseHash(credential); !fault.Is(err, fault.Invalid) {
			t.Errorf("ParseHash(%q) = %v", credential, err)
		}
	}
}

func TestParsePassword(t *testing.T) {
	const bcrypted = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
	for in, want := range map[string][2]string{
		"secret":                 {"secret", ""},
		"{PLAIN}secret":          {"secret", ""},
		"{plain}{SSHA}":          {"{SSHA}", ""},
		"{not closed":            {"{not closed", ""},
		"{a b}c":                 {"{a b}c", ""},
		"mu\u0308de":             {"müde", ""},
		"{blf-crypt}" + bcrypted: {"", "{BLF-CRYPT}" + bcrypted},
	} {
		plain, credential, err := Parse(in)
		if err != nil || string(plain) != want[0] || credential != want[1] {
			t.Errorf("Parse(%q) = %q, %q, %v; want %q", in, plain, credential, err, want)
		}
	}
	for _, in := range []string{"", "{PLAIN}", "a\x00b", "a\nb", "\xff", "{MD5}x", strings.Repeat("x", MaxPassword+1)} {
		if plain, credential, err := Parse(in); !fault.Is(err, fault.Invalid) {
			t.Errorf("Parse(%q) = %q, %q, %v", in, plain, credential, err)
		}
	}
}

func TestCredentialsShareNothing(t *testing.T) {
	a, b := cheap().Hash([]byte("secret")), cheap().Hash([]byte("secret"))
	if a == b || !cheap().Made(a) || DefaultCost().Made(a) {
		t.Errorf("credentials %s and %s", a, b)
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("{SHA512-CRYPT}$6$rounds=10000$salt$x")
	f.Add("{CRYPT}$2b$04$abc")
	f.Add("{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==")
	f.Fuzz(func(_ *testing.T, s string) {
		ParseHash(s) // must not panic
		Parse(s)
	})
}

func BenchmarkHash(b *testing.B) {
	for b.Loop() {
		DefaultCost().Hash([]byte("secret"))
	}
}

// cheap is for tests that are not about hashing.
func cheap() Cost { return Cost{Memory: 64, Passes: 1, Threads: 1} }
