package mtasts

import (
	"strconv"
	"strings"
	"time"

	"posthorn/internal/fault"
)

// Mode is how serious a domain is.
type Mode string

// The modes (RFC 8461 §5).
const (
	Enforce Mode = "enforce" // mail that cannot be delivered as the policy says is not delivered
	Testing Mode = "testing" // it is, but the domain would like to know (RFC 8460)
	None    Mode = "none"    // there is no policy
)

// Policy is what a domain wants of those who deliver its mail.
type Policy struct {
	Mode   Mode
	MX     []string // its hosts: "mx.example.test", "*.example.test"; lower case
	MaxAge time.Duration
}

// longestAge is how long a policy may hold (RFC 8461 §3.2).
const longestAge = 31557600 * time.Second

// maxHosts is how many hosts a policy may name.
const maxHosts = 1000

// Parse reads a policy (RFC 8461 §3.2): lines of a key and a value, of which those
// that are not known do not matter, and of those that are the first counts.
func Parse(text []byte) (Policy, error) {
	var p Policy
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(line, ":")
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		switch {
		case key == "" && !ok:
			continue
		case !ok:
			return Policy{}, fault.New(fault.Invalid, "%.80q is not a line of a policy", key)
		case seen[key] && key != "mx":
			continue
		}
		seen[key] = true
		if err := p.take(key, value); err != nil {
			return Policy{}, err
		}
	}
	switch {
	case !seen["version"] || !seen["mode"] || !seen["max_age"]:
		return Policy{}, fault.New(fault.Invalid, "the policy lacks version, mode or max_age")
	case p.Mode != None && len(p.MX) == 0:
		return Policy{}, fault.New(fault.Invalid, "the policy names no host")
	}
	return p, nil
}

// take takes the value of a key over.
func (p *Policy) take(key, value string) error {
	switch key {
	case "version":
		if value != "STSv1" {
			return fault.New(fault.Invalid, "version %.80q of a policy is not known", value)
		}
	case "mode":
		p.Mode = Mode(strings.ToLower(value))
		if p.Mode != Enforce && p.Mode != Testing && p.Mode != None {
			return fault.New(fault.Invalid, "mode %.80q of a policy is not known", value)
		}
	case "max_age":
		seconds, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return fault.New(fault.Invalid, "max_age %.80q of a policy is no number of seconds", value)
		}
		p.MaxAge = min(time.Duration(seconds)*time.Second, longestAge)
	case "mx":
		pattern := strings.ToLower(strings.TrimSuffix(value, "."))
		if !isPattern(pattern) {
			return fault.New(fault.Invalid, "%.80q is not the name of a host", value)
		}
		if p.MX = append(p.MX, pattern); len(p.MX) > maxHosts {
			return fault.New(fault.Invalid, "the policy names more than %d hosts", maxHosts)
		}
	}
	return nil
}

// isPattern says that a text can name hosts: a name, or one that begins with "*.".
func isPattern(s string) bool {
	name := strings.TrimPrefix(s, "*.")
	return name != "" && name[0] != '.' && !strings.Contains(name, "..") && !strings.ContainsFunc(name, func(c rune) bool {
		return !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_')
	})
}

// Matches says that a host is one of the domain's. RFC 8461 §4.1: a star stands for
// exactly one label.
func (p Policy) Matches(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	_, parent, _ := strings.Cut(host, ".")
	for _, pattern := range p.MX {
		if below, ok := strings.CutPrefix(pattern, "*."); ok && parent != "" && parent == below || pattern == host {
			return true
		}
	}
	return false
}

// String is the policy as it would be published.
func (p Policy) String() string {
	var b strings.Builder
	b.WriteString("version: STSv1\nmode: " + string(p.Mode) + "\n")
	for _, host := range p.MX {
		b.WriteString("mx: " + host + "\n")
	}
	b.WriteString("max_age: " + strconv.FormatInt(int64(p.MaxAge/time.Second), 10) + "\n")
	return b.String()
}
