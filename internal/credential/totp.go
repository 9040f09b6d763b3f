package credential

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// One-time codes are those that every authenticator app makes (RFC 6238): six digits,
// SHA-1, a new one every 30 seconds.
const (
	totpPeriod  = 30 // seconds
	totpSkew    = 1  // periods by which the clock of a phone may be off, RFC 6238 §5.2
	totpBytes   = 20 // of a secret, RFC 4226 §4
	recoveryLen = 16 // letters of a recovery code: 80 bits
)

// NewTOTP makes a secret, in the base32 that apps take.
func NewTOTP() string {
	secret := make([]byte, totpBytes)
	rand.Read(secret) // never fails
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// TOTPURL is what an authenticator app reads as a QR code.
func TOTPURL(issuer, address, secret string) string {
	values := url.Values{"secret": {secret}, "issuer": {issuer}}
	return "otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(address) + "?" + values.Encode()
}

// TOTPStep says which period's code it is. ok is false if it is of none that counts now.
func TOTPStep(code, secret string, now time.Time) (step uint64, ok bool) {
	code = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, code)
	current := uint64(now.Unix()) / totpPeriod
	for s := current - totpSkew; s <= current+totpSkew; s++ {
		want, err := hotp.GenerateCodeCustom(secret, s, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// NewRecoveryCode makes a code for whoever has lost his phone.
func NewRecoveryCode() string { return randomLetters(recoveryLen) }

// RecoveryCode reads what somebody typed as one, as AppPassword does.
func RecoveryCode(typed string) (code string, ok bool) { return readLetters(typed, recoveryLen) }

// RecoveryHash is what is kept of an account's recovery code.
func RecoveryHash(key []byte, account uint64, code string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(binary.BigEndian.AppendUint64([]byte("recovery code\x00"), account))
	mac.Write([]byte(code))
	return mac.Sum(nil)
}
