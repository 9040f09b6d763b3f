package cli

import (
	"fmt"
	"io"

	"posthorn/internal/admin"
	"posthorn/internal/fault"
)

type domainAlias struct {
	Add domainAliasAdd `cmd:"" help:"Take a domain on in which every address is that of the same name in another one."`
}

type domainAliasAdd struct {
	Alias  string `arg:"" help:"The other name, example.org. To end it: posthorn domain delete example.org."`
	Domain string `arg:"" help:"The domain that has the addresses, example.com."`
}

func (c *domainAliasAdd) Run(e *environment) error {
	domain, err := call(e, admin.AliasDomain, admin.Domain{Name: c.Alias, AliasOf: c.Domain})
	if err != nil {
		return err
	}
	return e.print(domain, func(w io.Writer) { fmt.Fprintln(w, "added", domain.Name, "-> the addresses of", domain.AliasOf) })
}

type domainCatchAll struct {
	Domain  string `arg:"" help:"The domain."`
	Address string `arg:"" optional:"" help:"Gets all mail for addresses of the domain that are not there."`
	None    bool   `help:"Refuse such mail, as without a catch-all."`
}

func (c *domainCatchAll) Run(e *environment) error {
	if c.None == (c.Address != "") {
		return fault.New(fault.Invalid, "who gets the mail? Give an address, or --none")
	}
	domain, err := call(e, admin.SetCatchAll, admin.Domain{Name: c.Domain, CatchAll: c.Address})
	if err != nil {
		return err
	}
	return e.print(domain, func(w io.Writer) {
		if domain.CatchAll == "" {
			fmt.Fprintf(w, "mail for unknown addresses in %s is refused\n", domain.Name)
		} else {
			fmt.Fprintf(w, "mail for unknown addresses in %s goes to %s\n", domain.Name, domain.CatchAll)
		}
	})
}

// addressesOf says which addresses a domain has.
func addressesOf(d admin.Domain) string {
	switch {
	case d.AliasOf != "":
		return "those of " + d.AliasOf
	case d.CatchAll != "":
		return "its own, others to " + d.CatchAll
	}
	return "its own"
}
