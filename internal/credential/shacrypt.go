package credential

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// SHA256-CRYPT and SHA512-CRYPT as in "Unix crypt using SHA-256 and SHA-512" by Ulrich
// Drepper; the numbers of steps in the comments are those of its description.
const (
	cryptRounds    = 5000
	cryptMinRounds = 1000
	cryptMaxRounds = 1_000_000 // ours; the description's is 999,999,999
	cryptSalt      = 16
	cryptAlphabet  = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// shaCrypt is one of the two.
type shaCrypt struct {
	id   string // between the first dollars
	new  func() hash.Hash
	size int // of the hash as text
	step int // between the starts of groups when it is encoded
}

func sha256Crypt() *shaCrypt { return &shaCrypt{"5", sha256.New, 43, 21} }
func sha512Crypt() *shaCrypt { return &shaCrypt{"6", sha512.New, 86, 22} }

// parse reads $6$[rounds=N$]salt$hash.
func (c *shaCrypt) parse(text string) (Verifier, error) {
	parts := strings.Split(text, "$")
	rounds := cryptRounds
	if len(parts) == 5 && strings.HasPrefix(parts[2], "rounds=") {
		n, err := strconv.Atoi(strings.TrimPrefix(parts[2], "rounds="))
		if err != nil || n > cryptMaxRounds {
			return nil, fmt.Errorf("%q is too expensive; at most rounds=%d", parts[2], cryptMaxRounds)
		}
		rounds = max(n, cryptMinRounds)
		parts = append(parts[:2], parts[3:]...)
	}
	if len(parts) != 4 || parts[0] != "" || parts[1] != c.id || len(parts[3]) != c.size {
		return nil, fmt.Errorf("want $%s$salt$hash or $%s$rounds=…$salt$hash, with a hash of %d characters", c.id, c.id, c.size)
	}
	salt, want := []byte(parts[2]), []byte(parts[3])
	if len(salt) > cryptSalt {
		salt = salt[:cryptSalt]
	}
	return func(password []byte) bool { return equal(want, c.hash(password, salt, rounds)) }, nil
}

func (c *shaCrypt) hash(password, salt []byte, rounds int) []byte {
	a := c.first(password, salt)

	// Steps 13-20: strings of digests, as long as the password and the salt.
	dp := c.new()
	for range len(password) {
		dp.Write(password)
	}
	p := repeat(dp.Sum(nil), len(password))
	ds := c.new()
	for range 16 + int(a[0]) {
		ds.Write(salt)
	}
	s := repeat(ds.Sum(nil), len(salt))

	return c.encode(stretch(c.new, a, p, s, rounds)) // steps 21 and 22
}

// stretch is the rounds, which are those of MD5-CRYPT, too: the digest is hashed again and
// again, with the password and the salt beside it in an order that is never the same for long.
func stretch(digest func() hash.Hash, a, password, salt []byte, rounds int) []byte {
	for i := range rounds {
		h := digest()
		if i%2 != 0 {
			h.Write(password)
		} else {
			h.Write(a)
		}
		if i%3 != 0 {
			h.Write(salt)
		}
		if i%7 != 0 {
			h.Write(password)
		}
		if i%2 != 0 {
			h.Write(a)
		} else {
			h.Write(password)
		}
		a = h.Sum(a[:0])
	}
	return a
}

// first is the digest A of steps 1-12.
func (c *shaCrypt) first(password, salt []byte) []byte {
	db := c.new()
	db.Write(password)
	db.Write(salt)
	db.Write(password)
	b := db.Sum(nil)

	da := c.new()
	da.Write(password)
	da.Write(salt)
	da.Write(repeat(b, len(password)))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			da.Write(b)
		} else {
			da.Write(password)
		}
	}
	return da.Sum(nil)
}

// encode gives the digest's bytes in an order of their own. Each group takes
// three bytes, a third of all apart; one or two are left.
func (c *shaCrypt) encode(digest []byte) []byte {
	out := make([]byte, 0, c.size)
	whole := len(digest) / 3 * 3
	third := whole / 3
	for i, j := 0, 0; i < third; i, j = i+1, (j+c.step)%whole {
		out = crypt64(out, 4, digest[j], digest[(j+third)%whole], digest[(j+2*third)%whole])
	}
	if len(digest)-whole == 2 {
		return crypt64(out, 3, 0, digest[whole+1], digest[whole])
	}
	return crypt64(out, 2, 0, 0, digest[whole])
}

// crypt64 appends three bytes as characters of six bits, lowest first.
func crypt64(out []byte, chars int, high, middle, low byte) []byte {
	word := uint32(high)<<16 | uint32(middle)<<8 | uint32(low)
	for range chars {
		out = append(out, cryptAlphabet[word&0x3f])
		word >>= 6
	}
	return out
}

// repeat is block after block up to length n.
func repeat(block []byte, n int) []byte {
	out := make([]byte, 0, n+len(block))
	for len(out) < n {
		out = append(out, block...)
	}
	return out[:n]
}
