package dkim

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"posthorn/internal/dns"
	"posthorn/internal/fault"
)

// lookupKey asks for the record of a key. Kinds of error: Unavailable if that may
// succeed later, else NotFound or Invalid.
func lookupKey(ctx context.Context, r *dns.Resolver, selector, domain string) (Record, error) {
	answer, err := r.TXT(ctx, RecordName(selector, domain))
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
		return Record{}, fault.New(fault.NotFound, "there is no key at %s", RecordName(selector, domain))
	case err != nil:
		return Record{}, fault.New(fault.Unavailable, "the name servers did not answer")
	}
	// RFC 6376 §3.6.2.2 leaves open what several texts mean: one key among other
	// things is clear, two keys are not.
	var key Record
	keys := 0
	for _, text := range answer.Texts {
		if k, broken := ParseRecord(text); broken == nil {
			key, keys = k, keys+1
		} else {
			err = broken
		}
	}
	switch {
	case keys > 1:
		return Record{}, fault.New(fault.Invalid, "there is more than one key at %s", RecordName(selector, domain))
	case keys == 0:
		return Record{}, fault.New(fault.Invalid, "the key cannot be used: %w", err)
	case len(key.Public) == 0:
		return Record{}, fault.New(fault.Invalid, "the key was revoked")
	}
	return key, nil
}

// How long the keys of RSA may be. RFC 8301 §3.2: shorter ones prove nothing; much
// longer ones only cost time.
const (
	minRSABits = 1024
	maxRSABits = 8192
)

// verify verifies a signature of a SHA-256 hash.
func (r Record) verify(hash, signature []byte) (Result, string) {
	switch r.Algorithm {
	case Ed25519:
		if len(r.Public) != ed25519.PublicKeySize {
			return PermError, "the key has a wrong length"
		}
		if ed25519.Verify(r.Public, hash, signature) { // RFC 8463 §3
			return Pass, ""
		}
	case RSA:
		key, err := parseRSA(r.Public)
		if err != nil {
			return PermError, err.Error()
		}
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return Policy, fmt.Sprintf("the key has %d bits, not %d to %d", bits, minRSABits, maxRSABits)
		}
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, hash, signature) == nil {
			return Pass, ""
		}
	default:
		return PermError, "the algorithm of the key is not known"
	}
	return Fail, "the header was changed, or the signature is by another key"
}

// parseRSA reads a public key in either of the forms that RFC 6376 can be read to
// mean (erratum 3017).
func parseRSA(der []byte) (*rsa.PublicKey, error) {
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return key, nil
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the key cannot be read")
	}
	if key, ok := public.(*rsa.PublicKey); ok {
		return key, nil
	}
	return nil, fault.New(fault.Invalid, "the key is none of RSA")
}
