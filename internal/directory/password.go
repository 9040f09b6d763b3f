package directory

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"posthorn/internal/fault"
)

// A password is kept as a credential, "{SCHEME}hash". What comes in as plain text
// is hashed with argon2id and never kept; other schemes come from other servers
// and are replaced at the first login.

// maxPassword is the longest password in bytes.
const maxPassword = 1024

// newCredential turns plain text or {SCHEME}hash into a credential.
func (d *Directory) newCredential(ctx context.Context, password string) (string, error) {
	plain, credential, err := parsePassword(password)
	if err != nil || credential != "" {
		return credential, err
	}
	free, err := d.turn(ctx, 0)
	if err != nil {
		return "", err
	}
	defer free()
	return d.hash.credential(plain), nil
}

// parsePassword checks a password as an operator gives it. It returns either the
// plain text to be hashed or the credential to be kept. {PLAIN} marks plain text
// that itself looks like a scheme.
func parsePassword(password string) (plain []byte, credential string, err error) {
	scheme, text, marked := cutScheme(password)
	if marked && scheme != "PLAIN" {
		credential = "{" + scheme + "}" + text
		_, err := parseCredential(credential)
		return nil, credential, err
	}
	switch {
	case text == "":
		return nil, "", fault.New(fault.Invalid, "the password is empty")
	case len(text) > maxPassword:
		return nil, "", fault.New(fault.Invalid, "the password has %d bytes; at most %d", len(text), maxPassword)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return nil, "", fault.New(fault.Invalid, "the password is not text, or has control characters in it")
	}
	return prepare(text), "", nil
}

// prepare is the form of a password that is hashed: composed, as RFC 8265 §4.2.2
// wants it, so that it does not matter which keyboard an ü came from.
func prepare(password string) []byte { return norm.NFC.Bytes([]byte(password)) }

// cutScheme splits "{SCHEME}rest". Without a scheme, rest is the whole.
func cutScheme(s string) (scheme, rest string, ok bool) {
	inner, ok := strings.CutPrefix(s, "{")
	if !ok {
		return "", s, false
	}
	scheme, rest, ok = strings.Cut(inner, "}")
	if !ok || scheme == "" || strings.ContainsFunc(scheme, notOfScheme) {
		return "", s, false
	}
	return strings.ToUpper(scheme), rest, true
}

func notOfScheme(r rune) bool {
	return r != '-' && r != '.' && !('A' <= r && r <= 'Z') && !('a' <= r && r <= 'z') && !('0' <= r && r <= '9')
}

// HashParams are the cost of argon2id (RFC 9106).
type HashParams struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// DefaultHash is what OWASP recommends for servers: 19 MiB, two passes.
func DefaultHash() HashParams { return HashParams{Memory: 19 << 10, Passes: 2, Threads: 1} }

const (
	saltBytes = 16
	hashBytes = 32
)

// prefix is how credentials with these parameters begin.
func (p HashParams) prefix() string {
	return fmt.Sprintf("{ARGON2ID}$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, p.Memory, p.Passes, p.Threads)
}

func isCurrent(credential string, p HashParams) bool {
	return strings.HasPrefix(credential, p.prefix())
}

// credential hashes a password with a new salt.
func (p HashParams) credential(password []byte) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails
	hash := argon2.IDKey(password, salt, p.Passes, p.Memory, p.Threads, hashBytes)
	return p.prefix() + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(hash)
}

// unknownCredential is the credential of a user that is not there: as expensive
// as any, and matched by nothing that is known.
func unknownCredential(p HashParams) string {
	salt, hash := make([]byte, saltBytes), make([]byte, hashBytes)
	return p.prefix() + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(hash)
}

// waste takes the time of a hash.
func (p HashParams) waste(password string) {
	argon2.IDKey([]byte(password), make([]byte, saltBytes), p.Passes, p.Memory, p.Threads, hashBytes)
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
