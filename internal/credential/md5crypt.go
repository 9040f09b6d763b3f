package credential

import (
	"crypto/md5"
	"fmt"
	"strings"
)

// MD5-CRYPT, by Poul-Henning Kamp for FreeBSD in 1994. Nothing here makes such a hash:
// they come from old servers, and are gone after the first login.
const (
	md5Rounds = 1000
	md5Salt   = 8
	md5Size   = 22
)

// parseMD5Crypt reads $1$salt$hash, and $apr1$salt$hash of Apache.
func parseMD5Crypt(text string) (Verifier, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 4 || parts[0] != "" || parts[1] != "1" && parts[1] != "apr1" || len(parts[3]) != md5Size {
		return nil, fmt.Errorf("want $1$salt$hash, with a hash of %d characters", md5Size)
	}
	magic, salt, want := "$"+parts[1]+"$", []byte(parts[2]), []byte(parts[3])
	if len(salt) > md5Salt {
		salt = salt[:md5Salt]
	}
	return func(password []byte) bool { return equal(want, md5Crypt(magic, password, salt)) }, nil
}

func md5Crypt(magic string, password, salt []byte) []byte {
	second := md5.New()
	second.Write(password)
	second.Write(salt)
	second.Write(password)

	first := md5.New()
	first.Write(password)
	first.Write([]byte(magic))
	first.Write(salt)
	first.Write(repeat(second.Sum(nil), len(password)))
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 {
			first.Write([]byte{0})
		} else {
			first.Write(password[:1])
		}
	}
	a := stretch(md5.New, first.Sum(nil), password, salt, md5Rounds)
	var out []byte
	for _, group := range [][3]int{{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}} {
		out = crypt64(out, 4, a[group[0]], a[group[1]], a[group[2]])
	}
	return crypt64(out, 2, 0, 0, a[11])
}
