package dmarc

import (
	"strconv"
	"strings"

	"posthorn/internal/fault"
)

// Policy is what a domain's owner asks for, the stricter the greater.
type Policy uint8

// The policies.
const (
	DoNothing  Policy = iota // "none"
	Quarantine               // as spam
	Reject
)

var policyNames = [...]string{DoNothing: "none", Quarantine: "quarantine", Reject: "reject"}

func (p Policy) String() string { return policyNames[p] }

func parsePolicy(s string) (Policy, bool) {
	for p, name := range policyNames {
		if strings.EqualFold(s, name) {
			return Policy(p), true
		}
	}
	return DoNothing, false
}

// record is a policy record, as far as it concerns us (RFC 7489 §6.3).
type record struct {
	policy     Policy // p=
	subdomains Policy // sp=, for domains below
	strictSPF  bool   // aspf=s
	strictDKIM bool   // adkim=s
	percent    int    // pct=
}

// isRecord says whether a text means to be a policy record: the version comes first.
func isRecord(text string) bool {
	first, _, _ := strings.Cut(text, ";")
	name, value, _ := strings.Cut(first, "=")
	return strings.Trim(name, " \t") == "v" && strings.Trim(value, " \t") == "DMARC1"
}

// parseRecord reads a record. RFC 7489 §6.3: tags that are unknown or make no sense
// are as if they were not there. §6.6.3: without a policy there must at least be
// somebody who wants reports; then the policy is to do nothing.
func parseRecord(text string) (*record, error) {
	r := &record{percent: 100}
	tags := map[string]string{}
	for tag := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(tag, "=")
		name = strings.ToLower(strings.Trim(name, " \t"))
		if _, twice := tags[name]; !twice {
			tags[name] = strings.Trim(value, " \t")
		}
	}
	r.strictSPF = strings.EqualFold(tags["aspf"], "s")
	r.strictDKIM = strings.EqualFold(tags["adkim"], "s")
	if n, err := strconv.Atoi(tags["pct"]); err == nil && 0 <= n && n <= 100 {
		r.percent = n
	}
	policy, ok := parsePolicy(tags["p"])
	r.policy, r.subdomains = policy, policy
	if sp, given := tags["sp"]; given && ok {
		r.subdomains, ok = parsePolicy(sp)
	}
	switch {
	case ok:
		return r, nil
	case strings.Contains(tags["rua"], ":"):
		r.policy, r.subdomains = DoNothing, DoNothing
		return r, nil
	}
	return nil, fault.New(fault.Invalid, "the policy names none of none, quarantine and reject")
}
