package credential

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"slices"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"posthorn/internal/fault"
)

// Verifier compares a prepared password with a hash.
type Verifier func(password []byte) bool

// scheme is a way in which passwords are hashed, by the name that Dovecot gives
// it. parse reads the hash, and refuses what is malformed or so expensive that a
// login would be an attack.
type scheme struct {
	name  string
	parse func(hash string) (Verifier, error)
}

func schemes() []scheme {
	return []scheme{
		{"ARGON2ID", parseArgon2id},
		{"BLF-CRYPT", parseBcrypt},
		{"SHA512-CRYPT", parseSHA512Crypt},
		{"CRYPT", parseCrypt},
		{"SSHA512", salted(sha512.New)},
		{"SSHA256", salted(sha256.New)},
		{"SSHA", salted(sha1.New)},
	}
}

// Schemes lists the schemes in which hashed passwords are accepted.
func Schemes() []string {
	var names []string
	for _, s := range schemes() {
		names = append(names, s.name)
	}
	return names
}

// SchemeOf is the scheme of a {SCHEME}hash.
func SchemeOf(hash string) string {
	scheme, _, _ := cutScheme(hash)
	return scheme
}

// ParseHash reads a whole {SCHEME}hash. Kind of error: Invalid.
func ParseHash(text string) (Verifier, error) {
	name, hash, _ := cutScheme(text)
	all := schemes()
	i := slices.IndexFunc(all, func(s scheme) bool { return s.name == name })
	if i < 0 {
		return nil, fault.New(fault.Invalid, "password scheme {%s} is not known; want one of %s (or {PLAIN} before a plain password that begins with a brace)",
			name, strings.Join(Schemes(), " "))
	}
	verify, err := all[i].parse(hash)
	if err != nil {
		return nil, fault.New(fault.Invalid, "{%s} password: %w", name, err)
	}
	return verify, nil
}

// Costs that a login may have at most.
const (
	maxArgonMemory  = 256 << 10 // KiB
	maxArgonPasses  = 16
	maxArgonThreads = 16
	maxBcryptCost   = 14
)

// parseArgon2id reads $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
func parseArgon2id(phc string) (Verifier, error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return nil, fmt.Errorf("want $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	if parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, fmt.Errorf("version %q; want v=%d", parts[2], argon2.Version)
	}
	var memory, passes, threads uint32
	if n, err := fmt.Sscanf(parts[3]+"$", "m=%d,t=%d,p=%d$", &memory, &passes, &threads); n != 3 || err != nil {
		return nil, fmt.Errorf("parameters %q; want m=…,t=…,p=…", parts[3])
	}
	switch {
	case memory > maxArgonMemory || passes > maxArgonPasses || threads > maxArgonThreads:
		return nil, fmt.Errorf("parameters %q are too expensive; at most m=%d,t=%d,p=%d", parts[3], maxArgonMemory, maxArgonPasses, maxArgonThreads)
	case memory < 8*threads || passes == 0 || threads == 0:
		return nil, fmt.Errorf("parameters %q are not possible", parts[3])
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return nil, fmt.Errorf("the salt is not base64")
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < 4 {
		return nil, fmt.Errorf("the hash is not base64, or too short")
	}
	return func(password []byte) bool {
		return equal(want, argon2.IDKey(password, salt, passes, memory, uint8(threads), uint32(len(want))))
	}, nil
}

// parseBcrypt reads $2b$12$….
func parseBcrypt(hash string) (Verifier, error) {
	cost, err := bcrypt.Cost([]byte(hash))
	switch {
	case err != nil:
		return nil, fmt.Errorf("want $2b$12$… of bcrypt")
	case cost > maxBcryptCost:
		return nil, fmt.Errorf("cost %d is too expensive; at most %d", cost, maxBcryptCost)
	}
	return func(password []byte) bool { return bcrypt.CompareHashAndPassword([]byte(hash), password) == nil }, nil
}

// parseCrypt reads what crypt(3) makes, as far as it is known here.
func parseCrypt(hash string) (Verifier, error) {
	switch {
	case strings.HasPrefix(hash, "$2"):
		return parseBcrypt(hash)
	case strings.HasPrefix(hash, "$6$"):
		return parseSHA512Crypt(hash)
	}
	return nil, fmt.Errorf("want $2b$… of bcrypt or $6$… of SHA512-CRYPT")
}

// salted reads base64 of a digest of password and salt, followed by the salt.
func salted(newHash func() hash.Hash) func(string) (Verifier, error) {
	return func(text string) (Verifier, error) {
		size := newHash().Size()
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw) <= size {
			return nil, fmt.Errorf("want base64 of a digest of %d bytes and a salt", size)
		}
		digest, salt := raw[:size], raw[size:]
		return func(password []byte) bool {
			h := newHash()
			h.Write(password)
			h.Write(salt)
			return equal(digest, h.Sum(nil))
		}, nil
	}
}
