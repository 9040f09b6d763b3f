package credential

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// maxPBKDF2 is the most iterations that a login may have; Django is at a million.
const maxPBKDF2 = 2_000_000

// pbkdf2Of reads what has come to be called PBKDF2 (RFC 8018 §5.2):
//
//	$1$salt$rounds$hex                 Dovecot; SHA-1, and the salt is text
//	$pbkdf2-sha256$rounds$salt$hash    passlib; SHA-1 without a suffix; base64 with . for +
//	rounds$salt$hash                   the same in LDAP; the scheme names the hash function
//	pbkdf2_sha256$rounds$salt$hash     Django; the salt is text
func pbkdf2Of(digest string) func(string) (Verifier, error) {
	return func(text string) (Verifier, error) {
		parts := strings.Split(text, "$")
		switch {
		case len(parts) == 5 && parts[0] == "" && parts[1] == "1":
			want, err := hex.DecodeString(parts[4])
			return pbkdf2Verifier("sha1", parts[3], []byte(parts[2]), want, err)
		case len(parts) == 5 && parts[0] == "" && parts[1] == "pbkdf2":
			return pbkdf2Passlib("sha1", parts[2:])
		case len(parts) == 5 && parts[0] == "" && strings.HasPrefix(parts[1], "pbkdf2-"):
			return pbkdf2Passlib(strings.TrimPrefix(parts[1], "pbkdf2-"), parts[2:])
		case len(parts) == 3:
			return pbkdf2Passlib(digest, parts)
		case len(parts) == 4 && strings.HasPrefix(parts[0], "pbkdf2_"):
			want, err := base64.StdEncoding.DecodeString(parts[3])
			return pbkdf2Verifier(strings.TrimPrefix(parts[0], "pbkdf2_"), parts[1], []byte(parts[2]), want, err)
		}
		return nil, fmt.Errorf("want $1$salt$rounds$hash or $pbkdf2-sha256$rounds$salt$hash")
	}
}

// pbkdf2Passlib reads rounds, salt and hash.
func pbkdf2Passlib(digest string, parts []string) (Verifier, error) {
	decode := func(s string) ([]byte, error) {
		return base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.ReplaceAll(s, ".", "+"), "="))
	}
	salt, err := decode(parts[1])
	if err != nil {
		return nil, fmt.Errorf("the salt is not base64")
	}
	want, err := decode(parts[2])
	return pbkdf2Verifier(digest, parts[0], salt, want, err)
}

func pbkdf2Verifier(digest, rounds string, salt, want []byte, err error) (Verifier, error) {
	functions := map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}
	newHash, known := functions[digest]
	n, notNumber := strconv.Atoi(rounds)
	switch {
	case !known:
		return nil, fmt.Errorf("hash function %q is not known; want sha1, sha256 or sha512", digest)
	case notNumber != nil || n < 1:
		return nil, fmt.Errorf("%q is no number of rounds", rounds)
	case n > maxPBKDF2:
		return nil, fmt.Errorf("%d rounds are too expensive; at most %d", n, maxPBKDF2)
	case err != nil || len(want) < 16 || len(want) > newHash().Size():
		return nil, fmt.Errorf("the hash is damaged, or not of %s", digest)
	}
	return func(password []byte) bool {
		key, err := pbkdf2.Key(newHash, string(password), salt, n, len(want))
		return err == nil && equal(want, key)
	}, nil
}

// scramOf reads iterations,salt,StoredKey,ServerKey, as Dovecot keeps it.
func scramOf(h ScramHash) func(string) (Verifier, error) {
	return func(text string) (Verifier, error) {
		parts := strings.Split(text, ",")
		if len(parts) != 4 {
			return nil, fmt.Errorf("want iterations,salt,stored key,server key")
		}
		n, err := strconv.Atoi(parts[0])
		if err != nil || n < 1 || n > maxPBKDF2 {
			return nil, fmt.Errorf("%q iterations; want 1 to %d", parts[0], maxPBKDF2)
		}
		salt, err := base64.StdEncoding.DecodeString(parts[1])
		if err != nil || len(salt) == 0 {
			return nil, fmt.Errorf("the salt is not base64")
		}
		stored, err := base64.StdEncoding.DecodeString(parts[2])
		if err != nil || len(stored) != h.New().Size() {
			return nil, fmt.Errorf("the stored key is not base64 of %d bytes", h.New().Size())
		}
		return func(password []byte) bool {
			right := false
			for _, form := range ScramForms(string(password)) {
				key, err := h.Key(form, salt, n)
				right = right || err == nil && equal(stored, key.Stored)
			}
			return right
		}, nil
	}
}
