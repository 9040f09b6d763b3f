package admin

import (
	"context"

	"posthorn/internal/directory"
	"posthorn/internal/dkim"
	"posthorn/internal/dnszone"
)

// DomainZone is what is to be published for a domain.
type DomainZone struct {
	Domain   string            `json:"domain"`
	Sections []dnszone.Section `json:"sections"`
}

// DomainCheck is what was found of that.
type DomainCheck struct {
	Domain   string            `json:"domain"`
	Right    bool              `json:"right"` // all is there that is needed
	Findings []dnszone.Finding `json:"findings"`
}

func (a *Admin) showZone(ctx context.Context, r Name) (DomainZone, error) {
	facts, err := a.facts(ctx, r.Name)
	if err != nil {
		return DomainZone{}, err
	}
	return DomainZone{facts.Domain, dnszone.Zone(facts)}, nil
}

func (a *Admin) checkDomain(ctx context.Context, r Name) (DomainCheck, error) {
	facts, err := a.facts(ctx, r.Name)
	if err != nil {
		return DomainCheck{}, err
	}
	findings := dnszone.Check(ctx, a.o.Resolver(), facts)
	return DomainCheck{facts.Domain, dnszone.Right(findings), findings}, nil
}

// facts gathers what is known of a domain, with the keys that it should have.
func (a *Admin) facts(ctx context.Context, domain string) (*dnszone.Facts, error) {
	if _, err := a.o.Directory.EnsureKeys(ctx, domain); err != nil {
		return nil, err
	}
	keys, err := a.o.Directory.Keys(ctx, domain)
	if err != nil {
		return nil, err
	}
	f := &dnszone.Facts{Site: a.o.Site()}
	for _, k := range keys {
		state := map[directory.KeyState]dnszone.KeyState{
			directory.KeyPrepared: dnszone.Next, directory.KeyActive: dnszone.Signs, directory.KeyRetired: dnszone.Past,
		}[k.State]
		f.Domain = k.Domain
		f.Keys = append(f.Keys, dnszone.Key{Name: dkim.RecordName(k.Selector, k.Domain), Record: k.Record, State: state, Until: k.KeepUntil()})
	}
	return f, nil
}
