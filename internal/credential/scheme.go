package credential

import (
	"cmp"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
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
		{"ARGON2ID", argon2Of("argon2id")},
		{"ARGON2I", argon2Of("argon2i")},
		{"ARGON2", argon2Of("")},
		{"BLF-CRYPT", parseBcrypt},
		{"SHA512-CRYPT", sha512Crypt().parse},
		{"SHA256-CRYPT", sha256Crypt().parse},
		{"MD5-CRYPT", parseMD5Crypt},
		{"CRYPT", parseCrypt},
		{"PBKDF2", pbkdf2Of("sha1")},
		{"PBKDF2-SHA256", pbkdf2Of("sha256")},
		{"PBKDF2-SHA512", pbkdf2Of("sha512")},
		{"SCRAM-SHA-1", scramOf(ScramSHA1)},
		{"SCRAM-SHA-256", scramOf(ScramSHA256)},
		{"SSHA512", digest(sha512.New, true)},
		{"SSHA256", digest(sha256.New, true)},
		{"SSHA", digest(sha1.New, true)},
		{"SMD5", digest(md5.New, true)},
		{"SHA512", digest(sha512.New, false)},
		{"SHA256", digest(sha256.New, false)},
		{"SHA", digest(sha1.New, false)},
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
	name, encoding, _ := strings.Cut(name, ".") // as in {SSHA256.HEX}
	all := schemes()
	i := slices.IndexFunc(all, func(s scheme) bool { return s.name == name })
	if i < 0 {
		return nil, fault.New(fault.Invalid, "password scheme {%s} is not known; want one of %s (or {PLAIN} before a plain password that begins with a brace)",
			name, strings.Join(Schemes(), " "))
	}
	hash, err := recode(hash, encoding)
	var verify Verifier
	if err == nil {
		verify, err = all[i].parse(hash)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "{%s} password: %w", name, err)
	}
	return verify, nil
}

// recode gives the base64 of a hash that is written otherwise.
func recode(hash, encoding string) (string, error) {
	switch encoding {
	case "", "B64", "BASE64":
		return hash, nil
	case "HEX":
		raw, err := hex.DecodeString(hash)
		if err != nil {
			return "", fmt.Errorf("want hexadecimal digits")
		}
		return base64.StdEncoding.EncodeToString(raw), nil
	}
	return "", fmt.Errorf("encoding .%s is not known; want .HEX or .B64", encoding)
}

// Costs that a login may have at most.
const (
	maxArgonMemory  = 256 << 10 // KiB
	maxArgonPasses  = 16
	maxArgonThreads = 16
	maxBcryptCost   = 14
)

// argon2Of reads $argon2id$v=19$m=19456,t=2,p=1$salt$hash of one variant; "": of either.
func argon2Of(variant string) func(string) (Verifier, error) {
	return func(phc string) (Verifier, error) {
		parts := strings.Split(phc, "$")
		known := len(parts) == 6 && parts[0] == "" && (parts[1] == "argon2id" || parts[1] == "argon2i")
		if !known || variant != "" && parts[1] != variant {
			return nil, fmt.Errorf("want $%s$v=19$m=…,t=…,p=…$salt$hash", cmp.Or(variant, "argon2id"))
		}
		derive := argon2.IDKey
		if parts[1] == "argon2i" {
			derive = argon2.Key
		}
		return parseArgon2(parts, derive)
	}
}

// argon2Key is one of argon2's functions.
type argon2Key func(password, salt []byte, passes, memory uint32, threads uint8, size uint32) []byte

func parseArgon2(parts []string, derive argon2Key) (Verifier, error) {
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
	if err != nil || len(want) < 4 || len(want) > 128 {
		return nil, fmt.Errorf("the hash is not base64 of 4 to 128 bytes")
	}
	return func(password []byte) bool {
		return equal(want, derive(password, salt, passes, memory, uint8(threads), uint32(len(want))))
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
		return sha512Crypt().parse(hash)
	case strings.HasPrefix(hash, "$5$"):
		return sha256Crypt().parse(hash)
	case strings.HasPrefix(hash, "$1$"):
		return parseMD5Crypt(hash)
	}
	return nil, fmt.Errorf("want $2b$… of bcrypt, $6$… of SHA512-CRYPT, $5$… of SHA256-CRYPT or $1$… of MD5-CRYPT")
}

// digest reads base64 of a digest of password and salt, followed by the salt; or of
// the password alone.
func digest(newHash func() hash.Hash, salted bool) func(string) (Verifier, error) {
	return func(text string) (Verifier, error) {
		size := newHash().Size()
		raw, err := base64.StdEncoding.DecodeString(text)
		switch {
		case salted && (err != nil || len(raw) <= size):
			return nil, fmt.Errorf("want base64 of a digest of %d bytes and a salt", size)
		case !salted && (err != nil || len(raw) != size):
			return nil, fmt.Errorf("want base64 of a digest of %d bytes", size)
		}
		sum, salt := raw[:size], raw[size:]
		return func(password []byte) bool {
			h := newHash()
			h.Write(password)
			h.Write(salt)
			return equal(sum, h.Sum(nil))
		}, nil
	}
}
