package tlsrpt

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"posthorn/internal/fault"
)

// Tally is what was counted for a destination on a day. Its form in JSON is that of a
// report (RFC 8460 §4.4).
type Tally struct {
	Version  int         `json:"version,omitempty"` // of the record; not in reports
	Policies []*ByPolicy `json:"policies"`
}

// ByPolicy is what was counted for one policy of the destination.
type ByPolicy struct {
	Policy   policyText   `json:"policy"`
	Summary  summary      `json:"summary"`
	Failures []*byFailure `json:"failure-details,omitempty"`
}

type policyText struct {
	Type    PolicyType `json:"policy-type"`
	Strings []string   `json:"policy-string,omitempty"`
	Domain  string     `json:"policy-domain"`
	Hosts   []string   `json:"mx-host,omitempty"`
}

type summary struct {
	Succeeded int64 `json:"total-successful-session-count"`
	Failed    int64 `json:"total-failure-session-count"`
}

// byFailure is one way in which sessions failed.
type byFailure struct {
	Failure  Failure `json:"result-type"`
	Sender   string  `json:"sending-mta-ip,omitempty"`
	Host     string  `json:"receiving-mx-hostname,omitempty"`
	Receiver string  `json:"receiving-ip,omitempty"`
	Sessions int64   `json:"failed-session-count"`
	Reason   string  `json:"failure-reason-code,omitempty"`
}

// What a Tally holds at most. Failures beyond that are counted with less detail.
const (
	maxPolicies = 8
	maxFailures = 32 // of one policy
	maxStrings  = 32
	maxText     = 300 // bytes of a text that others have made
)

func (t *Tally) count(s Session) {
	p := t.policy(policyText{s.Policy.Type, bounded(s.Policy.Strings), s.Policy.Domain, bounded(s.Policy.Hosts)})
	if p == nil {
		return
	}
	if s.Failure == "" {
		p.Summary.Succeeded++
		return
	}
	p.Summary.Failed++
	p.fail(byFailure{s.Failure, spell(s.Sender), cut(s.Host), spell(s.Receiver), 1, cut(s.Reason)})
}

// policy finds the counters of a policy, or makes them; nil: there is no room.
func (t *Tally) policy(text policyText) *ByPolicy {
	for _, p := range t.Policies {
		if p.Policy.Type == text.Type && p.Policy.Domain == text.Domain && slices.Equal(p.Policy.Strings, text.Strings) {
			return p
		}
	}
	if len(t.Policies) >= maxPolicies {
		return nil
	}
	p := &ByPolicy{Policy: text}
	t.Policies = append(t.Policies, p)
	return p
}

// fail adds sessions that failed.
func (p *ByPolicy) fail(f byFailure) {
	for {
		for _, other := range p.Failures {
			same := f
			if same.Sessions = other.Sessions; *other == same {
				other.Sessions += f.Sessions
				return
			}
		}
		if len(p.Failures) < maxFailures || f == (byFailure{Failure: f.Failure, Sessions: f.Sessions}) {
			p.Failures = append(p.Failures, &f)
			return
		}
		f = byFailure{Failure: f.Failure, Sessions: f.Sessions}
	}
}

// add adds what another has counted.
func (t *Tally) add(other *Tally) {
	for _, o := range other.Policies {
		p := t.policy(o.Policy)
		if p == nil {
			continue
		}
		p.Summary.Succeeded += o.Summary.Succeeded
		p.Summary.Failed += o.Summary.Failed
		for _, f := range o.Failures {
			p.fail(*f)
		}
	}
}

func spell(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.Unmap().String()
}

func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "?") }

func bounded(all []string) []string {
	var some []string
	for _, s := range all[:min(len(all), maxStrings)] {
		some = append(some, cut(s))
	}
	return some
}

const tallyVersion = 1

func (t *Tally) encode() []byte {
	t.Version = tallyVersion
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // it has nothing that JSON does not know
	}
	return b
}

func decode(b []byte) (*Tally, error) {
	t := new(Tally)
	if err := json.Unmarshal(b, t); err != nil {
		return nil, fault.New(fault.Corrupt, "tlsrpt: %w", err)
	}
	if t.Version != tallyVersion || slices.Contains(t.Policies, nil) {
		return nil, fault.New(fault.Corrupt, "tlsrpt: version %d is not known", t.Version)
	}
	for _, p := range t.Policies {
		if slices.Contains(p.Failures, nil) {
			return nil, fault.New(fault.Corrupt, "tlsrpt: a failure is missing")
		}
	}
	return t, nil
}
