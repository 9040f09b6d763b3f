package credential

import (
	"strings"
	"testing"

	"posthorn/internal/fault"
)

// The hashes were made by other software: the argon2 reference, glibc, OpenSSL,
// Python's hashlib, Dovecot, passlib.
func TestSchemes(t *testing.T) {
	const secret = "sécret pass"
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

		// By doveadm pw of Dovecot 2.3.19.
		"{ARGON2I}$argon2i$v=19$m=32768,t=3,p=1$5HziGAb9cTh+3y7oWgkwBw$/TOZ8gP3wMbFeOB8pXrDz7taDtrS3WltF3STI/+p1Yg":                              secret,
		"{BLF-CRYPT}$2y$05$SK8jGPiz5Oh5Q63EQ3jzLu0sLwJ.Kb1piKKiqnjiPVas1scnqT3pe":                                                                secret,
		"{SHA512-CRYPT}$6$JrNUZBhxL6KGVKm0$jCqCUwhYnnL61npPDjD10aOJMo2Qe0GQq4B7RCTf9i5q/RzQpIDED4.J9BNxmCF9nfTuJlsqBmP3Rc6Y1YweX0":               secret,
		"{SHA256-CRYPT}$5$AnOd5kU43S.DG33c$6zDfwwocpSelv.EH0YIeRe9WHSNP0Vl3BG7x4TA21k6":                                                          secret,
		"{MD5-CRYPT}$1$02tqC1kb$q/oujyKJ9BY/lw99S2Xfu0":                                                                                          secret,
		"{CRYPT}$2y$05$EAJ1qcSuxnUUdgcwqA/YOudeik19Ny.jZe/vaDoGMD09klMjqJCC.":                                                                    secret,
		"{SSHA}r3maYlNPzKtm/ypI39PFVVs6nmicf6ku":                                                                                                 secret,
		"{SSHA256}C31gENxQaoYYqddUSzEXYR75iINWlg+1K8y5WXqyiTsmAgTc":                                                                              secret,
		"{SSHA512}NISZL/TZIx7q1BT9gKPmRUR3PXKD6eyt1YmpFbcbytd65H1XGrQEl0kgts5QbBG8wYwnGrlPLSsDwQegUDKJ+e/0Uvo=":                                  secret,
		"{SMD5}tUwPquKuqubuIcWS9bX9DwXbLd8=":                                                                                                     secret,
		"{PBKDF2}$1$DmoQAr96gIepugJc$5000$2e4e2a43e415b63debe33ae3cd4c4ff9e20511c1":                                                              secret,
		"{SCRAM-SHA-1}4096,A+ZiswjpjTTS6gzc+/poVQ==,YVfSzKyCfALItuQWosdG/Js07Hc=,ItyfRYuQ2708UxcowtmEZrq8AFA=":                                   secret,
		"{SCRAM-SHA-256}4096,0wisXjvkqaYfhorQEghdyw==,Gt1oKYwfIcjk3MFNKbpeMrY8bgCdrwmArJlArr2DvBU=,FPoxNn0pVIfEdm+01HjOIC6r9UJLMsfoZvDUisKCLJI=": secret,
		"{SHA}70QCi8RF0Slo71PshBP5IXr7vAU=":                                                                                                      secret,
		"{SHA256}OPeqtbJGq08eOdqRmPhWOVpoLLmFFmXiVqikiTcDEX4=":                                                                                   secret,
		"{SHA256.HEX}38f7aab5b246ab4f1e39da9198f856395a682cb9851665e256a8a4893703117e":                                                           secret,
		"{SHA512}C7Td6cJ2THBNFQuKsHz9lAC/3xEKfvBtPX6GLPb49bWCcxCQsI6SVnN+pLj1dxb8ubQEb0xMMdYQbjg51f7I7Q==":                                       secret,

		// By passlib 1.7.4.
		"{PBKDF2}$pbkdf2-sha256$1000$QEiJkXIO4TwHAADgPIeQsg$60nIavvJu3QOwQPQdQF24L98nILa7J55urtIzkgio0k":                                                   secret,
		"{PBKDF2}$pbkdf2$1000$SwmhVIrxfm8NIUTImROC8A$KuiOmSjaVFoFKZJeFu.ZX8oM.04":                                                                          secret,
		"{PBKDF2-SHA512}$pbkdf2-sha512$1000$AIBQCuF8r1UqZQwhxDinNA$66X7kd47K26Bv5kyJB801VQEH.h6nlsqdI2iijC.fWk0dEBROFJvXwOob6nT.6FGCDNFCEluVX2kgbwKyjt8rA": secret,
		"{PBKDF2-SHA256}1000$xtjbW6vVei8FQEiJ0VorxQ$Qns9uKypxDmAZHAMVnuY4bpLJ8cNbeixgHK4BVhqgHw":                                                           secret,
		"{PBKDF2}1000$MOZ8b60VIqR0bk2pFWJszQ$VY7TI92mDXPkTV2ELNga4SSEp54":                                                                                  secret,
		"{PBKDF2}pbkdf2_sha256$1000$5bCAyGbzViwR$Xis+Jh6goFX2TRWDNVrVy99Z8papRRCOSsjjbKohj80=":                                                             secret,
		"{PBKDF2}pbkdf2_sha1$1000$gXc30ZNVyRyE$AGZPMmUBWDwE+zDfiKK852H8Z1U=":                                                                               secret,
		"{SHA256-CRYPT}$5$rounds=1000$JQoLJuSduOnqgJbH$VU5ffzGhAnkYysHs0GrBYwuQxpLjZkDGtSZcVT1aOoC":                                                        secret,
		"{CRYPT}$5$rounds=1001$abcdef$/SN1ECCXT3sj8Z3Il0.1UQkJl8YTZmqsO.rKve8BFVA":                                                                         strings.Repeat("w", 100),
		"{CRYPT}$1$abc$qdFhQQu2h5LhdNJiHHXIX0":                                                                                                             strings.Repeat("w", 100),
		"{MD5-CRYPT}$1$abc$0Rwn0BdnoYJlkcmc/8RlU1":                                                                                                         strings.Repeat("y", 17),
		"{MD5-CRYPT}$apr1$9wHwLe7X$/JiPeMDuhqk6Kg1RBUadQ1":                                                                                                 secret,
		"{SMD5}Ed///BU46xwbganZ3SMf3LOWknI=":                                                                                                               secret,
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
		"{CRYPT}abJnggxhB/yWI", "{CRYPT}$1$salt$x", "{MD5-CRYPT}$1$salt$x", "{MD5-CRYPT}$1$0Rwn0BdnoYJlkcmc/8RlU1", "{SHA256-CRYPT}$5$salt$short",
		"{ARGON2I}$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO0", "{ARGON2}$argon2d$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO0",
		"{PBKDF2}", "{PBKDF2}$1$salt$5000$2e4e", "{PBKDF2}$1$salt$x$2e4e2a43e415b63debe33ae3cd4c4ff9e20511c1",
		"{PBKDF2}$1$salt$99999999$2e4e2a43e415b63debe33ae3cd4c4ff9e20511c1", "{PBKDF2}$pbkdf2-md5$1000$QEiJ$KuiOmSjaVFoFKZJeFu.ZX8oM.04", "{PBKDF2}0$QEiJ$KuiOmSjaVFoFKZJeFu.ZX8oM.04",
		"{SCRAM-SHA-1}4096,A+Zi,YVfS,Ityf", "{SCRAM-SHA-1}0,A+ZiswjpjTTS6gzc+/poVQ==,YVfSzKyCfALItuQWosdG/Js07Hc=,x", "{SCRAM-SHA-256}x",
		"{SHA}r3maYlNPzKtm/ypI39PFVVs6nmicf6ku", "{SSHA.HEX}zz", "{SSHA.OCT}00", "{SMD5}x", "{SHA256.HEX}", "{SHA512-CRYPT}$6$saltstring$short", "{SHA512-CRYPT}$6$rounds=999999999$s$" + strings.Repeat("x", 86),
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
		"{CLEARTEXT}secret":      {"secret", ""},
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
	f.Add("{PBKDF2}$pbkdf2-sha256$1000$QEiJkXIO4TwHAADgPIeQsg$60nIavvJu3QOwQPQdQF24L98nILa7J55urtIzkgio0k")
	f.Add("{SCRAM-SHA-1}4096,A+ZiswjpjTTS6gzc+/poVQ==,YVfSzKyCfALItuQWosdG/Js07Hc=,ItyfRYuQ2708UxcowtmEZrq8AFA=")
	f.Add("{SHA256.HEX}38f7aab5b246ab4f1e39da9198f856395a682cb9851665e256a8a4893703117e")
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
