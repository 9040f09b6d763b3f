package admin

import (
	"context"
	"slices"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/directory"
	"posthorn/internal/fault"
)

// authorize says whether the caller may do something; the error is that he may not, in
// words that do not tell what there is.
func (a *Admin) authorize(ctx context.Context, operation string, request any) error {
	c, need := callerOf(ctx), rightTo(operation)
	var about []subject
	if !c.operator && need >= toSee && need != toAll {
		var err error
		if about, err = a.subjects(ctx, c, operation, request); err != nil {
			return err
		}
	}
	v, s := decide(c, need, about)
	switch {
	case v == granted:
		return nil
	case v == hidden && strings.Contains(s.name, "@"):
		return fault.New(fault.NotFound, "there is no account %s", s.name)
	case v == hidden:
		return fault.New(fault.NotFound, "domain %s is not served here", s.name)
	case v == beyond:
		return fault.New(fault.Denied, "%s has rights that you have not; only the operator of the server can do that", s.name)
	}
	return notForYou(operation)
}

// notForYou is the error that an operation is the operator's.
func notForYou(operation string) error {
	return fault.New(fault.Denied, "%s is not for you; ask the operator of the server", strings.ReplaceAll(operation, "/", " "))
}

// subjects finds out what a request is about. Of what is not the caller's it looks
// nothing up, so that the time that it takes tells nothing either.
func (a *Admin) subjects(ctx context.Context, c *caller, operation string, request any) ([]subject, error) {
	names := named(operation, request)
	all := make([]subject, 0, len(names.domains)+len(names.addresses)+len(names.targets))
	for _, name := range names.domains {
		canonical, err := addr.CanonicalDomain(name)
		if err != nil {
			return nil, err
		}
		all = append(all, subject{name: canonical, domain: canonical})
	}
	for _, name := range names.addresses {
		s, err := a.addressee(ctx, c, name)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	for _, name := range names.targets {
		address, err := parseCanonical(name)
		if err != nil {
			return nil, err
		}
		ours, err := a.o.Directory.IsLocal(ctx, address.Domain)
		if err != nil {
			return nil, err
		}
		all = append(all, subject{name: address.String(), domain: address.Domain, target: true, ours: ours})
	}
	return all, nil
}

// addressee is the subject that has an address, or might get it.
func (a *Admin) addressee(ctx context.Context, c *caller, name string) (subject, error) {
	address, err := parseCanonical(name)
	if err != nil {
		return subject{}, err
	}
	s := subject{name: address.String(), domain: address.Domain}
	own, err := parseCanonical(c.name)
	if err != nil || !slices.Contains(c.domains, s.domain) && own != address {
		return s, err
	}
	all := []string{s.name}
	switch account, err := a.o.Directory.Account(ctx, address); {
	case err == nil:
		s.account, all = account.ID, append(all, account.Address.String())
		if s.administer, err = a.o.Directory.Administers(ctx, account.ID); err != nil {
			return s, err
		}
	case !fault.Is(err, fault.NotFound):
		return s, err
	}
	s.everywhere = slices.ContainsFunc(a.administrators(), func(name string) bool {
		address, err := parseCanonical(name)
		return err != nil || slices.Contains(all, address.String())
	})
	return s, nil
}

// administrators are the addresses that the operator has given rights everywhere.
func (a *Admin) administrators() []string {
	if a.o.Administrators == nil {
		return nil
	}
	return a.o.Administrators()
}

func parseCanonical(text string) (addr.Address, error) {
	address, err := addr.Parse(text)
	if err != nil {
		return address, err
	}
	return directory.Canonical(address)
}

// names are those in a request.
type names struct{ domains, addresses, targets []string }

// named finds the names in a request. One that this does not know has none, and so is
// nobody's but the operator's.
func named(operation string, request any) names {
	switch r := request.(type) {
	case Name:
		if strings.HasPrefix(operation, "domain/") {
			return names{domains: []string{r.Name}}
		}
		return names{addresses: []string{r.Name}}
	case Domain:
		if r.CatchAll == "" {
			return names{domains: []string{r.Name}}
		}
		return names{domains: []string{r.Name}, targets: []string{r.CatchAll}}
	case Credentials:
		return names{addresses: []string{r.Address}}
	case []Credentials:
		all := names{}
		for _, one := range r {
			all.addresses = append(all.addresses, one.Address)
		}
		return all
	case Account:
		return names{addresses: []string{r.Address}, targets: r.Forward}
	case Alias:
		return names{addresses: []string{r.Address}, targets: r.Targets}
	case AccountRename:
		if r.To == "" {
			return names{addresses: []string{r.Address}}
		}
		return names{addresses: []string{r.Address, r.To}}
	case AppPassword:
		return names{addresses: []string{r.Address}}
	case AccountSettings:
		return names{addresses: []string{r.Address}}
	case POP3Settings:
		return names{addresses: []string{r.Address}}
	case Retention:
		return names{addresses: []string{r.Address}}
	case AccountState:
		return names{addresses: []string{r.Address}}
	case AccountMechanisms:
		return names{addresses: []string{r.Address}}
	}
	return names{}
}
