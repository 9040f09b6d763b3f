package dkim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"sync"
	"time"

	"posthorn/internal/dns"
	"posthorn/internal/fault"
	"posthorn/internal/message"
)

// Result is the outcome for one signature, as RFC 8601 §2.7.1 names it.
type Result string

// The results.
const (
	None      Result = "none"      // there is no signature; never in a Finding
	Pass      Result = "pass"      // the domain stands by what it signed
	Fail      Result = "fail"      // what it signed was something else
	Policy    Result = "policy"    // it may be right, but not in a way that we accept
	Neutral   Result = "neutral"   // it cannot be understood, or asks not to be looked at
	TempError Result = "temperror" // nobody could say
	PermError Result = "permerror" // it can never be verified
)

// Finding is what was found of one signature.
type Finding struct {
	Result    Result
	Domain    string // d=, canonical: who takes responsibility
	Selector  string // s=
	Identity  string // i=: for whom, @Domain if nobody in particular
	Algorithm string // a=
	Signature string // the first characters of b=, which tell signatures of one domain apart (RFC 6008)
	Testing   bool   // the domain says that it is only trying (t=y)
	Reason    string // for people; empty if Result is Pass
}

// maxSignatures is how many signatures of a message are looked at, the topmost
// first (RFC 6376 §6.1: a message may have thousands).
const maxSignatures = 8

// Verifier verifies the signatures of one message while its body arrives. It asks
// for the keys in the meantime; its memory does not grow with the body.
type Verifier struct {
	fields     fields
	signatures []*signature
	simple     *digest // of the body; nil if no signature needs it
	relaxed    *digest
	lookups    sync.WaitGroup
	cancel     context.CancelFunc
}

// NewVerifier begins with a message, by its header block, which must not change
// until the Findings are made. It is nil if there is no signature; else Close must be
// called. Keys are asked for until ctx ends.
func NewVerifier(ctx context.Context, r *dns.Resolver, now time.Time, header []byte) *Verifier {
	if !isSigned(header) {
		return nil
	}
	v := &Verifier{fields: parseFields(header)}
	signed := v.fields.byName[strings.ToLower(fieldName)]
	ctx, v.cancel = context.WithCancel(ctx)
	for _, i := range signed[:min(len(signed), maxSignatures)] {
		s := parseSignature(v.fields.all[i], i, now)
		v.signatures = append(v.signatures, s)
		if s.decided() {
			continue
		}
		s.body = v.digest(s.relaxedBody)
		v.lookups.Go(func() { s.key, s.keyError = lookupKey(ctx, r, s.Selector, s.Domain) })
	}
	return v
}

// isSigned says whether a header has a signature, good or bad.
func isSigned(header []byte) bool {
	for f := range message.Fields(header) {
		if bytes.EqualFold(f.Name, []byte(fieldName)) {
			return true
		}
	}
	return false
}

// digest is the one of the two digests of the body that a signature needs.
func (v *Verifier) digest(relaxed bool) *digest {
	d := &v.simple
	if relaxed {
		d = &v.relaxed
	}
	if *d == nil {
		*d = newDigest(relaxed)
	}
	return *d
}

// Write takes the next bytes of the body. It never fails.
func (v *Verifier) Write(p []byte) (int, error) {
	for _, d := range [...]*digest{v.simple, v.relaxed} {
		if d != nil {
			d.write(p)
		}
	}
	return len(p), nil
}

// Findings ends the message, waits for the keys, and says what was found, in the
// order of the signatures.
func (v *Verifier) Findings() []Finding {
	v.lookups.Wait()
	all := make([]Finding, len(v.signatures))
	for i, s := range v.signatures {
		if !s.decided() {
			s.decide(s.verify(v.fields))
		}
		all[i] = s.Finding
	}
	return all
}

// Close ends the verification, if there is one, at whatever point it is.
func (v *Verifier) Close() {
	if v != nil {
		v.cancel()
		v.lookups.Wait()
	}
}

// verify does the steps of RFC 6376 §6.1.2 and §6.1.3.
func (s *signature) verify(f fields) (Result, string) {
	if s.keyError != nil {
		if fault.Is(s.keyError, fault.Unavailable) {
			return TempError, s.keyError.Error()
		}
		return PermError, s.keyError.Error()
	}
	s.Testing = s.key.Testing
	switch {
	case string(s.key.Algorithm)+"-sha256" != s.Algorithm:
		return PermError, "the key is of another algorithm: " + string(s.key.Algorithm)
	case s.key.Strict && s.identityDomain != s.Domain:
		return PermError, "the key is not for domains below its own"
	}
	result, reason := s.verifyBody()
	if result == Pass {
		result, reason = s.key.verify(s.headerHash(f), s.value)
	}
	if result == Fail && s.Testing {
		// RFC 6376 §3.6.1: a signature that is only a trial must do no harm.
		return Neutral, reason
	}
	return result, reason
}

// verifyBody compares the body with the hash of it that was signed.
func (s *signature) verifyBody() (Result, string) {
	hash, size := s.body.sum()
	switch {
	case s.length > size:
		return Fail, "the body is shorter than what was signed"
	case 0 <= s.length && s.length < size:
		// RFC 6376 §8.2: whatever follows may be anybody's.
		return Policy, "only a part of the body was signed"
	case subtle.ConstantTimeCompare(hash, s.bodyHash) != 1:
		return Fail, "the body was changed"
	}
	return Pass, ""
}

// headerHash is the hash of what was signed (RFC 6376 §3.7): the fields that h=
// names, from the bottom up where several have one name, then the signature itself.
func (s *signature) headerHash(f fields) []byte {
	h := sha256.New()
	taken := map[string]int{}
	for _, name := range s.headers {
		same := f.byName[name]
		for taken[name]++; taken[name] <= len(same); taken[name]++ {
			i := same[len(same)-taken[name]]
			if i == s.index {
				continue // §3.5: it is never among what it names
			}
			field := f.all[i]
			if s.relaxedHeader {
				writeRelaxed(h, field.Name, field.Value)
				h.Write([]byte("\r\n"))
			} else {
				h.Write(field.Raw)
			}
			break
		}
	}
	own := f.all[s.index]
	if s.relaxedHeader {
		writeRelaxed(h, own.Name, withoutSignature(own.Value))
	} else {
		head := len(own.Raw) - len(own.Value) - lineEnd(own)
		h.Write(own.Raw[:head])
		h.Write(withoutSignature(own.Value))
	}
	return h.Sum(nil)
}

// lineEnd is the length of what follows a field's value.
func lineEnd(f message.Field) int {
	n := 0
	for n < len(f.Raw) && (f.Raw[len(f.Raw)-1-n] == '\n' || f.Raw[len(f.Raw)-1-n] == '\r') {
		n++
	}
	return n
}
