package credential

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost is the cost of argon2id (RFC 9106).
type Cost struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// DefaultCost is what OWASP recommends for servers: 19 MiB, two passes.
func DefaultCost() Cost { return Cost{Memory: 19 << 10, Passes: 2, Threads: 1} }

const (
	saltBytes = 16
	hashBytes = 32
)

// prefix is how hashes of this cost begin.
func (c Cost) prefix() string {
	return fmt.Sprintf("{ARGON2ID}$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, c.Memory, c.Passes, c.Threads)
}

// Made says whether a hash is one of ours, of this cost.
func (c Cost) Made(hash string) bool { return strings.HasPrefix(hash, c.prefix()) }

// Hash hashes a prepared password with a new salt.
func (c Cost) Hash(password []byte) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails
	hash := argon2.IDKey(password, salt, c.Passes, c.Memory, c.Threads, hashBytes)
	return c.prefix() + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(hash)
}

// Nobody is the hash of a user who is not there: as expensive as any, and matched
// by nothing that is known.
func (c Cost) Nobody() string {
	salt, hash := make([]byte, saltBytes), make([]byte, hashBytes)
	return c.prefix() + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(hash)
}

// Waste takes the time of a hash.
func (c Cost) Waste(password []byte) {
	argon2.IDKey(password, make([]byte, saltBytes), c.Passes, c.Memory, c.Threads, hashBytes)
}
