package credential

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

// App passwords are made here, never chosen: twenty of 32 letters and digits, which
// is 100 bits, in groups of four. What is random needs no slow hash: at a trillion
// guesses a second, 2^100 take longer than there have been stars. Letters that are taken for
// digits are left out, and understood all the same.
const (
	appAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	appLetters  = 20
	appGroup    = 4
)

// NewAppPassword makes an app password, "k3nd-8xq2-…".
func NewAppPassword() string { return randomLetters(appLetters) }

func randomLetters(n int) string {
	random := make([]byte, n)
	rand.Read(random) // never fails
	for i, b := range random {
		random[i] = appAlphabet[b%32]
	}
	return grouped(string(random))
}

func grouped(letters string) string {
	var text strings.Builder
	for i := range len(letters) {
		if i > 0 && i%appGroup == 0 {
			text.WriteByte('-')
		}
		text.WriteByte(letters[i])
	}
	return text.String()
}

// AppPassword reads what somebody typed as an app password: in any case, with any
// blanks and hyphens. ok is false for what cannot be one.
func AppPassword(typed string) (password string, ok bool) { return readLetters(typed, appLetters) }

func readLetters(typed string, n int) (text string, ok bool) {
	if len(typed) > 4*n {
		return "", false
	}
	letters := strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-' || r == '\u00a0':
			return -1
		case 'A' <= r && r <= 'Z':
			r += 'a' - 'A'
		}
		switch r {
		case 'o':
			return '0'
		case 'i', 'l':
			return '1'
		}
		return r
	}, typed)
	if len(letters) != n || strings.Trim(letters, appAlphabet) != "" {
		return "", false
	}
	return grouped(letters), true
}

// AppForms are the forms in which a client that proves an app password without
// sending it may use it: as it is shown, and without hyphens.
func AppForms(password string) []string {
	return []string{password, strings.ReplaceAll(password, "-", "")}
}

// AppHash is what is kept of an account's app password. The key is a secret of the
// store, so that the same password looks different everywhere.
func AppHash(key []byte, account uint64, password string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(binary.BigEndian.AppendUint64([]byte("app password\x00"), account))
	mac.Write([]byte(password))
	return mac.Sum(nil)
}
