package credential

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"posthorn/internal/fault"
)

// ScramHash is the hash function of a SCRAM mechanism.
type ScramHash uint8

// The hash functions.
const (
	ScramSHA1   ScramHash = iota + 1 // RFC 5802
	ScramSHA256                      // RFC 7677
)

// ScramIterations is the cost of SCRAM keys, the least that RFC 7677 §4 wants. The
// client pays it at each login, a phone too; what guards the keys here is that they
// lie in a Box.
const ScramIterations = 4096

func (h ScramHash) String() string {
	return [...]string{ScramSHA1: "SCRAM-SHA-1", ScramSHA256: "SCRAM-SHA-256"}[h]
}

// New makes the hash function.
func (h ScramHash) New() hash.Hash {
	if h == ScramSHA1 {
		return sha1.New()
	}
	return sha256.New()
}

// ScramKey is what a server has to know of a password (RFC 5802 §3). Whoever has it
// can play the server, but not the client.
type ScramKey struct {
	Stored []byte `json:"stored"`
	Server []byte `json:"server"`
}

// Key derives the key of a password in the form in which a client uses it. Kind of
// error: Internal.
func (h ScramHash) Key(password string, salt []byte, iterations int) (ScramKey, error) {
	salted, err := pbkdf2.Key(h.New, password, salt, iterations, h.New().Size())
	if err != nil {
		return ScramKey{}, fault.New(fault.Internal, "credential: %v: %w", h, err)
	}
	return h.keyOf(salted), nil
}

// keyOf is RFC 5802 §3 from SaltedPassword on.
func (h ScramHash) keyOf(salted []byte) ScramKey {
	stored := h.New()
	stored.Write(h.MAC(salted, "Client Key"))
	return ScramKey{Stored: stored.Sum(nil), Server: h.MAC(salted, "Server Key")}
}

// MAC is HMAC with the hash function.
func (h ScramHash) MAC(key []byte, text string) []byte {
	mac := hmac.New(h.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// ScramForms are the forms of a password that clients may use: as it is kept here,
// and, where that is something else, prepared as RFC 5802 §5.1 has it (SASLprep).
func ScramForms(password string) []string {
	forms := []string{string(Prepare(password))}
	if prepared := saslPrep(password); prepared != forms[0] {
		forms = append(forms, prepared)
	}
	return forms
}

// saslPrep is the mapping of RFC 4013 §2.1-2.2. What that profile forbids is left
// as it is: some client lets it through.
func saslPrep(password string) string {
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		switch {
		case r > unicode.MaxASCII && unicode.Is(unicode.Zs, r):
			return ' '
		case strings.ContainsRune(mappedToNothing, r), 0xfe00 <= r && r <= 0xfe0f:
			return -1
		}
		return r
	}, password))
}

// mappedToNothing is RFC 3454 table B.1 without its variation selectors.
const mappedToNothing = "\u00ad\u034f\u1806\u180b\u180c\u180d\u200b\u200c\u200d\u2060\ufeff"
