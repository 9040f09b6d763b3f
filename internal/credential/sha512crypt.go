package credential

import (
	"crypto/sha512"
	"fmt"
	"strconv"
	"strings"
)

// SHA512-CRYPT as in "Unix crypt using SHA-256 and SHA-512" by Ulrich Drepper; the
// numbers of steps in the comments are those of its description.
const (
	crypt512Rounds    = 5000
	crypt512MinRounds = 1000
	crypt512MaxRounds = 1_000_000 // ours; the description's is 999,999,999
	crypt512Salt      = 16
	cryptAlphabet     = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// parseSHA512Crypt reads $6$[rounds=N$]salt$hash.
func parseSHA512Crypt(text string) (Verifier, error) {
	parts := strings.Split(text, "$")
	rounds := crypt512Rounds
	if len(parts) == 5 && strings.HasPrefix(parts[2], "rounds=") {
		n, err := strconv.Atoi(strings.TrimPrefix(parts[2], "rounds="))
		if err != nil || n > crypt512MaxRounds {
			return nil, fmt.Errorf("%q is too expensive; at most rounds=%d", parts[2], crypt512MaxRounds)
		}
		rounds = max(n, crypt512MinRounds)
		parts = append(parts[:2], parts[3:]...)
	}
	if len(parts) != 4 || parts[0] != "" || parts[1] != "6" || len(parts[3]) != 86 {
		return nil, fmt.Errorf("want $6$salt$hash or $6$rounds=…$salt$hash")
	}
	salt, want := []byte(parts[2]), []byte(parts[3])
	if len(salt) > crypt512Salt {
		salt = salt[:crypt512Salt]
	}
	return func(password []byte) bool { return equal(want, sha512Crypt(password, salt, rounds)) }, nil
}

func sha512Crypt(password, salt []byte, rounds int) []byte {
	a := cryptFirst(password, salt)

	// Steps 13-20: strings of digests, as long as the password and the salt.
	dp := sha512.New()
	for range len(password) {
		dp.Write(password)
	}
	p := repeat(dp.Sum(nil), len(password))
	ds := sha512.New()
	for range 16 + int(a[0]) {
		ds.Write(salt)
	}
	s := repeat(ds.Sum(nil), len(salt))

	// Step 21: the rounds.
	for i := range rounds {
		c := sha512.New()
		if i%2 != 0 {
			c.Write(p)
		} else {
			c.Write(a)
		}
		if i%3 != 0 {
			c.Write(s)
		}
		if i%7 != 0 {
			c.Write(p)
		}
		if i%2 != 0 {
			c.Write(a)
		} else {
			c.Write(p)
		}
		a = c.Sum(a[:0])
	}
	return cryptEncode(a)
}

// cryptFirst is the digest A of steps 1-12.
func cryptFirst(password, salt []byte) []byte {
	db := sha512.New()
	db.Write(password)
	db.Write(salt)
	db.Write(password)
	b := db.Sum(nil)

	da := sha512.New()
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

// repeat is block after block up to length n.
func repeat(block []byte, n int) []byte {
	out := make([]byte, 0, n+len(block))
	for len(out) < n {
		out = append(out, block...)
	}
	return out[:n]
}

// cryptEncode is step 22: the digest's bytes in an order of their own, six bits at
// a time, lowest first.
func cryptEncode(digest []byte) []byte {
	out := make([]byte, 0, 86)
	emit := func(word uint32, chars int) {
		for range chars {
			out = append(out, cryptAlphabet[word&0x3f])
			word >>= 6
		}
	}
	// Each group takes three bytes 21 apart; the start moves by 22 modulo 63.
	for i, j := 0, 0; i < 21; i, j = i+1, (j+22)%63 {
		emit(uint32(digest[j])<<16|uint32(digest[(j+21)%63])<<8|uint32(digest[(j+42)%63]), 4)
	}
	emit(uint32(digest[63]), 2)
	return out
}
