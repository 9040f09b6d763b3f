package dkim

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthorn/internal/addr"
	"posthorn/internal/message"
)

// fields are the fields of a header block, and where those of a name are.
type fields struct {
	all    []message.Field
	byName map[string][]int // in lower case
}

func parseFields(header []byte) fields {
	f := fields{byName: map[string][]int{}}
	for field := range message.Fields(header) {
		name := strings.ToLower(string(field.Name))
		f.byName[name] = append(f.byName[name], len(f.all))
		f.all = append(f.all, field)
	}
	return f
}

// signature is one DKIM-Signature field on its way to a Finding, which has a Result
// as soon as one is certain.
type signature struct {
	Finding
	index          int // among the fields
	identityDomain string
	headers        []string // h=, in lower case
	relaxedHeader  bool     // c=
	relaxedBody    bool
	length         int64  // l=; -1: all
	bodyHash       []byte // bh=
	value          []byte // b=

	body     *digest
	key      Record
	keyError error
}

func (s *signature) decided() bool { return s.Result != "" }

func (s *signature) decide(r Result, reason string) { s.Result, s.Reason = r, reason }

// parseSignature reads a field (RFC 6376 §3.5) and makes the checks that need
// nothing else (§6.1.1).
func parseSignature(f message.Field, index int, now time.Time) *signature {
	s := &signature{index: index, length: -1}
	tags, err := parseTags(string(f.Value))
	if err != nil {
		s.decide(Neutral, "the signature cannot be read")
		return s
	}
	s.Domain, s.Selector, s.Algorithm = removeBlanks(tags["d"]), removeBlanks(tags["s"]), removeBlanks(tags["a"])
	s.Signature = removeBlanks(tags["b"])
	s.Signature = s.Signature[:min(8, len(s.Signature))]
	for _, check := range []func(map[string]string, time.Time) (Result, string){
		s.required, s.parseIdentity, s.parseForm, s.parseTimes, s.parseHashes,
	} {
		if result, reason := check(tags, now); result != Pass {
			s.decide(result, reason)
			return s
		}
	}
	return s
}

// required looks for what every signature has, and at its version and algorithm.
func (s *signature) required(tags map[string]string, _ time.Time) (Result, string) {
	for _, name := range []string{"v", "a", "b", "bh", "d", "h", "s"} {
		if _, ok := tags[name]; !ok {
			return PermError, "the signature has no " + name + "="
		}
	}
	switch {
	case tags["v"] != "1":
		return Neutral, "the signature is of another version"
	case s.Algorithm == "rsa-sha1":
		return Policy, "rsa-sha1 proves nothing any more" // RFC 8301 §3.1
	case s.Algorithm != "rsa-sha256" && s.Algorithm != "ed25519-sha256":
		return Neutral, "the algorithm is not known"
	}
	if q, ok := tags["q"]; ok && !listHas(q, "dns/txt") {
		return Neutral, "the key is not in the DNS"
	}
	return Pass, ""
}

// parseIdentity reads d= and i=: the latter is at the former, or below it.
func (s *signature) parseIdentity(tags map[string]string, _ time.Time) (Result, string) {
	domain, err := addr.CanonicalDomain(s.Domain)
	if err != nil || strings.HasPrefix(domain, "[") {
		return Neutral, "d= is no domain"
	}
	s.Domain, s.Identity = domain, "@"+domain
	if i, ok := tags["i"]; ok {
		s.Identity = removeBlanks(i)
	}
	at := strings.LastIndexByte(s.Identity, '@')
	s.identityDomain, err = addr.CanonicalDomain(s.Identity[at+1:])
	if at < 0 || err != nil || s.identityDomain != domain && !strings.HasSuffix(s.identityDomain, "."+domain) {
		return PermError, "i= is not in the domain of d="
	}
	return Pass, ""
}

// parseForm reads c= and l=.
func (s *signature) parseForm(tags map[string]string, _ time.Time) (Result, string) {
	header, body, _ := strings.Cut(removeBlanks(tags["c"]), "/")
	for _, form := range []string{header, body} {
		if form != "" && form != "simple" && form != "relaxed" {
			return Neutral, "the canonicalization is not known"
		}
	}
	s.relaxedHeader, s.relaxedBody = header == "relaxed", body == "relaxed"
	if l, ok := tags["l"]; ok {
		n, err := strconv.ParseInt(removeBlanks(l), 10, 64)
		if err != nil || n < 0 {
			return Neutral, "l= is no length"
		}
		s.length = n
	}
	return Pass, ""
}

// parseTimes reads x=.
func (s *signature) parseTimes(tags map[string]string, now time.Time) (Result, string) {
	x, ok := tags["x"]
	if !ok {
		return Pass, ""
	}
	seconds, err := strconv.ParseInt(removeBlanks(x), 10, 64)
	switch {
	case err != nil:
		return Neutral, "x= is no time"
	case now.After(time.Unix(seconds, 0)):
		return Policy, "the signature has expired"
	}
	return Pass, ""
}

// parseHashes reads h=, bh= and b=.
func (s *signature) parseHashes(tags map[string]string, _ time.Time) (Result, string) {
	s.headers = strings.Split(strings.ToLower(removeBlanks(tags["h"])), ":")
	if !slices.Contains(s.headers, "from") {
		return PermError, "From is not signed" // §6.1.1
	}
	var err error
	if s.bodyHash, err = base64.StdEncoding.DecodeString(removeBlanks(tags["bh"])); err != nil {
		return Neutral, "bh= is not base64"
	}
	if s.value, err = base64.StdEncoding.DecodeString(removeBlanks(tags["b"])); err != nil {
		return Neutral, "b= is not base64"
	}
	return Pass, ""
}

// withoutSignature is the value of a signature's field with that of b= taken out.
func withoutSignature(value []byte) []byte {
	at := 0
	for tag := range bytes.SplitSeq(value, []byte(";")) {
		name, _, ok := bytes.Cut(tag, []byte("="))
		if ok && string(bytes.Trim(name, blanks)) == "b" {
			out := append([]byte(nil), value[:at+len(name)+1]...)
			return append(out, value[at+len(tag):]...)
		}
		at += len(tag) + 1
	}
	return value
}
