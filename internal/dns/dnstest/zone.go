package dnstest

import (
	"fmt"
	"strings"

	miekg "github.com/miekg/dns"
)

// zone is what the server knows, and how it behaves.
type zone struct {
	records []miekg.RR
	rules   []rule
}

// rule is how the server behaves when asked for a name.
type rule struct {
	name      string
	behaviour string
	qtype     uint16 // 0: any
}

var behaviours = []string{
	"timeout", "servfail", "refused", "formerr", "notimp", "lie", "stranger", "garbage", "empty",
	"noedns", "truncate", "cut", "notcp", "lazy", "authentic",
}

func parseZone(text string) (*zone, error) {
	z := &zone{}
	for i, line := range strings.Split(text, "\n") {
		if err := z.parseLine(strings.TrimSpace(line)); err != nil {
			return nil, fmt.Errorf("dnstest: line %d of the zone: %q: %w", i+1, line, err)
		}
	}
	return z, nil
}

func (z *zone) parseLine(line string) error {
	words := strings.Fields(line)
	switch {
	case len(words) == 0 || words[0][0] == '#' || words[0][0] == ';':
		return nil
	case len(words) > 1 && words[1][0] == '!':
		return z.parseRule(words)
	}
	rr, err := miekg.NewRR("$ORIGIN .\n$TTL 300\n" + line)
	if err == nil && rr != nil {
		z.records = append(z.records, rr)
	}
	return err
}

func (z *zone) parseRule(words []string) error {
	r := rule{name: fqdn(words[0]), behaviour: words[1][1:]}
	if len(words) > 2 {
		if r.qtype = miekg.StringToType[words[2]]; r.qtype == 0 {
			return fmt.Errorf("no type %q", words[2])
		}
	}
	for _, known := range behaviours {
		if r.behaviour == known {
			z.rules = append(z.rules, r)
			return nil
		}
	}
	return fmt.Errorf("no behaviour %q", r.behaviour)
}

func fqdn(name string) string { return strings.ToLower(miekg.Fqdn(name)) }

// behaves says whether a rule applies to a question.
func (z *zone) behaves(q miekg.Question, behaviour string) bool {
	for _, r := range z.rules {
		if r.behaviour == behaviour && r.name == fqdn(q.Name) && (r.qtype == 0 || r.qtype == q.Qtype) {
			return true
		}
	}
	return false
}

// signed says whether a name is at or below one that is authentic.
func (z *zone) signed(name string) bool {
	for _, r := range z.rules {
		if r.behaviour == "authentic" && miekg.IsSubDomain(r.name, fqdn(name)) {
			return true
		}
	}
	return false
}

// find gives the records of a name and a type, and the alias that it is.
func (z *zone) find(name string, qtype uint16) (records []miekg.RR, alias *miekg.CNAME) {
	for _, rr := range z.records {
		h := rr.Header()
		if fqdn(h.Name) != fqdn(name) {
			continue
		}
		if c, ok := rr.(*miekg.CNAME); ok && qtype != miekg.TypeCNAME {
			alias = c
		}
		if h.Rrtype == qtype {
			records = append(records, rr)
		}
	}
	return records, alias
}

// exists says whether there is anything at a name or below it.
func (z *zone) exists(name string) bool {
	for _, rr := range z.records {
		if miekg.IsSubDomain(fqdn(name), fqdn(rr.Header().Name)) {
			return true
		}
	}
	return false
}
