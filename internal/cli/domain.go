package cli

import (
	"fmt"
	"io"

	"posthorn/internal/admin"
)

type domainCommand struct {
	Add    domainAdd    `cmd:"" help:"Take a domain on."`
	List   domainList   `cmd:"" help:"List all domains."`
	Delete domainDelete `cmd:"" help:"Give a domain up. It must have no addresses any more."`
	DNS    domainDNS    `cmd:"" name:"dns" help:"Print the DNS records that a domain needs."`
	Check  domainCheck  `cmd:"" help:"Compare DNS with what a domain needs."`
	DKIM   domainDKIM   `cmd:"" name:"dkim" help:"The keys that a domain signs its mail with."`

	Alias    domainAlias    `cmd:"" help:"Give a domain another name."`
	CatchAll domainCatchAll `cmd:"" help:"Say who gets mail for addresses that are not there."`
	Admin    domainAdmin    `cmd:"" help:"Who administers a domain besides you."`
	Set      domainSet      `cmd:"" help:"Limit what a domain may have."`
}

type domainAdd struct {
	Domain string `arg:"" help:"The domain, example.test."`
}

func (c *domainAdd) Run(e *environment) error {
	domain, err := call(e, admin.AddDomain, admin.Name{Name: c.Domain})
	if err != nil {
		return err
	}
	return e.print(domain, func(w io.Writer) { fmt.Fprintln(w, "added", domain.Name) })
}

type domainList struct{}

func (c *domainList) Run(e *environment) error {
	domains, err := call(e, admin.ListDomains, admin.Nothing{})
	if err != nil {
		return err
	}
	return e.print(domains, func(w io.Writer) {
		rows := [][]string{{"DOMAIN", "SINCE", "ADDRESSES"}}
		for _, d := range domains {
			rows = append(rows, []string{d.Name, d.Created.Format("2006-01-02"), addressesOf(d)})
		}
		table(w, rows)
	})
}

type domainDelete struct {
	Domain string `arg:"" help:"The domain."`
}

func (c *domainDelete) Run(e *environment) error {
	if _, err := call(e, admin.DeleteDomain, admin.Name{Name: c.Domain}); err != nil {
		return err
	}
	return e.done("deleted", c.Domain, "deleted %s", c.Domain)
}
