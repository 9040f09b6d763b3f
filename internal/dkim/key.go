package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"posthorn/internal/fault"
)

// Algorithm is how a key signs; in records it is the value of k=.
type Algorithm string

// The algorithms.
const (
	RSA     Algorithm = "rsa"     // RFC 6376 §3.3.3, with 2048 bits: what every receiver knows
	Ed25519 Algorithm = "ed25519" // RFC 8463: short and fast, known to some
)

// Algorithms lists what we sign with, the best known first.
func Algorithms() []Algorithm { return []Algorithm{RSA, Ed25519} }

// rsaBits is the size of new RSA keys: the largest whose record every name server
// and every receiver is sure to take.
const rsaBits = 2048

// Key is a key of a domain that signs.
type Key struct {
	Domain    string // canonical: d= of its signatures
	Selector  string // s=
	Algorithm Algorithm
	Private   crypto.Signer
}

// GenerateKey makes a private key. An RSA key takes the processor tenths of a second.
func GenerateKey(a Algorithm) (crypto.Signer, error) {
	switch a {
	case RSA:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case Ed25519:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fault.New(fault.Internal, "dkim: there is no algorithm %q", a)
}

// MarshalPrivate gives a private key in the form of PKCS #8.
func MarshalPrivate(private crypto.Signer) ([]byte, error) {
	return x509.MarshalPKCS8PrivateKey(private)
}

// ParsePrivate reads what MarshalPrivate gave.
func ParsePrivate(der []byte) (crypto.Signer, error) {
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "dkim: %w", err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fault.New(fault.Corrupt, "dkim: a key of type %T does not sign", private)
	}
	return signer, nil
}

// RecordName is where the record of a key is published.
func RecordName(selector, domain string) string { return selector + "._domainkey." + domain }

// Record is what is published of a key.
type Record struct {
	Algorithm Algorithm
	Public    []byte // RSA: SubjectPublicKeyInfo in DER; Ed25519: 32 bytes. Empty: the key is revoked
	Strict    bool   // t=s: it signs for its domain, not for those below
	Testing   bool   // t=y: receivers are asked to treat what is signed as if it were not
}

// PublicRecord is the record of a private key.
func PublicRecord(private crypto.Signer) (Record, error) {
	switch public := private.Public().(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(public)
		return Record{Algorithm: RSA, Public: der}, err
	case ed25519.PublicKey:
		return Record{Algorithm: Ed25519, Public: public}, nil
	}
	return Record{}, fault.New(fault.Internal, "dkim: a key of type %T has no record", private)
}

// String is the text of the record: v=DKIM1; k=rsa; p=…
func (r Record) String() string {
	text := "v=DKIM1; k=" + string(r.Algorithm) + ";"
	switch {
	case r.Testing && r.Strict:
		text += " t=y:s;"
	case r.Testing:
		text += " t=y;"
	case r.Strict:
		text += " t=s;"
	}
	return text + " p=" + base64.StdEncoding.EncodeToString(r.Public)
}

// Same says that two records publish the same key.
func (r Record) Same(other Record) bool {
	return r.Algorithm == other.Algorithm && bytes.Equal(r.Public, other.Public)
}

// ParseRecord reads the text of a record (RFC 6376 §3.6.1). Kind of error: Invalid,
// if it is none, or of a key that signs no mail.
func ParseRecord(text string) (Record, error) {
	tags, err := parseTags(text)
	if err != nil {
		return Record{}, err
	}
	if v, ok := tags["v"]; ok && v != "DKIM1" {
		return Record{}, fault.New(fault.Invalid, "dkim: the record has v=%s, want v=DKIM1", v)
	}
	if s, ok := tags["s"]; ok && !listHas(s, "*") && !listHas(s, "email") {
		return Record{}, fault.New(fault.Invalid, "dkim: the key is for %s, not for mail", s)
	}
	if h, ok := tags["h"]; ok && !listHas(h, "sha256") {
		return Record{}, fault.New(fault.Invalid, "dkim: the key is for %s, not for sha256", h)
	}
	p, ok := tags["p"]
	if !ok {
		return Record{}, fault.New(fault.Invalid, "dkim: the record has no p=")
	}
	r := Record{Algorithm: RSA, Strict: listHas(tags["t"], "s"), Testing: listHas(tags["t"], "y")}
	if k, ok := tags["k"]; ok {
		r.Algorithm = Algorithm(k)
	}
	if r.Public, err = base64.StdEncoding.DecodeString(removeBlanks(p)); err != nil {
		return Record{}, fault.New(fault.Invalid, "dkim: p= is not base64: %w", err)
	}
	return r, nil
}

// parseTags reads a list of tags (RFC 6376 §3.2).
func parseTags(text string) (map[string]string, error) {
	tags := map[string]string{}
	for tag := range strings.SplitSeq(text, ";") {
		if tag = strings.Trim(tag, blanks); tag == "" {
			continue
		}
		name, value, ok := strings.Cut(tag, "=")
		name = strings.Trim(name, blanks)
		if _, twice := tags[name]; !ok || twice || name == "" {
			return nil, fault.New(fault.Invalid, "dkim: %q is no list of tags", text)
		}
		tags[name] = strings.Trim(value, blanks)
	}
	return tags, nil
}

const blanks = " \t\r\n"

// listHas looks for a word in a list with colons.
func listHas(list, word string) bool {
	for one := range strings.SplitSeq(list, ":") {
		if strings.Trim(one, blanks) == word {
			return true
		}
	}
	return false
}

func removeBlanks(s string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(blanks, c) {
			return -1
		}
		return c
	}, s)
}
